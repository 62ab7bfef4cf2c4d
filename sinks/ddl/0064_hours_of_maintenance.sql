-- How many hours of agreed maintenance a contract lets count in a year.
ALTER TABLE plan_tenants ADD COLUMN IF NOT EXISTS maintenance_us Int64
COMMENT 'so much agreed maintenance counts in a year, where maintenance_years has any';
ALTER TABLE plan_tenants ADD COLUMN IF NOT EXISTS maintenance_years Array(Int64)
COMMENT 'starts of the local years of the month and of the two after; empty: all of it counts';
