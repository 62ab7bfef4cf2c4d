-- The working days a run judged by, so that a revision is worked out again by them whatever the
-- calendar says later; and what hangs on days that only a later notice decides.
CREATE TABLE IF NOT EXISTS closing_calendars (
  run UUID,
  calendar LowCardinality(String),
  days Array(Date32),
  works Array(Bool) COMMENT 'of each day: whether people work on it'
)
ENGINE = MergeTree
ORDER BY (run, calendar)
COMMENT 'The days of each calendar that a run asked for';

ALTER TABLE plan_days ADD COLUMN IF NOT EXISTS undecided Array(LowCardinality(String))
COMMENT 'indicators whose deadline from this day hangs on days that only a later notice decides';

ALTER TABLE closing_log ADD COLUMN IF NOT EXISTS undecided Array(LowCardinality(String))
COMMENT 'indicators with cases that hang on such days: until they are decided it is provisional';

CREATE TABLE IF NOT EXISTS plan_failures (
  month Date,
  plan UInt64,
  tenant_id String,
  field String COMMENT 'of the contract document, to be mended',
  reason String
)
ENGINE = MergeTree
ORDER BY (month, plan, tenant_id)
COMMENT 'Tenants that a plan leaves out, and why';
