"""What `mailsla ship` says at its end: what was read, what was left out, and why."""

from collections import Counter
from typing import Final

from rich.console import Console

from mailsla.streams.maillog.log_publisher import Shipper

_EXPLAINED: Final = {
    "unmapped": "results of domains the map does not name",
    "relayed_inbound": "received messages handed to a host that is neither a store nor a relay",
    "harmless": "lines of Postfix that tell of no message",
    "other_programs": "lines of other programs",
    "not_understood": "lines of Postfix that were not understood",
    "unstamped": "lines of Postfix whose stamp was not understood",
    "unparsed": "no log lines",
    "unreadable": "records no line can be made of",
    "cut": "lines of more than 8 KiB, of which the rest was dropped",
    "evicted": "messages given up unfinished: too many or too old",
}
_LEFT_OUT: Final = ("not_understood", "unstamped", "unparsed", "unreadable")
_MOST_LEFT_OUT: Final = 0.01
_STORE: Final = (
    "name the host with --mailbox-store if it keeps the mailboxes, or with --own-relay if it "
    "hands them on"
)


def summarise(shipper: Shipper, out: Console) -> None:
    """Print the counts, and an example of each kind of line that was not understood."""
    counters = shipper.counters
    kinds = ", ".join(
        f"{kind.removeprefix('message.')} {count}" for kind, count in sorted(shipper.events.items())
    )
    out.print(f"lines       {_lines(counters)}")
    sent = f"events      {shipper.events.total()}" + (f"  ({kinds})" if kinds else "")
    out.print(sent, soft_wrap=True)
    for name, meaning in _EXPLAINED.items():
        if counters[name]:
            out.print(f"{name:<11} {counters[name]}  {meaning}")
    for kind, (count, example) in sorted(shipper.misunderstood.items()):
        out.print(f"  {count} × {kind}, the first: {example}", soft_wrap=True, markup=False)
    if shipper.connector.last_problem is not None:
        out.print(f"  {shipper.connector.last_problem}", soft_wrap=True, markup=False)


def problem_of(shipper: Shipper) -> str | None:
    """Why the result is doubtful, as a sentence; None when it is not."""
    counters = shipper.counters
    lines = _lines(counters)
    left_out = sum(counters[name] for name in _LEFT_OUT)
    if shipper.events.total() == 0:
        return f"nothing was published: {_why_nothing(counters, lines, left_out)}"
    if left_out > lines * _MOST_LEFT_OUT:
        return (
            f"{left_out} of {lines} lines could not be used; see the examples above, and report "
            "the form if it is Postfix's"
        )
    return None


def _lines(counters: Counter[str]) -> int:
    return sum(counters[name] for name in ("lines", "unstamped", "unparsed", "unreadable"))


def _why_nothing(counters: Counter[str], lines: int, left_out: int) -> str:
    if lines == 0:
        return "the log is empty"
    if counters["relayed_inbound"]:
        return (
            f"{counters['relayed_inbound']} received messages were handed on by SMTP to a host "
            f"that is not known; {_STORE}"
        )
    if counters["unmapped"]:
        return (
            f"all {counters['unmapped']} results are of domains the map does not name; "
            "add the tenants' domains to it"
        )
    if left_out:
        return (
            f"{left_out} of {lines} lines could not be used; name a Postfix log in a form that "
            "syslog, journalctl or a shipper writes"
        )
    if counters["other_programs"] == lines:
        return "no line is Postfix's; name the log that postfix/… writes to"
    return "no line tells what became of a message; the log may be too short"
