-- Contract section 2: means, maxima and exceedances.
WITH
  groups AS (
    SELECT
      tenant_id,
      direction = 'outbound' AS out,
      left_out,
      countIf(finished_us > 0) AS messages,
      sumIf(toInt128(latency_us), finished_us > 0) AS total_us,
      maxIf(latency_us, finished_us > 0) AS largest_us,
      countIf(over) AS exceedances
    FROM closing_messages(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    GROUP BY tenant_id, out, left_out
  ),
  sums AS (
    SELECT
      tenant_id,
      sumIf(messages, out) AS sent,
      sumIf(messages, out AND NOT left_out) AS sent_net,
      sumIf(messages, NOT out) AS received,
      sumIf(messages, NOT out AND NOT left_out) AS received_net,
      sumIf(total_us, out) AS send_us,
      sumIf(total_us, out AND NOT left_out) AS send_us_net,
      sumIf(total_us, NOT out) AS receive_us,
      sumIf(total_us, NOT out AND NOT left_out) AS receive_us_net,
      maxIf(largest_us, out) AS send_max,
      maxIf(largest_us, out AND NOT left_out) AS send_max_net,
      maxIf(largest_us, NOT out) AS receive_max,
      maxIf(largest_us, NOT out AND NOT left_out) AS receive_max_net,
      sum(g.exceedances) AS exceedances,
      sumIf(g.exceedances, NOT left_out) AS exceedances_net
    FROM groups AS g
    GROUP BY tenant_id
  ),
  -- Of whom an event does not count: only their events are looked at one by one.
  corrected AS (
    SELECT tenant_id FROM conflict_log WHERE topic = 'mail.mta'
    UNION DISTINCT
    SELECT toString(tenant_id)
    FROM mta_events
    WHERE (
        SELECT count() FROM closing_voided(cutoff = {cutoff:Int64}) WHERE voids_topic = 'mail.mta'
      ) > 0
      AND (source, id) IN (
        SELECT voids_source, voids_id
        FROM closing_voided(cutoff = {cutoff:Int64})
        WHERE voids_topic = 'mail.mta'
      )
  ),
  -- A message belongs to the month of its acceptance, also where its first event came later.
  heard AS (
    SELECT
      toString(tenant_id) AS tenant_id,
      toUnixTimestamp64Micro(min(least(time, ifNull(accepted_at, time)))) AS first_us
    FROM mta_events
    WHERE toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
      AND tenant_id NOT IN (SELECT tenant_id FROM corrected)
    GROUP BY tenant_id
    UNION ALL
    SELECT
      toString(tenant_id) AS tenant_id,
      toUnixTimestamp64Micro(min(least(time, ifNull(accepted_at, time)))) AS first_us
    FROM counted_mta_events(cutoff = {cutoff:Int64})
    WHERE tenant_id IN (SELECT tenant_id FROM corrected)
    GROUP BY tenant_id
  ),
  per_tenant AS (
    SELECT
      p.tenant_id AS tenant_id,
      h.tenant_id != '' AND h.first_us < p.heard_until_us AS spoken,
      s.*
    FROM closing_periods(month = {month:Date}, plan = {plan:UInt64}) AS p
    LEFT JOIN heard AS h ON p.scope = h.tenant_id
    LEFT JOIN sums AS s ON p.tenant_id = s.tenant_id
  )
SELECT
  toString(per_tenant.tenant_id) AS tenant_id,
  value.1 AS indicator,
  value.2 AS num,
  value.3 AS den,
  value.4 AS raw_num,
  value.5 AS raw_den,
  value.6 AS excluded_num,
  toInt256(1) AS excluded_den,
  value.7 AS evidence_count,
  value.8 AS has_data,
  false AS settled
FROM (
  SELECT
    tenant_id,
    arrayJoin([
      (
        'latency.send.mean', toInt256(send_us_net), toInt256(sent_net) * 1000000,
        toInt256(send_us), toInt256(sent) * 1000000, toInt256(sent) - sent_net,
        toUInt64(sent_net), sent_net > 0
      ),
      (
        'latency.receive.mean', toInt256(receive_us_net), toInt256(received_net) * 1000000,
        toInt256(receive_us), toInt256(received) * 1000000, toInt256(received) - received_net,
        toUInt64(received_net), received_net > 0
      ),
      (
        'latency.exceedances', toInt256(exceedances_net), toInt256(1),
        toInt256(exceedances), toInt256(spoken), toInt256(exceedances) - exceedances_net,
        toUInt64(exceedances_net), spoken
      ),
      (
        'latency.send.max', toInt256(send_max_net), toInt256(1000000),
        toInt256(send_max), toInt256(sent > 0) * 1000000, toInt256(sent) - sent_net,
        toUInt64(sent_net), sent_net > 0
      ),
      (
        'latency.receive.max', toInt256(receive_max_net), toInt256(1000000),
        toInt256(receive_max), toInt256(received > 0) * 1000000, toInt256(received) - received_net,
        toUInt64(received_net), received_net > 0
      )
    ]) AS value
  FROM per_tenant
) AS per_tenant
