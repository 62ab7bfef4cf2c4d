-- Local days of a month's calendars with their deadlines. plan = 0: the newest plan of the month.
SELECT *
FROM plan_days
WHERE month = {month:Date}
  AND plan = if(
    {plan:UInt64} = 0,
    (SELECT max(plan) FROM plans WHERE month = {month:Date}),
    {plan:UInt64}
  )
