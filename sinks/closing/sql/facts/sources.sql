-- Who emits events, by topic: the last event, and up to when the source says to have published all;
-- what 99 of 100 events of the last day took to land, seconds; since when nothing is heard of it.
-- Of the last week; whoever is silent for longer is not listed.
WITH progress AS (
  SELECT assumeNotNull(of) AS source, max(time) AS said
  FROM ops_events
  WHERE type = 'source.progress' AND time > now() - INTERVAL 7 DAY
  GROUP BY source
)
SELECT
  e.topic AS topic,
  e.source AS source,
  e.last AS last_event,
  if(p.source = '', NULL, p.said) AS last_progress,
  ifNotFinite(e.landed_within, 0) AS lag_s,
  greatest(e.last, coalesce(last_progress, e.last)) AS silent_since,
  e.of_a_day AS events_of_a_day
FROM (
{% for topic, table in fact_tables.items() %}
  SELECT
    '{{ topic }}' AS topic,
    toString(f.source) AS source,
    max(f.time) AS last,
    countIf(f.time > now() - INTERVAL 1 DAY) AS of_a_day,
    quantileIf(0.99)(
      dateDiff('millisecond', f.time, f.landed_at) / 1000, f.time > now() - INTERVAL 1 DAY
    ) AS landed_within
  FROM {{ table }} AS f
  WHERE f.time > now() - INTERVAL 7 DAY
{% if table == 'mta_events' %}
    -- Keeps to the newest partitions of the one table that has any.
    AND coalesce(f.accepted_at, f.time) > now() - INTERVAL 14 DAY
{% endif %}
  GROUP BY source
{% if not loop.last %}
  UNION ALL
{% endif %}
{% endfor %}
) AS e
LEFT JOIN progress AS p ON e.source = p.source
