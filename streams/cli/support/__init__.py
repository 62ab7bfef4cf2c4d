"""What several commands need: settings, files, the broker, lookups, and how they fail."""
