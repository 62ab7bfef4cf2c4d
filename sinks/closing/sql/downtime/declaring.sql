{# Of whom an outage stands declared; '*' is the platform. A value, because the server works out
   equal values once for a whole query, and equal subqueries once for each use. -#}
(
    SELECT groupUniqArray(scope) FROM closing_declared(cutoff = {cutoff:Int64}) WHERE kind = 'outage'
  ) AS declaring