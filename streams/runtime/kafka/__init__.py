"""The broker: client options, topics, groups, offsets, lag, and reading a topic to its end."""
