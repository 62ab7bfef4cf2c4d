-- Events that came again under their (source, id) with other content, and in which fields. None of
-- them counts. Looked for at every closing, and while the sinks worker runs every half minute, every
-- ten minutes where there are very many facts.
SELECT topic, tenant_id, source, id, toString(type) AS type, time, landed_at, first_tenant_id,
  first_landed_at, fields
FROM conflict_log FINAL
