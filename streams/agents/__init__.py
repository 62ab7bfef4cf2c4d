"""Thin edges of the live worker: fetched batches in, checkpoints out."""
