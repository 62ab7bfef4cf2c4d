"""What a verdict owes, and what is left of all that was ever issued."""
