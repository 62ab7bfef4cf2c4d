"""Fuzzers of what reads what others wrote: ``make fuzz``, or ``python -m tests.fuzz``."""
