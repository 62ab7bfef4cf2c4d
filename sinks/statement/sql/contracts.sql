-- Every version of the contracts of some tenants, as documents.
SELECT document
FROM contracts FINAL
WHERE tenant_id IN {tenants:Array(String)}
