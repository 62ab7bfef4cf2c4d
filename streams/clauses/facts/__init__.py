"""What a clause remembers of a topic, whatever the order of its events."""
