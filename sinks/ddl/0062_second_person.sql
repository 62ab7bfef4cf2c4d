-- What a contract asks of exclusions and declared outages before they count.
ALTER TABLE plan_tenants ADD COLUMN IF NOT EXISTS approval Array(LowCardinality(String))
COMMENT 'what needs the approval of a second person: exclusion, outage';
ALTER TABLE plan_tenants ADD COLUMN IF NOT EXISTS notice_us Int64
COMMENT 'how long before its start agreed maintenance has to be declared';
