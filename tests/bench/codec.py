"""`codec`: decoding whole batches beside pydantic, record by record, and bare JSON parsing."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median

import numpy as np
import orjson
from pydantic import ValidationError

from mailsla.schemas.codec.columnar import decode_batch
from mailsla.schemas.registry import adapter
from mailsla.schemas.topics import MTA
from mailsla.streams.simulate.bad import BAD_KINDS, bad_record
from tests.bench.load import events
from tests.bench.options import Options
from tests.bench.report import ratio, show, whole

SIZES = (4_000, 50_000)
BAD_PERCENT = (0, 1, 100)
_MOMENT_US = 1_764_547_200_000_000
"""When the broker received everything: after the month the events are of."""
_DISTINCT_BAD = 220

Decoder = Callable[[Sequence[bytes]], None]


def columnar(batch: Sequence[bytes]) -> None:
    """Ours: checked columns, and a reason for every refused record."""
    decode_batch(MTA.name, batch, np.full(len(batch), _MOMENT_US))


def pydantic(batch: Sequence[bytes]) -> None:
    """One model per record; refused ones only skipped."""
    validate = adapter(MTA.name).validate_json
    for value in batch:
        with suppress(ValidationError):
            validate(value)


def json_only(batch: Sequence[bytes]) -> None:
    """One dict per record, nothing checked."""
    for value in batch:
        with suppress(orjson.JSONDecodeError):
            orjson.loads(value)


DECODERS: dict[str, Decoder] = {
    "decode_batch": columnar,
    "pydantic": pydantic,
    "orjson": json_only,
}


def run(options: Options) -> None:
    """Print events per second of processor time, and ours over the others'."""
    rows = []
    for size in SIZES:
        for percent in BAD_PERCENT:
            batch = _batch(size, percent)
            repeats = max(1, options.events_or() // 20 // size)
            rates = _rates(batch, options.rounds, repeats)
            ours = rates["decode_batch"]
            over = [ratio(ours / rates[name]) for name in ("pydantic", "orjson")]
            figures = [whole(rates[name]) for name in DECODERS]
            rows.append((f"batches of {size:,}, {percent} % bad", *figures, *over))
    header = ("", *DECODERS, "ours/pydantic", "ours/orjson")
    show("codec: events per second of processor time", header, rows)


def _batch(size: int, percent: int) -> list[bytes]:
    batch = list(events(size))
    kinds = list(BAD_KINDS)
    bad = [
        bad_record(kinds[number % len(kinds)], number, "t0000", _MOMENT_US).value
        for number in range(_DISTINCT_BAD)
    ]
    step = 100 // percent if percent else size
    for place, spoiled in enumerate(range(0, size if percent else 0, step)):
        batch[spoiled] = bad[place % len(bad)]  # type: ignore[assignment]
    return batch


def _rates(batch: Sequence[bytes], rounds: int, repeats: int) -> dict[str, float]:
    """Medians over the rounds, every decoder in each, one after the other."""
    rates: dict[str, list[float]] = {name: [] for name in DECODERS}
    for decode in DECODERS.values():
        decode(batch[:100])
    for _ in range(rounds):
        for name, decode in DECODERS.items():
            begun = time.process_time()
            for _ in range(repeats):
                decode(batch)
            rates[name].append(repeats * len(batch) / (time.process_time() - begun))
    return {name: median(found) for name, found in rates.items()}
