-- Per tenant and section (1, 2, 3) the time excused, as disjoint, ascending [start, end) in µs.
SELECT tenant_id, section, arrayZip(starts, ends) AS spans
FROM closing_exclusions(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
WHERE tenant_id IN {tenants:Array(String)}
