"""The naive reference: every indicator written straight from the contract, slow and obvious.

It shares no code with the live and the closing implementation; both are held against it.
"""
