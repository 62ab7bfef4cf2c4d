"""A drawing put together from escaped parts."""

from typing import Final

from markupsafe import Markup, escape

INK: Final = "#1a1a1a"
FAINT: Final = "#c8c8c8"
ALARM: Final = "#a4001d"
COOL: Final = "#1f4e79"
WARM: Final = "#8a4b00"
"""Colours that can be read on white; shape and text say the same without them."""

FONT: Final = "Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei, sans-serif"
_SIZE: Final = 11


class Drawing:
    """An SVG image ``width`` × ``height`` with a title and a description for who cannot see it."""

    def __init__(
        self, name: str, width: float, height: float, title: str, description: str
    ) -> None:
        self._parts: list[str] = [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {_n(width)} '
            f'{_n(height)}" width="{_n(width)}" height="{_n(height)}" '
            f'aria-labelledby="{name}-title {name}-desc" font-family="{FONT}" '
            f'font-size="{_SIZE}" fill="{INK}">'
            f'<title id="{name}-title">{escape(title)}</title>'
            f'<desc id="{name}-desc">{escape(description)}</desc>'
        ]

    def line(
        self, x1: float, y1: float, x2: float, y2: float, stroke: str, *, width: float = 1,
        dash: str = "",
    ) -> None:  # fmt: skip
        """A straight line."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" stroke="{stroke}" '
            f'stroke-width="{_n(width)}"{dashed}/>'
        )

    def path(
        self, d: str, *, stroke: str = "none", fill: str = "none", width: float = 1, dash: str = ""
    ) -> None:
        """A path by its commands."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<path d="{d}" fill="{fill}" stroke="{stroke}" stroke-width="{_n(width)}"{dashed}/>'
        )

    def rect(
        self, x: float, y: float, width: float, height: float, *, fill: str = "none",
        stroke: str = "none", dash: str = "",
    ) -> None:  # fmt: skip
        """A rectangle."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        edge = f' stroke="{stroke}" stroke-width="0.8"{dashed}' if stroke != "none" else ""
        self._parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" '
            f'fill="{fill}"{edge}/>'
        )

    def circle(self, x: float, y: float, radius: float, *, fill: str, stroke: str) -> None:
        """A dot."""
        self._parts.append(
            f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" fill="{fill}" stroke="{stroke}"/>'
        )

    def text(
        self, x: float, y: float, text: str, *, anchor: str = "start", fill: str = INK,
        size: float = _SIZE,
    ) -> None:  # fmt: skip
        """Text whose baseline begins, is centred or ends at a point."""
        self._parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" fill="{fill}" '
            f'font-size="{_n(size)}">{escape(text)}</text>'
        )

    def finish(self) -> Markup:
        """The image."""
        # Every text went through escape, everything else is numbers and constants.
        return Markup("".join(self._parts) + "</svg>")  # noqa: S704


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
