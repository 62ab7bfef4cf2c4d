"""The words that only a statement needs, in both languages; the others: `schemas.presentation`."""
