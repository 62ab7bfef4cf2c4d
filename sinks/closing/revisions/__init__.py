"""The revision store: how a revision is written, read back and compared with another."""
