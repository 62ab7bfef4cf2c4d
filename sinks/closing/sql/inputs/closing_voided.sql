-- Events that are taken out by the cutoff. A voiding cannot be voided: publish the event anew.
SELECT DISTINCT
  assumeNotNull(toString(voids_topic)) AS voids_topic,
  assumeNotNull(voids_source) AS voids_source,
  assumeNotNull(voids_id) AS voids_id
FROM ops_events FINAL
WHERE type = 'event.voided'
  AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
  AND (landed_at, `partition`, `offset`) NOT IN (
    SELECT landed_at, `partition`, `offset` FROM conflict_log WHERE topic = 'mail.ops'
  )
