"""When a checkpoint is due, and checkpoints on their way to the broker."""
