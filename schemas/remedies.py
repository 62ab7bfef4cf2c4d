"""What a breach can owe; a section's remedy stands in `mailsla.schemas.indicators.SECTIONS`."""

from typing import Literal

Remedy = Literal["double_service", "fee_waiver", "none"]
"""``double_service``: the days of the month once more; ``fee_waiver``: its fee."""
