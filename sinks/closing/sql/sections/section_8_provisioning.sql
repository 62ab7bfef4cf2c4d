-- Contract section 8: orders opened or notified too late, or not at all.
WITH
  violations AS (
    SELECT tenant_id, indicator, countIf(late) AS violations
    FROM closing_orders(month = {month:Date}, plan = {plan:UInt64}, cutoff = {cutoff:Int64})
    GROUP BY tenant_id, indicator
  )
{% set topic = 'mail.billing' %}
{% set indicators = [
  'provisioning.own_domain', 'provisioning.new_domain'
] %}
{% include 'counted_violations' %}
