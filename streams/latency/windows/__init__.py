"""Rolling latency windows: panes of each series, their sums, and what was published of them.

Pure numpy over whole batches; imports the sorted sets and the index beside it.
"""
