-- What a closing of the month has to read: per tenant, and for the platform (*), the events landed by
-- the cutoff, and a digest of them that does not depend on their order.
WITH
  facts AS (
    SELECT toString(tenant_id) AS scope, count() AS events, groupBitXor(place) AS mixed,
      sum(place) AS added
    FROM (
      SELECT tenant_id, sipHash64(source, id, _version) AS place
      FROM mta_events FINAL
      WHERE coalesce(accepted_at, time) >= toDateTime64({month:Date}, 6, 'UTC') - INTERVAL 8 DAY
        AND coalesce(accepted_at, time)
          < toDateTime64({month:Date}, 6, 'UTC') + INTERVAL 1 MONTH + INTERVAL 8 DAY
        AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    )
    GROUP BY scope
    UNION ALL
    SELECT toString(tenant_id) AS scope, count() AS events, groupBitXor(place) AS mixed,
      sum(place) AS added
    FROM (
      SELECT tenant_id, sipHash64(source, id, _version) AS place, time, landed_at FROM probe_events FINAL
      UNION ALL
      SELECT tenant_id, sipHash64(source, id, _version) AS place, time, landed_at FROM ops_events FINAL
      WHERE type != 'source.progress'
      UNION ALL
      SELECT tenant_id, sipHash64(source, id, _version) AS place, time, landed_at FROM antivirus_events FINAL
      UNION ALL
      SELECT tenant_id, sipHash64(source, id, _version) AS place, time, landed_at FROM backup_events FINAL
      UNION ALL
      SELECT tenant_id, sipHash64(source, id, _version) AS place, time, landed_at FROM billing_events FINAL
      UNION ALL
      SELECT tenant_id, sipHash64(source, id, _version) AS place, time, landed_at FROM abuse_events FINAL
      UNION ALL
      SELECT tenant_id, sipHash64(source, id, _version) AS place, time, landed_at FROM support_events FINAL
      UNION ALL
      SELECT tenant_id, sipHash64(source, id, _version) AS place, time, landed_at FROM security_events FINAL
    )
    WHERE time >= toDateTime64({month:Date}, 6, 'UTC') - INTERVAL 400 DAY
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
    GROUP BY scope
  )
SELECT scope, sum(f.events) AS events, lower(concat(hex(groupBitXor(mixed)), hex(sum(added)))) AS digest
FROM facts AS f
GROUP BY scope
