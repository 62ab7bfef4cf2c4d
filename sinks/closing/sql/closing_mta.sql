-- Message events that may belong to the month, landed by the cutoff, each (source, id) once.
-- A week on either side holds what another event of the same message may say of its acceptance.
-- Identical duplicates stay: whoever reads groups by message. Where one (source, id) came with
-- different contents, the first landing speaks (contract section 2) and the others go.
WITH
  landed AS (
    SELECT
      tenant_id,
      direction,
      type,
      sipHash128(tenant_id, source, message_id, recipient) AS message,
      toUnixTimestamp64Micro(time) AS time_us,
      toUnixTimestamp64Micro(coalesce(accepted_at, time)) AS accepted_us,
      coalesce(attempt, 1) AS attempt,
      liability IS NOT NULL AS liable,
      -- As a number that orders like the text: decides between events of the same instants.
      byteSwap(reinterpretAsUInt128(toFixedString(substring(id, 1, 16), 16))) AS id_prefix,
      sipHash128(tenant_id, source, id) AS identity,
      cityHash64(
        direction, message_id, recipient, type, time_us, accepted_us, attempt,
        coalesce(toString(liability), '')
      ) AS content,
      _version
    FROM mta_events
    WHERE type IN (
        'message.accepted', 'message.dispatched', 'message.delivered',
        'message.bounced', 'message.expired', 'message.discarded'
      )
      AND coalesce(accepted_at, time) >= toDateTime64({month:Date}, 6, 'UTC') - INTERVAL 8 DAY
      AND coalesce(accepted_at, time)
        < toDateTime64({month:Date}, 6, 'UTC') + INTERVAL 1 MONTH + INTERVAL 8 DAY
      AND toUnixTimestamp64Micro(landed_at) <= {cutoff:Int64}
  ),
  contradicted AS (
    SELECT identity, argMax(content, _version) AS first_content, true AS found
    FROM landed
    GROUP BY identity
    HAVING min(content) != max(content)
  )
SELECT
  l.tenant_id AS tenant_id,
  l.direction AS direction,
  l.type AS type,
  l.message AS message,
  l.time_us AS time_us,
  l.accepted_us AS accepted_us,
  l.attempt AS attempt,
  l.liable AS liable,
  l.id_prefix AS id_prefix
FROM landed AS l
LEFT ANY JOIN contradicted AS c ON l.identity = c.identity
WHERE NOT c.found OR l.content = c.first_content
