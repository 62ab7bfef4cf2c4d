-- What a month is judged by: computed in Python (time zones, working days, contracts), read by
-- every closing and every view. A plan is written whole and never changed; the newest one of a
-- month holds. Instants are µs since 1970.
CREATE TABLE IF NOT EXISTS plans (
  month Date COMMENT 'first day of the month',
  plan UInt64 COMMENT 'grows with every plan',
  content FixedString(32) COMMENT 'digest of the rows: an unchanged plan is not written again',
  tenants UInt32,
  made_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
ORDER BY (month, plan)
COMMENT 'Plans of months; a row is written after all rows of its plan';

CREATE TABLE IF NOT EXISTS plan_tenants (
  month Date,
  plan UInt64,
  tenant_id LowCardinality(String),
  contract_version Int64,
  profile LowCardinality(String),
  terms UInt64 COMMENT 'key into plan_terms',
  days UInt64 COMMENT 'key into plan_days',
  timezone LowCardinality(String),
  start_us Int64 COMMENT 'active part of the local month, half-open',
  end_us Int64,
  max_latency_us Int64,
  probe_hold_factor Int64,
  operations_exclusions Array(LowCardinality(String)),
  outbreak_updates Int64,
  own_domain_us Int64,
  new_domain_us Int64,
  year_days Int64
)
ENGINE = MergeTree
ORDER BY (month, plan, tenant_id)
COMMENT 'Tenants of a month with the governing contract and profile';

CREATE TABLE IF NOT EXISTS plan_terms (
  month Date,
  plan UInt64,
  terms UInt64,
  indicator LowCardinality(String),
  section UInt8,
  unit LowCardinality(String),
  comparator LowCardinality(Nullable(String)),
  target Nullable(Decimal(38, 12)),
  remedy LowCardinality(String),
  judged Bool
)
ENGINE = MergeTree
ORDER BY (month, plan, terms, indicator)
COMMENT 'Promises of a month; tenants with equal promises share their rows';

CREATE TABLE IF NOT EXISTS plan_days (
  month Date,
  plan UInt64,
  days UInt64,
  day Date32,
  start_us Int64 COMMENT 'the local day, half-open',
  end_us Int64,
  active Bool COMMENT 'the tenant is served on this day',
  in_part Bool COMMENT 'in the active part of the month',
  in_year Bool,
  before_month Bool,
  week_start_us Int64 COMMENT 'on a Sunday that counts: start of its Monday; else 0',
  full_from_us Int64 COMMENT 'a full backup is due between here and the end of the day',
  respond_by_us Int64 COMMENT 'deadline of what was received on this day, 0 unless in the part',
  notify_by_us Int64,
  process_by_us Int64,
  report_by_us Int64,
  keep_backup_until_us Int64,
  keep_account_until_us Int64
)
ENGINE = MergeTree
ORDER BY (month, plan, days, start_us)
COMMENT 'Local days of a month with their deadlines; tenants with equal calendars share them';
