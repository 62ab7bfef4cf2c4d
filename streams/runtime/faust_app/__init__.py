"""Faust's worker, its batch entrance, and the process around it."""
