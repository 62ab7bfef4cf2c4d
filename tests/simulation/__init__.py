"""The live worker in a world of chance: one process, no broker, every history from a seed.

`world` is the log, the group and the clock; `member` is a worker on them, whose tasks, inbox,
checkpoints and rebalances are those of production; `loads` are what producers write; `mischief` is
what goes wrong, and `oracle` what must hold all the same.
"""
