"""Every word of a statement in both languages; Chinese in the agreement's own terms. Pure."""

from typing import Final, Literal, TypeAlias

Language: TypeAlias = Literal["zh", "en"]
"""``zh``: the agreement's own; ``en``: its English reading."""

LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
