"""Making state lasting: the transaction that writes it, its compacted topic, recovery from it."""
