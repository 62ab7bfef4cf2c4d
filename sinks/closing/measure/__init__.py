"""Views and measuring queries in ClickHouse, the verdicts they give, a digest of what they read."""
