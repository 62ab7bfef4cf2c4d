-- Closed months, append-only. A run writes its items and credits first and its rows of
-- closing_log last, in one insert: only what closing_log knows counts, so that a run which broke
-- off leaves nothing behind that anybody reads.
CREATE TABLE IF NOT EXISTS closing_values (
  run UUID,
  tenant_id LowCardinality(String),
  indicator LowCardinality(String),
  num Int256,
  den Int256,
  raw_num Int256,
  raw_den Int256,
  excluded_num Int256,
  excluded_den Int256,
  evidence_count UInt64,
  has_data Bool,
  settled Bool,
  computed_at DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY (run, tenant_id, indicator)
TTL computed_at + INTERVAL 1 DAY
COMMENT 'Exact values as integers, between measuring and judging of one run';

CREATE TABLE IF NOT EXISTS closing_revisions (
  run UUID,
  tenant_id LowCardinality(String),
  revision UInt32,
  computed_at DateTime DEFAULT now()
)
ENGINE = MergeTree
ORDER BY (run, tenant_id)
TTL computed_at + INTERVAL 1 DAY
COMMENT 'Tenants to which one run gives a new revision';

CREATE TABLE IF NOT EXISTS closing_log (
  tenant_id LowCardinality(String),
  month Date,
  revision UInt32,
  closed_at DateTime64(6, 'UTC'),
  cutoff DateTime64(6, 'UTC'),
  verdict LowCardinality(String),
  remedies Array(LowCardinality(String)),
  contract_version Int64,
  profile LowCardinality(String),
  provisional Bool,
  fingerprint FixedString(32),
  run UUID
)
ENGINE = MergeTree
ORDER BY (month, tenant_id, revision)
COMMENT 'Every revision of every tenant-month ever closed';

CREATE TABLE IF NOT EXISTS closing_item_log (
  tenant_id LowCardinality(String),
  month Date,
  section UInt8,
  indicator LowCardinality(String),
  observed Nullable(Decimal(38, 9)),
  raw Nullable(Decimal(38, 9)),
  excluded Nullable(Decimal(38, 9)),
  unit LowCardinality(String),
  comparator LowCardinality(Nullable(String)),
  target Nullable(Decimal(38, 12)),
  verdict LowCardinality(String),
  remedy LowCardinality(String),
  evidence_count UInt64,
  contract_version Int64,
  profile LowCardinality(String),
  revision UInt32,
  run UUID
)
ENGINE = MergeTree
PARTITION BY toYear(month)
ORDER BY (month, tenant_id, revision, section, indicator)
COMMENT 'The frozen clause results of every revision';

CREATE TABLE IF NOT EXISTS credit_log (
  tenant_id LowCardinality(String),
  month Date,
  revision UInt32,
  remedy LowCardinality(String),
  days Nullable(Int64),
  amount Nullable(Decimal(38, 9)),
  currency LowCardinality(Nullable(String)),
  kind LowCardinality(String),
  issued_at DateTime64(6, 'UTC'),
  run UUID
)
ENGINE = MergeTree
ORDER BY (month, tenant_id, revision, kind, remedy)
COMMENT 'Credits issued and reversed, one row each';
