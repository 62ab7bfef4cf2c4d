"""Whose statement it is: the provider's name and logo, as configured."""

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mailsla.sinks.statement.errors import StatementError

_TYPES: Final = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}
LARGEST_LOGO: Final = 200_000
"""Bytes; every statement carries it."""


@dataclass(frozen=True)
class Provider:
    """Name and logo (a ``data:`` address); empty: not shown."""

    name: str = ""
    logo: str = ""


NOBODY: Final = Provider()


def provider_of(name: str, logo: Path | None) -> Provider:
    """The provider with the logo of a file.

    Raises:
        StatementError: the logo cannot be read, is too large or no picture of a known kind.
    """
    return Provider(name, "" if logo is None else _data_address(logo))


def _data_address(path: Path) -> str:
    kind = _TYPES.get(path.suffix.lower())
    if kind is None:
        raise StatementError(f"{path} is no logo; name a file ending in {', '.join(_TYPES)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StatementError(
            f"the logo {path} cannot be read ({error.strerror}); set MAILSLA_PROVIDER_LOGO"
        ) from None
    if len(content) > LARGEST_LOGO:
        raise StatementError(
            f"the logo {path} has {len(content):,} bytes; every statement carries it, "
            f"so name one of at most {LARGEST_LOGO:,}"
        )
    return f"data:{kind};base64,{b64encode(content).decode()}"
