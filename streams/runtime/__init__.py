"""What both workers stand on: the batch entrance under Faust, producers, state and checkpoints."""
