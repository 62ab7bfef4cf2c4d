"""Benchmarks: ratios measured side by side in one run, on this machine.

Absolute figures say little about another machine; what stands beside them, fed the same events
in the same minutes, makes them comparable.
"""
