"""The customer's monthly statement: a closed revision and the facts behind it, as HTML or PDF."""
