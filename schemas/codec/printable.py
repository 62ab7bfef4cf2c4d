"""Text that others wrote, made fit to be shown: in a terminal, a page, a statement, a log."""

import unicodedata


def printable(text: str, keep: str = "\n") -> str:
    """The text with every character escaped that does not show as itself.

    Those are control characters (an escape sequence steers a terminal), marks that turn the
    writing direction around, invisible ones and lone surrogates; ``keep`` stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c in keep or _shows(c) else c.encode("unicode_escape").decode() for c in text
    )


def _shows(character: str) -> bool:
    # Python takes a wide or an unbreakable space for unprintable.
    return character.isprintable() or unicodedata.category(character) == "Zs"
