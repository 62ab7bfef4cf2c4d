"""The PDF of a statement: the same HTML, laid out for print by WeasyPrint."""

import logging
import subprocess
from functools import cache
from typing import Any, Final

from mailsla.schemas.presentation.language import Language
from mailsla.sinks.statement.errors import StatementError

_PACKAGES: Final = "libpango-1.0-0 libpangoft2-1.0-0"
_FONTS: Final = "fonts-noto-cjk"


def pdf_of(html: str, language: Language) -> bytes:
    """The PDF of a rendered statement, tagged, fonts embedded.

    Raises:
        StatementError: the text layout library or a Chinese font is not installed.

    """
    if language == "zh":
        _need_chinese_font()
    document = _weasyprint().HTML(string=html, url_fetcher=_nothing_from_elsewhere)
    content: bytes = document.write_pdf(pdf_tags=True)
    return content


@cache
def _weasyprint() -> Any:
    try:
        import weasyprint
    except OSError:
        raise StatementError(
            "PDF needs the text layout library Pango, which is not installed; "
            f"on Debian: apt-get install {_PACKAGES} {_FONTS}, or ask for HTML."
        ) from None
    # It warns of style that is meant for browsers only.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    return weasyprint


@cache
def _need_chinese_font() -> None:
    try:
        found = subprocess.run(
            ["fc-list", ":lang=zh-cn", "family"], capture_output=True, check=False, timeout=60
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return  # Without the tool nothing can be said; what is missing shows as empty boxes.
    if not found.strip():
        raise StatementError(
            "A PDF in Chinese needs a Chinese font, and none is installed; "
            f"on Debian: apt-get install {_FONTS}, or ask for HTML."
        )


def _nothing_from_elsewhere(url: str, *_args: object, **_more: object) -> dict[str, object]:
    raise ValueError(f"a statement holds everything itself; {url} is not fetched")
