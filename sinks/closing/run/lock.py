"""One closing of a month at a time, whatever machine it runs on.

``CREATE TABLE`` is the one statement of ClickHouse that fails for everybody but the first: the
lock of a month is a table, its comment names the holder, its modification time is the lease. A
holder renews the lease as long as it lives; an abandoned table is taken over by renaming it, which
again succeeds for one only.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.errors import ClosingInProgressError

LEASE_S: Final = 60
"""A lock not renewed for this long is abandoned: its holder was killed or is cut off."""
RENEW_S: Final = 5.0

_log = logging.getLogger(__name__)

_CREATE: Final = "CREATE TABLE {table:Identifier} (held UInt8) ENGINE = Memory COMMENT '%s'"
_TABLE_EXISTS: Final = "TABLE_ALREADY_EXISTS"


class MonthLock:
    """The held lock of one month; ``run`` (a UUID) is its holder."""

    def __init__(self, client: Client, month: date, run: str) -> None:
        self._client = client
        self._table = f"closing_lock_{month:%Y%m}"
        self._month = month
        self._run = run
        self._renewals = 0

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            ClosingInProgressError: another closing of the month holds it.

        """
        if self._create():
            return
        if self._is_abandoned() and self._clear() and self._create():
            return
        raise self._taken()

    def renew(self) -> None:
        """Prolong the lease; `ClosingInProgressError` if somebody else has taken the lock over."""
        self.check()
        self._renewals += 1
        # The lease is the time of the last change: the same comment again would change nothing.
        comment = f"{self._run} {self._renewals}"
        self._command(f"ALTER TABLE {{table:Identifier}} MODIFY COMMENT '{comment}'")

    def keep(self, ended: threading.Event) -> None:
        """Renew the lease until ``ended``, or until it is lost, which `check` then says."""
        while not ended.wait(RENEW_S):
            try:
                self.renew()
            except ClosingInProgressError:
                return
            except (ClickHouseError, OSError) as error:
                _log.warning("the lock of the closing is not renewed now: %s", error)

    def check(self) -> None:
        """Raise `ClosingInProgressError` unless the lock is still ours."""
        if self._holder() != self._run:
            raise self._taken()

    def release(self) -> None:
        """Give the lock back if it is still ours."""
        if self._holder() == self._run:
            self._command("DROP TABLE IF EXISTS {table:Identifier} SYNC")

    def _taken(self) -> ClosingInProgressError:
        return ClosingInProgressError(
            f"Another closing of {self._month:%Y-%m} is at work; wait until it ends and repeat the "
            f"command (one that broke off is taken over after {LEASE_S} seconds)."
        )

    def _command(self, statement: str) -> None:
        self._client.command(statement, parameters={"table": self._table})

    def _create(self) -> bool:
        try:
            # The run is a UUID of ours; a comment takes no parameter.
            self._command(_CREATE % self._run)
        except DatabaseError as error:
            if _TABLE_EXISTS in str(error):
                return False
            raise
        return True

    def _holder(self) -> str:
        rows = self._client.query(
            "SELECT comment FROM system.tables "
            "WHERE database = currentDatabase() AND name = {table:String}",
            parameters={"table": self._table},
        ).result_rows
        return str(rows[0][0]).partition(" ")[0] if rows else ""

    def _is_abandoned(self) -> bool:
        rows = self._client.query(
            "SELECT count() FROM system.tables WHERE database = currentDatabase() "
            "AND name = {table:String} "
            "AND metadata_modification_time < now() - toIntervalSecond({lease:UInt32})",
            parameters={"table": self._table, "lease": LEASE_S},
        ).result_rows
        return bool(rows[0][0])

    def _clear(self) -> bool:
        grave = f"{self._table}_{self._run.replace('-', '')}"
        try:
            self._client.command(
                "RENAME TABLE {table:Identifier} TO {grave:Identifier}",
                parameters={"table": self._table, "grave": grave},
            )
        except DatabaseError:
            return False  # somebody else took it over
        self._client.command("DROP TABLE {grave:Identifier} SYNC", parameters={"grave": grave})
        return True


@contextmanager
def month_lock(client: Client, month: date, run: str) -> Iterator[MonthLock]:
    """Hold the lock of a month for the length of a ``with`` block."""
    lock = MonthLock(client, month, run)
    lock.acquire()
    ended = threading.Event()
    keeper = threading.Thread(target=lock.keep, args=(ended,), daemon=True)
    keeper.start()
    try:
        yield lock
    finally:
        ended.set()
        keeper.join()
        lock.release()
