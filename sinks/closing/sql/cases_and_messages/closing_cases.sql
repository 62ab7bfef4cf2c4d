-- Contract section 4: the cases whose deadline day is in the active part of the month, and whether
-- they were answered by its end. closing_days has 0 for a deadline outside it. answered_us = 0: not.
WITH
  seen AS (
    SELECT s.tenant_id AS tenant_id, s.days AS days, c.*
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
    INNER JOIN closing_received(cutoff = {cutoff:Int64}) AS c ON s.scope = c.scope
  ),
  due AS (
    SELECT
      seen.*,
      multiIf(
        indicator = 'antispam.complaint_response', d.respond_by_us,
        indicator = 'antispam.result_notice', d.notify_by_us,
        indicator = 'antispam.blocklist_processing', d.process_by_us,
        d.report_by_us
      ) AS by_us
    FROM seen
    ASOF INNER JOIN closing_days(month = {month:Date}, plan = {plan:UInt64}) AS d
      ON seen.days = d.days AND seen.received_us >= d.start_us
    WHERE received_us < d.end_us
  )
SELECT
  tenant_id,
  indicator,
  assumeNotNull(case_id) AS case_id,
  received_us,
  by_us,
  if(answered, answered_us, 0) AS answered_us,
  if(answered, answered_us >= by_us, by_us <= {cutoff:Int64}) AS late
FROM due
WHERE by_us > 0
