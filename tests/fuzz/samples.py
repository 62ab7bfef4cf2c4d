"""The good events of the interface's examples, by topic."""

import json
from pathlib import Path

from mailsla.schemas.registry import EVENT_TYPES

EXAMPLES = Path(__file__).resolve().parents[2] / "schemas/examples"
EVENTS = {
    topic: [
        event
        for path in sorted((EXAMPLES / topic).glob("*.json"))
        for event in json.loads(path.read_bytes())["valid"]
    ]
    for topic in EVENT_TYPES
}
