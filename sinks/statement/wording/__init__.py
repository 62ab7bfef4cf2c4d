"""Every word of a statement in both languages; Chinese in the agreement's own terms. Pure."""

from typing import Literal

Language = Literal["zh", "en"]
"""``zh``: the agreement's own; ``en``: its English reading."""
