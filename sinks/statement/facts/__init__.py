"""What a statement tells of a tenant-month, read from ClickHouse for many at a time."""
