"""Makes the files of many statements: gathered in bulk, rendered by several processes.

A file's name holds revision, language and fingerprint, and it is renamed into place when it is
whole: what is there needs not be made again, whenever the work was broken off.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final, Literal, TypeVar

from mailsla.schemas.presentation.language import Language
from mailsla.sinks.clickhouse import Client
from mailsla.sinks.closing.errors import Failed, TenantFailure, log_failure
from mailsla.sinks.statement.errors import StatementError
from mailsla.sinks.statement.facts.content import Statement, StatementRevision
from mailsla.sinks.statement.facts.gather import gather
from mailsla.sinks.statement.provider import NOBODY, Provider
from mailsla.sinks.statement.render.document import render
from mailsla.sinks.statement.render.pdf import pdf_of

Format = Literal["html", "pdf"]
T = TypeVar("T")

GATHERED: Final = 500
"""So many tenants are read at a time, while the ones before are rendered."""
_HANDED_OVER: Final = 10


def file_name(revision: StatementRevision, month: date, language: Language, kind: Format) -> str:
    """``statement-acme-2026-10-r1-zh-66600db2.html``: another content has another name."""
    return (
        f"statement-{revision.tenant_id}-{month:%Y-%m}-r{revision.revision}-{language}"
        f"-{revision.fingerprint[:8]}.{kind}"
    )


def content_of(
    statement: Statement, language: Language, kind: Format, provider: Provider = NOBODY
) -> bytes:
    """The bytes of a statement.

    Raises:
        StatementError: PDF is asked for and something of it is not installed.

    """
    html = render(statement, language, provider)
    return pdf_of(html, language) if kind == "pdf" else html.encode()


def write_whole(path: Path, content: bytes) -> None:
    """Write under a temporary name and rename: a reader sees the whole file or none."""
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        waiting.write_bytes(content)
        waiting.replace(path)
    finally:
        waiting.unlink(missing_ok=True)


def make_all(
    client: Client,
    month: date,
    revisions: Sequence[StatementRevision],
    directory: Path,
    language: Language,
    kind: Format,
    done: Callable[[int], None],
    failed: Failed = log_failure,
    provider: Provider = NOBODY,
) -> int:
    """Make every statement whose file is not in ``directory`` yet.

    Args:
        client: as for `gather`.
        month: first day of the month.
        revisions: whose statements.
        directory: made where it does not exist.
        language: of all of them.
        kind: of all of them.
        done: hears of every few files that are there.
        failed: hears of every tenant of whom none could be made; the next run tries again.
        provider: whose they are.

    Returns:
        How many were made; the others were there, or failed.

    Raises:
        StatementError: PDF is asked for and something of it is not installed.

    """
    tally = _Tally(done, failed)
    directory.mkdir(parents=True, exist_ok=True)
    missing = [
        one for one in revisions if not (directory / file_name(one, month, language, kind)).exists()
    ]
    done(len(revisions) - len(missing))
    if not missing:
        return 0
    with _pool(len(missing)) as pool:
        waiting: list[Future[_Outcome]] = []
        for some in _groups(missing, GATHERED):
            waiting += [
                pool.submit(_write_some, handful, directory, language, kind, provider)
                for handful in _groups(gather(client, month, some, failed), _HANDED_OVER)
            ]
            waiting = _settle(waiting, tally.add)
        for future in as_completed(waiting):
            tally.add(future.result())
    return tally.made


def _pool(statements: int) -> ProcessPoolExecutor:
    workers = min(os.cpu_count() or 1, -(-statements // _HANDED_OVER))
    # Not forked: a copy of a process with threads may hang.
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


@dataclass(frozen=True)
class _Outcome:
    """What became of a handful of statements."""

    made: int
    failures: Sequence[TenantFailure]


@dataclass
class _Tally:
    """Counts what was made and passes on what was not."""

    done: Callable[[int], None]
    failed: Failed
    made: int = 0

    def add(self, outcome: _Outcome) -> None:
        """Take what became of a handful."""
        self.made += outcome.made
        self.done(outcome.made + len(outcome.failures))
        for failure in outcome.failures:
            self.failed(failure)


def _settle(
    waiting: Sequence["Future[_Outcome]"], settled: Callable[[_Outcome], None]
) -> list["Future[_Outcome]"]:
    """Tell of what is finished; returns what is not."""
    left = []
    for future in waiting:
        if future.done():
            settled(future.result())
        else:
            left.append(future)
    return left


def _groups(every: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(every)
    while some := list(islice(rest, size)):
        yield some


def _write_some(
    statements: Sequence[Statement],
    directory: Path,
    language: Language,
    kind: Format,
    provider: Provider,
) -> _Outcome:
    failures = []
    for one in statements:
        name = file_name(one.revision, one.month, language, kind)
        try:
            write_whole(directory / name, content_of(one, language, kind, provider))
        except (StatementError, OSError):
            raise  # concerns every statement
        except Exception as error:
            # Whatever it is, the statements of the others do not wait for it.
            reason = f"the statement could not be made ({type(error).__name__}: {error})"
            failures.append(TenantFailure(one.revision.tenant_id, "statement", reason))
    return _Outcome(len(statements) - len(failures), failures)
