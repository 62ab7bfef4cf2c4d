-- Contract section 4: cases not answered by the end of their deadline day. A case belongs to the
-- month of that day; closing_days has 0 where it is not in the active part.
WITH
  steps AS (
    SELECT
      toString(tenant_id) AS scope,
      toUnixTimestamp64Micro(time) AS time_us,
      arrayJoin(
        multiIf(
          type = 'complaint.received' AND origin = 'own_domain', [
            ('antispam.complaint_response', case_id, true), ('antispam.result_notice', case_id, true)
          ],
          type = 'complaint.responded', [('antispam.complaint_response', case_id, false)],
          type = 'complaint.result_notified', [('antispam.result_notice', case_id, false)],
          type = 'blocklist.published', [('antispam.blocklist_processing', list_id, true)],
          type = 'blocklist.processed', [('antispam.blocklist_processing', list_id, false)],
          type = 'listing.detected', [('antispam.listing_report', listing_id, true)],
          type = 'listing.reported', [('antispam.listing_report', listing_id, false)],
          []
        )
      ) AS step
    FROM abuse_events FINAL
    WHERE toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
  ),
  cases AS (
    SELECT
      scope,
      step.1 AS indicator,
      step.2 AS case_id,
      minIf(time_us, step.3) AS received_us,
      minIf(time_us, NOT step.3) AS answered_us,
      countIf(NOT step.3) > 0 AS answered
    FROM steps
    GROUP BY scope, indicator, case_id
    HAVING countIf(step.3) > 0
  ),
  seen AS (
    SELECT s.tenant_id AS tenant_id, s.days AS days, c.*
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
    INNER JOIN cases AS c ON s.scope = c.scope
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
  ),
  sources AS (
    SELECT
      toString(tenant_id) AS scope,
      case_id,
      minIf(toUnixTimestamp64Micro(time), type = 'source.confirmed') AS confirmed_us,
      uniqExactIf(reported_to, type = 'source.reported') AS told
    FROM abuse_events FINAL
    WHERE type IN ('source.confirmed', 'source.reported')
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    GROUP BY scope, case_id
    HAVING countIf(type = 'source.confirmed') > 0
  ),
  violations AS (
    SELECT
      tenant_id,
      indicator,
      countIf(if(answered, answered_us >= by_us, by_us <= {cutoff:Int64})) AS violations
    FROM due
    WHERE by_us > 0
    GROUP BY tenant_id, indicator
    UNION ALL
    SELECT
      s.tenant_id AS tenant_id,
      'antispam.foreign_source_report' AS indicator,
      countIf(f.told < 3) AS violations
    FROM closing_scopes(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64}) AS s
    INNER JOIN sources AS f ON s.scope = f.scope
    WHERE f.confirmed_us >= s.start_us AND f.confirmed_us < s.end_us
    GROUP BY tenant_id
  )
SELECT
  s.tenant_id AS tenant_id,
  s.indicator AS indicator,
  toInt256(v.violations) AS num,
  toInt256(1) AS den,
  num AS raw_num,
  toInt256(1) AS raw_den,
  toInt256(0) AS excluded_num,
  toInt256(1) AS excluded_den,
  toUInt64(v.violations) AS evidence_count,
  true AS has_data,
  false AS settled
FROM (
  SELECT
    tenant_id,
    arrayJoin([
      'antispam.complaint_response', 'antispam.result_notice', 'antispam.blocklist_processing',
      'antispam.listing_report', 'antispam.foreign_source_report'
    ]) AS indicator
  FROM closing_spoken(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
  WHERE topic = 'mail.abuse'
) AS s
LEFT JOIN violations AS v ON s.tenant_id = v.tenant_id AND s.indicator = v.indicator
