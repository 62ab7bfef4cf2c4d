"""How far the consumer groups are behind, asked once for everybody who looks at the page."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from kafka.errors import KafkaError

from mailsla.streams.runtime.kafka.drain import Lag, lags
from mailsla.streams.settings import ConfigurationError, Settings

FRESH_S: Final = 2.0
PATIENCE_S: Final = 3.0


@dataclass(frozen=True)
class LagReport:
    """The lag of each group, or the sentence that says why it is not known."""

    lags: Sequence[Lag] = ()
    problem: str | None = None


class LagWatch:
    """Asks the broker in a thread of its own, one question at a time, kept for ``FRESH_S``.

    Asking takes two Kafka clients and up to half a minute when the broker hangs: nobody may start
    a second one meanwhile, nor wait longer than ``PATIENCE_S``.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lag")
        self._asked: asyncio.Future[LagReport] | None = None
        self._stale_at = 0.0

    async def report(self) -> LagReport:
        """The present lag, at most ``FRESH_S`` old."""
        loop = asyncio.get_running_loop()
        if self._asked is None or (self._asked.done() and loop.time() >= self._stale_at):
            self._asked = loop.run_in_executor(self._thread, self._ask)
            self._asked.add_done_callback(lambda _: self._date(loop.time()))
        await asyncio.wait({self._asked}, timeout=PATIENCE_S)
        if not self._asked.done():
            return LagReport(problem=self._silent("no answer"))
        return self._asked.result()

    def close(self) -> None:
        """Ask nothing any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _date(self, now: float) -> None:
        self._stale_at = now + FRESH_S

    def _ask(self) -> LagReport:
        try:
            return LagReport(lags(self._settings))
        except ConfigurationError as error:
            return LagReport(problem=f"{str(error)[:1].upper()}{str(error)[1:]}.")
        except (KafkaError, OSError) as error:
            return LagReport(problem=self._silent(type(error).__name__))

    def _silent(self, what: str) -> str:
        where = self._settings.kafka
        return f"The Kafka broker at {where} does not tell ({what}); run mailsla doctor."
