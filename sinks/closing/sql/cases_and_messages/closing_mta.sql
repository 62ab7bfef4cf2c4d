-- Message events that may belong to the month and count at the cutoff. A week on either side holds
-- what another event of the same message may say of its acceptance. Identical duplicates stay:
-- whoever reads groups by message.
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
  byteSwap(reinterpretAsUInt128(toFixedString(substring(id, 1, 16), 16))) AS id_prefix
FROM counted_mta_events(cutoff = {cutoff:Int64})
WHERE type IN (
    'message.accepted', 'message.dispatched', 'message.delivered',
    'message.bounced', 'message.expired', 'message.discarded'
  )
  AND coalesce(accepted_at, time) >= toDateTime64({month:Date}, 6, 'UTC') - INTERVAL 8 DAY
  AND coalesce(accepted_at, time)
    < toDateTime64({month:Date}, 6, 'UTC') + INTERVAL 1 MONTH + INTERVAL 8 DAY
