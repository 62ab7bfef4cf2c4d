-- Each tenant (and each part of its month) twice: as itself, and as one whom events of the platform
-- concern.
SELECT
  tenant_id,
  arrayJoin([p.scope, '*']) AS scope,
  start_us,
  end_us,
  least(end_us, {cutoff:Int64}) AS until_us,
  heard_until_us,
  days,
  own_domain_us,
  new_domain_us,
  changes,
  outbreak_updates
FROM closing_periods(month = {month:Date}, plan = {plan:UInt64}) AS p
