"""Bytes to checked events, one record or a whole batch at a time; identifiers, instants, texts."""
