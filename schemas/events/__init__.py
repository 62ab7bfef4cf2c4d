"""The models of every event that may enter, one file a topic, and their common envelope."""
