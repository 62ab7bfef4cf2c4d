"""The whole stack on one machine: broker, ClickHouse server and workers, as real processes."""
