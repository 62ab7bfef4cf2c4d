-- One row per declared exclusion and its present state (contract, exclusions).
-- The newest declaration by its own time speaks; a revocation at or after it takes it back,
-- whatever order the two arrived in. What was voided was never said. A view, so that it can never
-- disagree with the facts. Migration 0001 has its first form, and stays as it was released.
SELECT
  tenant_id,
  assumeNotNull(exclusion) AS exclusion_id,
  if(revocation >= declared_at, 'revoked', 'declared') AS state,
  assumeNotNull(tupleElement(declaration, 1)) AS code,
  assumeNotNull(tupleElement(declaration, 2)) AS starts_at,
  assumeNotNull(tupleElement(declaration, 3)) AS ends_at,
  tupleElement(declaration, 4) AS sections,
  tupleElement(declaration, 5) AS consent_ref,
  tupleElement(declaration, 6) AS note,
  declared_at,
  if(revocation >= declared_at, revocation, NULL) AS revoked_at,
  tupleElement(declaration, 7) AS source,
  tupleElement(declaration, 8) AS id
FROM
(
  SELECT
    tenant_id,
    exclusion_id AS exclusion,
    argMaxIf(
      tuple(code, starts_at, ends_at, sections, consent_ref, note, source, id),
      tuple(time, source, id),
      type = 'exclusion.declared'
    ) AS declaration,
    maxIf(time, type = 'exclusion.declared') AS declared_at,
    maxOrNullIf(time, type = 'exclusion.revoked') AS revocation
  FROM ops_events FINAL
  WHERE type IN ('exclusion.declared', 'exclusion.revoked')
    -- Nothing but this one table: tenants read the view with their own rights.
    AND (source, id) NOT IN (
      SELECT assumeNotNull(voids_source), assumeNotNull(voids_id)
      FROM ops_events FINAL
      WHERE type = 'event.voided' AND voids_topic = 'mail.ops'
    )
  GROUP BY tenant_id, exclusion_id
  HAVING countIf(type = 'exclusion.declared') > 0
)
