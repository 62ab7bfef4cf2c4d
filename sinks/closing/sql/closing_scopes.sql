-- Each tenant twice: as itself, and as one whom events of the platform concern.
SELECT
  toString(tenant_id) AS tenant_id,
  arrayJoin([toString(tenant_id), '*']) AS scope,
  start_us,
  end_us,
  least(end_us, {cutoff:Int64}) AS until_us,
  days,
  own_domain_us,
  new_domain_us,
  outbreak_updates
FROM closing_periods(month = {month:Date}, plan = {plan:UInt64})
