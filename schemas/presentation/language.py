"""The languages, and the choice between the texts of a pair."""

from typing import Final, Literal, TypeAlias

Language: TypeAlias = Literal["zh", "en"]
"""``zh``: the agreement's own; ``en``: its English reading."""

LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")

Pair: TypeAlias = tuple[str, str]
"""A text in English and in Chinese."""

_INDEX: Final = {"en": 0, "zh": 1}


def pick(pair: Pair, language: Language) -> str:
    """One of an English and a Chinese text."""
    return pair[_INDEX[language]]


def listed(words: list[str] | tuple[str, ...], language: Language) -> str:
    """``a, b``, ``a、b``."""
    return ("、" if language == "zh" else ", ").join(words)
