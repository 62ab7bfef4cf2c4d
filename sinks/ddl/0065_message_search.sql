-- A message is looked for by its id, its queue id (what its id begins with) or an address, among all
-- tenants or one: granules that cannot hold it are left out.
ALTER TABLE mta_events ADD INDEX IF NOT EXISTS by_message message_id
TYPE bloom_filter(0.01) GRANULARITY 1;
ALTER TABLE mta_events ADD INDEX IF NOT EXISTS by_queue substringIndex(message_id, '-', 1)
TYPE bloom_filter(0.01) GRANULARITY 1;
ALTER TABLE mta_events ADD INDEX IF NOT EXISTS by_recipient recipient
TYPE bloom_filter(0.01) GRANULARITY 1;
ALTER TABLE mta_events ADD INDEX IF NOT EXISTS by_mailbox mailbox
TYPE bloom_filter(0.01) GRANULARITY 1;
-- For what has landed before; the server works it off beside everything else.
ALTER TABLE mta_events MATERIALIZE INDEX by_message, MATERIALIZE INDEX by_queue,
MATERIALIZE INDEX by_recipient, MATERIALIZE INDEX by_mailbox;
