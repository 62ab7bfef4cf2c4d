-- Events that came again under their (source, id) with other content. The first that landed counts;
-- the rows named here are left out of every figure, at every cutoff: whatever contradicts an event
-- landed after it.
CREATE TABLE IF NOT EXISTS conflict_log (
  topic LowCardinality(String),
  tenant_id String,
  source String,
  id String,
  type LowCardinality(String),
  time DateTime64(6, 'UTC'),
  `partition` Int32,
  `offset` Int64,
  landed_at DateTime64(6, 'UTC'),
  first_tenant_id String COMMENT 'of the event that counts',
  first_landed_at DateTime64(6, 'UTC'),
  fields Array(LowCardinality(String)) COMMENT 'in which the two differ'
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, landed_at, `partition`, `offset`)
COMMENT 'Rows of facts that contradict an earlier one; read with FINAL';

CREATE TABLE IF NOT EXISTS conflict_scans (
  until_us Int64 COMMENT 'facts that landed by then have been compared with all before them'
)
ENGINE = MergeTree
ORDER BY until_us
COMMENT 'How far conflicts have been looked for';
