-- Contract section 1: net downtime, and the share of the month connected.
SELECT
  tenant_id,
  value.1 AS indicator,
  value.2 AS num,
  value.3 AS den,
  value.4 AS raw_num,
  value.3 AS raw_den,
  toInt256(excluded_us) AS excluded_num,
  toInt256(1000000) AS excluded_den,
  toUInt64(outages) AS evidence_count,
  true AS has_data,
  false AS settled
FROM (
  SELECT
    *,
    arrayJoin([
      (
        'connectivity.downtime', toInt256(down_us - excluded_us), toInt256(1000000),
        toInt256(down_us)
      ),
      (
        'connectivity.ratio', toInt256(length_us - down_us + excluded_us), toInt256(length_us),
        toInt256(length_us - down_us)
      )
    ]) AS value
  FROM closing_downtime(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
  WHERE known_us > 0
)
