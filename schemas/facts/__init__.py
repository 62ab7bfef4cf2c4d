"""Accepted events as the live worker reads them: a class for each type, instants as µs.

All modules but `fact` and `lines` are made from `mailsla.schemas.events` by ``make facts``.
"""
