-- Every revision of every closed tenant-month; the newest is final, the others are superseded.
SELECT
  tenant_id,
  month,
  revision,
  closed_at,
  cutoff,
  if(
    revision = max(revision) OVER (PARTITION BY tenant_id, month), 'final', 'superseded'
  ) AS status,
  verdict,
  remedies,
  contract_version,
  profile,
  provisional,
  undecided,
  fingerprint,
  input_digest,
  input_events,
  run
FROM closing_log
