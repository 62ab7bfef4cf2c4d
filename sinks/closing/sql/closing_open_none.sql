-- What clause_results reads where nothing is to be computed: the columns of a month's own view, and
-- no row.
SELECT * REPLACE (
  CAST(unit, 'String') AS unit, CAST(comparator, 'Nullable(String)') AS comparator,
  CAST(verdict, 'String') AS verdict, CAST(remedy, 'String') AS remedy,
  CAST(profile, 'String') AS profile
)
FROM closed_results(month = toDate('1970-01-01'))
WHERE false
