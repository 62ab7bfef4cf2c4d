"""From Kafka into ClickHouse: landing, tables, closings, and the embedded stack."""
