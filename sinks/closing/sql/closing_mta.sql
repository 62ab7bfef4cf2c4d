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
      id,
      sipHash128(tenant_id, source, message_id, recipient) AS message,
      toUnixTimestamp64Micro(time) AS time_us,
      toUnixTimestamp64Micro(coalesce(accepted_at, time)) AS accepted_us,
      coalesce(attempt, 1) AS attempt,
      coalesce(toString(liability), '') AS liability,
      sipHash128(tenant_id, source, id) AS identity,
      cityHash64(
        direction, message_id, recipient, type, time_us, accepted_us, attempt, liability
      ) AS content,
      _version,
      source,
      message_id,
      recipient
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
    SELECT identity, argMax(content, _version) AS first_content
    FROM landed
    GROUP BY identity
    HAVING min(content) != max(content)
  )
SELECT * EXCEPT (identity, content, _version)
FROM landed
WHERE identity NOT IN (SELECT identity FROM contradicted)
  OR (identity, content) IN (SELECT identity, first_content FROM contradicted)
