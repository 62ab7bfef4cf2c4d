-- Dead letters hold what was sent, personal data among it, and serve until it is mended. They are
-- kept from when they landed: a record may be refused for the very stamp it was received with.
ALTER TABLE dead_letters MODIFY TTL toDateTime(landed_at) + INTERVAL 90 DAY;
