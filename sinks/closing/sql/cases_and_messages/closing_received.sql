-- Contract section 4: every case that has come in, and when it was first answered.
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
    FROM counted_abuse_events(cutoff = {cutoff:Int64})
    WHERE toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
  )
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
