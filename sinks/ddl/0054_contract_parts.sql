-- A month in which the contract changes is judged part by part where an indicator adds up over time.
-- Beside the row of the whole month a tenant then has one for each part.
ALTER TABLE plan_tenants
  ADD COLUMN IF NOT EXISTS part UInt16 COMMENT '0: the whole month';
ALTER TABLE plan_tenants
  ADD COLUMN IF NOT EXISTS judges Array(LowCardinality(String))
  COMMENT 'indicators of which this is a part';
ALTER TABLE plan_tenants
  ADD COLUMN IF NOT EXISTS first_day String COMMENT 'of a changed month or its part, half-open';
ALTER TABLE plan_tenants ADD COLUMN IF NOT EXISTS last_day String;
ALTER TABLE plan_tenants
  ADD COLUMN IF NOT EXISTS changes
  Array(Tuple(from_us Int64, own_domain_us Int64, new_domain_us Int64))
  COMMENT 'what is allowed for orders paid from these instants on, ascending';
ALTER TABLE plan_tenants
  ADD COLUMN IF NOT EXISTS heard_until_us Int64 DEFAULT end_us
  COMMENT 'a topic that has spoken before is no longer silent; the end of the month, also of a part';
ALTER TABLE closing_item_log
  ADD COLUMN IF NOT EXISTS parts String DEFAULT '[]'
  COMMENT 'JSON: the parts of a changed month with their verdicts';
