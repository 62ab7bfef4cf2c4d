"""Which failures of ClickHouse pass by themselves, which never will, and what to do about those."""

import ssl
from collections.abc import Iterator
from typing import Final, Literal

from clickhouse_connect.driver.exceptions import OperationalError, ProgrammingError

Lasting = Literal["transient", "unclear", "permanent"]
"""transient: retried for ever. unclear: retried for a while. permanent: not retried."""

_TRANSIENT: Final = frozenset(
    {
        74, 75, 76,  # the disk cannot be read, written, opened
        159, 160, 209, 210, 279, 425,  # timeouts, network, system calls
        201, 202, 241, 243, 252, 290, 439, 745,  # quota, memory, space, parts, load
        225, 242, 285, 319, 999,  # Keeper and replicas
        236, 394, 733, 735,  # aborted, cancelled, being restarted
    }
)  # fmt: skip
_SCHEMA: Final = frozenset({8, 10, 16, 20, 44, 47, 53, 60, 70, 81, 218, 349})
"""Columns, types, tables or the database are not those of this program."""
_IDENTITY: Final = frozenset({192, 193, 194, 516})
_RIGHTS: Final = frozenset({164, 497})
_LONGEST_DETAIL: Final = 200
_EXPIRED: Final = 10
_WRONG_HOST: Final = frozenset({62, 64})  # of OpenSSL: a name, an address


class LandingError(Exception):
    """Rows cannot land until somebody acts: one sentence with the remedy."""


def lasting(error: Exception) -> Lasting:
    """How long the failure will last."""
    if tls_fault(error):
        return "permanent"
    code = _code(error)
    if code in _TRANSIENT or _unanswered(error):
        return "transient"
    if code in _SCHEMA | _IDENTITY or _denied(error):
        return "permanent"
    return "unclear"


def label(error: Exception) -> str:
    """A short name of the failure for logs: the server's, or the kind of exception."""
    if fault := tls_fault(error):
        return fault
    code = _code(error)
    if code is None:
        return "no answer" if _unanswered(error) else type(error).__name__
    return f"{getattr(error, 'name', None) or 'error'}, code {code}"


def sentence(error: Exception, table: str) -> str:
    """What is wrong and what to do, for a failure that does not pass."""
    if fault := tls_fault(error):
        return f"No connection to ClickHouse: {fault}."
    code = _code(error)
    if code in _SCHEMA:
        return (
            f"The ClickHouse schema does not fit this program at table {table} "
            f"({_detail(error)}); run `mailsla migrate`, then start the worker again."
        )
    if code in _IDENTITY:
        return (
            "ClickHouse refuses the configured user; "
            "check the user and the password, then start the worker again."
        )
    if _denied(error):
        return (
            f"The ClickHouse user may not insert into {table}; "
            "grant it INSERT on the database, then start the worker again."
        )
    return (
        f"ClickHouse keeps refusing rows of table {table} ({label(error)}); "
        "mend what its log names, then start the worker again: nothing was lost."
    )


def tls_fault(error: BaseException) -> str | None:
    """What is wrong with the encrypted connection and what to do; None where that is not it."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            if cause.verify_code == _EXPIRED:
                return "the server's certificate has expired; renew it there"
            if cause.verify_code in _WRONG_HOST:
                return (
                    "the server's certificate is for another host name; use the name in the "
                    "certificate in MAILSLA_CLICKHOUSE"
                )
            return (
                "the server's certificate is signed by nobody trusted here; set "
                "MAILSLA_CLICKHOUSE_CA_FILE to the authority's PEM file"
            )
        if isinstance(cause, ssl.SSLError):
            return (
                f"no TLS connection comes about ({cause.reason or 'SSLError'}); does "
                "MAILSLA_CLICKHOUSE name the encrypted port?"
            )
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made from; urllib3 keeps that in ``reason``."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None)]


def _denied(error: Exception) -> bool:
    """Whether the user lacks a right; of a read-only user the driver itself finds out."""
    found_out = isinstance(error, ProgrammingError) and str(error).endswith("is readonly")
    return found_out or _code(error) in _RIGHTS


def _unanswered(error: Exception) -> bool:
    """Whether the request did not reach the server, or its answer was lost."""
    return isinstance(error, OperationalError | OSError) and _code(error) is None


def _code(error: Exception) -> int | None:
    code = getattr(error, "code", None)
    return code if isinstance(code, int) else None


def _detail(error: Exception) -> str:
    """The server's own words, without address, error name and version."""
    first_line = str(error).partition("\n")[0]
    words = first_line.rpartition("DB::Exception: ")[2].partition(". (")[0]
    return words[:_LONGEST_DETAIL].rstrip(". ")
