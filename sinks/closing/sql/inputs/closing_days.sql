-- Local days of a month's calendars with their deadlines.
SELECT *
FROM plan_days
WHERE month = {month:Date} AND plan = {plan:UInt64}
