"""Which indicators to measure when, and the transitions of their states.

Reads the state; what it finds is handed on as transitions and assessments.
"""
