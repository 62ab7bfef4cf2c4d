"""The views of the closing: their order, and how they are installed."""

import re
from collections.abc import Mapping
from datetime import date
from fnmatch import fnmatch
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from jinja2 import Environment, FunctionLoader, StrictUndefined

from mailsla.schemas.topics import MTA
from mailsla.sinks.access.roles import ANALYST_VIEWS, OPEN_MONTHS
from mailsla.sinks.clickhouse import Client, run_repeatable
from mailsla.sinks.ddl import FACT_TABLES

SQL: Traversable = files("mailsla.sinks.closing").joinpath("sql")
"""The folder of the queries; each lies in it or in one of its folders."""

_COUNTED: Final = """
-- The events of {topic} that count at a cutoff: landed by then, not voided, and no conflict.
SELECT *
FROM {table}
WHERE toUnixTimestamp64Micro(landed_at) <= {{cutoff:Int64}}
  AND (source, id) NOT IN (
    SELECT voids_source, voids_id
    FROM closing_voided(cutoff = {{cutoff:Int64}})
    WHERE voids_topic = '{topic}'
  )
  AND (landed_at, `partition`, `offset`) NOT IN (
    SELECT landed_at, `partition`, `offset` FROM conflict_log WHERE topic = '{topic}'
  )
"""
"""In two forms: ``counted_*``, each event once, and ``landed_*``, in which duplicates stay.

To remove them costs. Messages are grouped by whoever reads them, so that they need no removing.
"""

_BEFORE: Final = (
    "closing_periods",
    "closing_days",
    "closing_scopes",
    "closing_spoken",
    "closing_declared",
    "closing_exclusions",
    "closing_voices",
    "closing_probe_changes",
    "closing_connectivity",
    "closing_downtime",
    "closing_received",
    "closing_cases",
    "closing_undecided",
    "closing_orders",
    "closing_mta",
    "closing_messages",
    "closing_inputs",
)
_AFTER: Final = (
    "exclusions",
    "closings",
    "closing_items",
    "credits",
    "closed_results",
    "closing_open_none",
    "closing_open_tenants",
    "clause_results",
    "tenant_month_summary",
    "downtime_month",
    "latency_month",
    "faults_month",
    "cases_month",
    "exceedances",
    "left_out",
    "conflicts",
    "sources",
)

_MEASURED: Final = (
    "SELECT * FROM {name}"
    "(month = {{month:Date}}, plan = {{plan:UInt64}}, cutoff = {{cutoff:Int64}})"
)
_EVIDENCE: Final = """
WITH
  (SELECT max(plan) FROM plans WHERE month = {{month:Date}}) AS newest
{query}
FROM closing_{name}(
  tenant = {{tenant:String}}, month = {{month:Date}}, plan = newest,
  cutoff = toUnixTimestamp64Micro(now64(6))
) AS e
"""
_CALL: Final = re.compile(r"\b(\w+)\(\s*(\w+ = \{\w+:\w+\}(?:,\s*\w+ = \{\w+:\w+\})*)\s*\)")
"""A view whose arguments are the parameters of the query that calls it."""
_REMARK: Final = re.compile(r"^\s*--.*\n", re.MULTILINE)

_RESULT_COLUMNS: Final = (
    "tenant_id LowCardinality(String), month Date, section UInt8, "
    "indicator LowCardinality(String), "
    "observed Nullable(Decimal(38, 9)), raw Nullable(Decimal(38, 9)), "
    "excluded Nullable(Decimal(38, 9)), unit String, comparator Nullable(String), "
    "target Nullable(Decimal(38, 12)), verdict String, remedy String, evidence_count UInt64, "
    "contract_version Int64, profile String, parts String"
)
"""The columns of `clause_results`. Said here, the server need not analyse a month's view to know
them: neither where the view is made nor where another names it."""

_RIGHTS: Final = "DEFINER = CURRENT_USER SQL SECURITY DEFINER"
"""Of a view for analysts: whoever may read it need not see what it is made of."""

_STORED: Final = "SELECT * FROM closing_values WHERE run = {run:UUID}"


def sections() -> list[str]:
    """The measuring queries in ``sections``: parameters month, plan, cutoff (µs)."""
    return _names("sections")


def evidence() -> list[str]:
    """The drill-down queries in ``evidence``, which give the rows that a figure is made of.

    Parameters tenant, month, plan, cutoff (µs). Columns ``indicator, item, from_us, to_us``
    (0: none), ``amount`` and ``excused`` (µs of durations, else numbers), ``counts, note``.
    """
    return _names("evidence")


def _names(folder: str) -> list[str]:
    files_of = SQL.joinpath(folder).iterdir()
    return sorted(file.name.removesuffix(".sql") for file in files_of)


def view_query(name: str) -> str:
    """The query in a view's file, whichever folder it lies in; parameters as ``{name:Type}``.

    What several queries have in common stands in a file of its own, which they include by Jinja.
    """
    return _TEMPLATES.get_template(name).render(fact_tables=FACT_TABLES)


def _text(name: str) -> str:
    for folder in (SQL, *(entry for entry in SQL.iterdir() if entry.is_dir())):
        file = folder.joinpath(f"{name}.sql")
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise FileNotFoundError(f"no query of the closing is called {name}")


_TEMPLATES: Final = Environment(
    loader=FunctionLoader(_text),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
    cache_size=0,
    autoescape=False,  # noqa: S701 - SQL of our own, into which no value goes
)


def views() -> dict[str, str]:
    """View name → its query, each after those it reads."""
    measured = "\nUNION ALL\n".join(_MEASURED.format(name=name) for name in sections())
    judge, shown = view_query("judge"), view_query("evidence")
    found: dict[str, str] = {}
    for name, query in {
        "closing_voided": view_query("closing_voided"),
        **{f"landed_{table}": _counted(topic, table) for topic, table in FACT_TABLES.items()},
        **{
            f"counted_{table}": _counted(topic, table if topic == MTA.name else f"{table} FINAL")
            for topic, table in FACT_TABLES.items()
        },
        **{name: view_query(name) for name in (*_BEFORE, *sections())},
        "closing_judged": f"WITH measured AS ({_STORED}),\n{judge}",
        "closing_current": f"WITH measured AS ({measured}),\n{judge}",
        **{name: view_query(name) for name in _AFTER},
        **{f"closing_{name}": view_query(name) for name in evidence()},
        **{name: _EVIDENCE.format(query=shown, name=name) for name in evidence()},
    }.items():
        found[name] = _inlined(query, found)
    return found


def _inlined(query: str, known: Mapping[str, str]) -> str:
    """A query with the text of every known view in the place of its call.

    The server analyses a view anew at every level above it, so views that call views take it many
    times as long to plan as one query with the same text. A call with other arguments than the
    query's own parameters stays a call, and so do sections: all of them in one query are more than
    the server analyses quickly. So does what analysts may read only by its view.
    """

    def text(call: re.Match[str]) -> str:
        view, arguments = call.groups()
        other = re.search(r"\b(\w+) = \{(?!\1:)", arguments)
        if view not in known or view.startswith(("section_", "closing_open_")) or other:
            return call.group()
        return f"(\n{_REMARK.sub('', known[view]).strip()}\n)"

    return _CALL.sub(text, query)


def _counted(topic: str, source: str) -> str:
    """The query of a view over the facts that count."""
    return _COUNTED.format(topic=topic, table=source).strip()


def install_views(client: Client) -> None:
    """Create every view, or replace it by the present one; repeatable, after the tables."""
    known = views()
    for name, query in known.items():
        open_month = fnmatch(name, OPEN_MONTHS)
        rights = _RIGHTS if open_month or name in ANALYST_VIEWS else ""
        run_repeatable(client, f"CREATE OR REPLACE VIEW {name} {rights} AS\n{query}")
    for month in open_month_views(client):
        _make_open_month(client, month, "OR REPLACE VIEW", known)


def open_month_views(client: Client) -> dict[date, str]:
    """First days of the months with a plan, in order → the view by which each is computed."""
    rows = client.query("SELECT DISTINCT month FROM plans ORDER BY month").result_rows
    return {month: _open_month(month) for (month,) in rows}


def _open_month(month: date) -> str:
    return f"closing_open_{month:%Y_%m}"


def ensure_open_month(client: Client, month: date) -> None:
    """Make the view by which `clause_results` computes a month, where there is none yet.

    Belongs before the month's first plan can be seen: from then on `clause_results` asks for it.
    """
    _make_open_month(client, month, "VIEW IF NOT EXISTS", views())


def _make_open_month(client: Client, month: date, make: str, known: Mapping[str, str]) -> None:
    """A view without parameters, since only such a one can be found by its name."""
    query = _inlined(view_query("open_month"), known)
    for parameter, value in (
        ("{month:Date}", f"toDate('{month.isoformat()}')"),
        ("{plan:UInt64}", "newest_plan"),
        ("{cutoff:Int64}", "at_us"),
    ):
        query = query.replace(parameter, value)
    name = _open_month(month)
    run_repeatable(client, f"CREATE {make} {name} ({_RESULT_COLUMNS}) {_RIGHTS} AS\n{query}")
