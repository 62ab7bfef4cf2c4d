"""One figure worked out from the rows that make it, and the events it depends on."""
