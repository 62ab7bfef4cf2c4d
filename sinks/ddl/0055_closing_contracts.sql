-- What a revision is worked out from again, and whether it was told. Written before closing_log,
-- like everything of a run; the published marks after the broker has the events.
CREATE TABLE IF NOT EXISTS closing_contracts (
  run UUID,
  tenant_id LowCardinality(String),
  documents Array(String) COMMENT 'contract versions as they were known, profile and terms in full'
)
ENGINE = MergeTree
ORDER BY (run, tenant_id)
COMMENT 'The contract documents by which a run judged a tenant; later ones never change a revision';

CREATE TABLE IF NOT EXISTS closing_published (
  run UUID,
  tenant_id LowCardinality(String),
  published_at DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = MergeTree
ORDER BY (run, tenant_id)
COMMENT 'Revisions whose event the broker has; a mark lost in a crash repeats the event, same id';

ALTER TABLE closing_log ADD COLUMN IF NOT EXISTS input_digest String DEFAULT ''
COMMENT 'digest of the events that had landed by the cutoff, the tenant''s and the platform''s';

ALTER TABLE closing_log ADD COLUMN IF NOT EXISTS input_events UInt64 DEFAULT 0;
