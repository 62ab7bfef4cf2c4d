"""What the pages show, read from ClickHouse and Kafka; nothing here knows HTML."""
