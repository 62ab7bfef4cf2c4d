"""The live worker: rolling windows, states and the breach feed, from records as they come.

A batch goes one way: decode → apply → state → evaluate → publish; a checkpoint makes it last.
"""
