"""Who may do what in ClickHouse: the roles, once, and how they are written down for a server."""
