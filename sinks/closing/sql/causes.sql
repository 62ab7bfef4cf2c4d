-- Events of a tenant or the platform that landed after one cutoff and by another and can bear on a
-- month. Parameters: tenant, types, voidable (topics of those types); after, until (cutoffs), start, end (the month),
-- year (its start where its agreed maintenance is limited, else that of the month), µs since 1970.
WITH
  landed AS (
    SELECT type, toString(tenant_id) AS scope, id, toString(source) AS source, time, landed_at,
      message_id AS about, toUnixTimestamp64Micro(coalesce(accepted_at, time)) AS from_us,
      from_us AS to_us
    FROM mta_events FINAL
    UNION ALL
    SELECT type, toString(tenant_id), id, toString(source), time, landed_at,
      coalesce(toString(probe), toString(bandwidth), ''), toUnixTimestamp64Micro(time) AS from_us,
      from_us
    FROM probe_events FINAL
    UNION ALL
    SELECT type, toString(tenant_id), id, toString(source), time, landed_at,
      coalesce(
        incident_id, exclusion_id, outage_id, approves, concat(voids_source, '#', voids_id),
        toString(monitor), ''
      ),
      -- What was excused is in the declaration; what is voided lies anywhere; an incident runs on.
      multiIf(
        endsWith(type, '.declared'), toUnixTimestamp64Micro(assumeNotNull(starts_at)),
        endsWith(type, '.revoked') OR type IN ('approval.given', 'event.voided'), toInt64(0),
        toUnixTimestamp64Micro(time)
      ),
      multiIf(
        code = 'agreed_maintenance' AND toUnixTimestamp64Micro(ends_at) > {year:Int64}, {end:Int64},
        endsWith(type, '.declared'), toUnixTimestamp64Micro(assumeNotNull(ends_at)) - 1,
        type = 'monitor.heartbeat', toUnixTimestamp64Micro(time),
        {end:Int64}
      )
    FROM ops_events FINAL
    WHERE (type != 'event.voided' OR voids_topic IN {voidable:Array(String)})
      AND (
        NOT (endsWith(type, '.revoked') OR type = 'approval.given')
        OR (tenant_id, coalesce(exclusion_id, outage_id, approves)) IN (
          SELECT tenant_id, coalesce(exclusion_id, outage_id)
          FROM ops_events
          WHERE endsWith(type, '.declared') AND toUnixTimestamp64Micro(starts_at) < {end:Int64}
            AND toUnixTimestamp64Micro(ends_at)
              > if(code = 'agreed_maintenance', {year:Int64}, {start:Int64})
        )
      )
    UNION ALL
    SELECT type, toString(tenant_id), id, toString(source), time, landed_at,
      coalesce(outbreak_id, message_id, toString(version), ''), toUnixTimestamp64Micro(time) AS from_us,
      if(type = 'message.scanned', from_us, from_us + 8 * 86400000000)
    FROM antivirus_events FINAL
    UNION ALL
    SELECT type, toString(tenant_id), id, toString(source), time, landed_at,
      coalesce(backup_id, account, ''), toUnixTimestamp64Micro(time) AS from_us,
      if(type = 'backup.completed', from_us + 370 * 86400000000, from_us)
    FROM backup_events FINAL
    UNION ALL
    SELECT type, toString(tenant_id), id, toString(source), time, landed_at,
      coalesce(charge_id, order_id, ''),
      multiIf(
        billing_month = formatDateTime(
          fromUnixTimestamp64Micro({start:Int64} + 86400000000, 'UTC'), '%Y-%m'
        ), {start:Int64},
        billing_month IS NOT NULL, {end:Int64},
        type = 'service.opened', toInt64(0),
        toUnixTimestamp64Micro(time)
      ),
      {end:Int64}
    FROM billing_events FINAL
    UNION ALL
    SELECT type, toString(tenant_id), id, toString(source), time, landed_at,
      coalesce(case_id, list_id, listing_id, ''),
      -- An answer counts however late it comes.
      if(
        type IN ('complaint.received', 'source.confirmed', 'blocklist.published', 'listing.detected'),
        toUnixTimestamp64Micro(time), toInt64(0)
      ),
      {end:Int64}
    FROM abuse_events FINAL
    UNION ALL
    SELECT type, toString(tenant_id), id, toString(source), time, landed_at,
      coalesce(toString(channel), ''), toUnixTimestamp64Micro(time), {end:Int64}
    FROM support_events FINAL
    UNION ALL
    SELECT type, toString(tenant_id), id, toString(source), time, landed_at,
      incident_id, toUnixTimestamp64Micro(time) AS from_us, from_us
    FROM security_events FINAL
  )
SELECT toString(type) AS type, scope, id, source, time, landed_at, toString(about) AS about, count() OVER () AS total
FROM landed
WHERE type IN {types:Array(String)}
  AND (scope IN ({tenant:String}, '*') OR type IN ('customer.charged', 'billing.error_confirmed'))
  AND toUnixTimestamp64Micro(landed_at) > {after:Int64}
  AND toUnixTimestamp64Micro(landed_at) <= {until:Int64}
  AND from_us < {end:Int64} AND to_us >= {start:Int64}
ORDER BY landed_at, time, source, id
LIMIT {limit:UInt32}
