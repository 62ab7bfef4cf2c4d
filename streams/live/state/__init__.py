"""What a task remembers: its tenants' facts, contracts and messages, and the platform's.

Imports the clauses and the columnar stores below it; knows nothing of evaluation.
"""
