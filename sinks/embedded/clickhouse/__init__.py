"""The ClickHouse server as a child process, and its configuration."""
