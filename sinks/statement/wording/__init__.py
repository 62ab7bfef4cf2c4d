"""The words that only a statement needs, in both languages.

The others are in `mailsla.schemas.presentation`.
"""
