"""The steps that are compiled, where a C compiler was there when the project was built.

Without one everything is the same, and a flood costs half as much again: whoever uses ``texts`` or
``log`` has another way beside it, and takes that where it is None.
"""

try:
    from mailsla.schemas.compiled import log, texts
except ImportError:
    log = texts = None  # type: ignore[assignment]  # no type says that a module may be missing

__all__ = ["log", "texts"]
