-- Dead letters hold what was sent, personal data among it, and serve until it is mended.
ALTER TABLE dead_letters MODIFY TTL toDateTime(received_at) + INTERVAL 90 DAY;
