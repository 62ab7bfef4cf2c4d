"""Names of the consumer groups."""

from typing import Final

STREAMS_GROUP: Final = "mailsla-streams"
SINKS_GROUP: Final = "mailsla-sinks"
