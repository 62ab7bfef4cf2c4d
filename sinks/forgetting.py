"""Forgets addresses: what is kept of a person is replaced by what tells nothing, events stay.

Every closing stays as it is and can be worked out again: no figure hangs on an address, only on
which events belong together, and the digest of a closing's input is of the events' ids. So an
address becomes a keyed hash of itself and of what it stands with: the events of one message, or of
one account, still belong together, and no two messages of a person do.
"""

from collections.abc import Mapping
from typing import Any, Final

from mailsla.schemas.codec.addresses import AddressKey
from mailsla.sinks.clickhouse import Client

_ADDRESSES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "mta_events": {
        "recipient": ("source", "message_id"),
        "mailbox": ("source", "message_id"),
    },
    "antivirus_events": {"mailbox": ("source", "id")},
    "backup_events": {"account": ("tenant_id",)},
    "abuse_events": {"reporter": ("source", "id")},
}
"""Table → column with addresses → what says which of its rows belong together."""
_LETTERS: Final = "dead_letters"
_OF_LETTERS: Final = """if({mailbox:String} != '',
  position(tryBase64Decode(value_b64), {mailbox:String}) > 0,
  JSONExtractString(tryBase64Decode(value_b64), 'tenant_id') = {tenant:String})"""
_PLACE: Final = "topic, `partition`, `offset`, landed_at"
_PURPOSE: Final = "forgotten"
_FORGOTTEN: Final = "forgotten:"
"""How what stands for an address begins."""
_SETTINGS: Final = {"mutations_sync": 2}


class Forgetting:
    """Forgets one mailbox, or every address in the events of one tenant.

    Args:
        client: of a user who may change tables.
        key: the installation's.
        mailbox: an address; or
        tenant: a tenant.

    """

    def __init__(
        self, client: Client, key: AddressKey, mailbox: str = "", tenant: str = ""
    ) -> None:
        self._client = client
        first, second = key.part(_PURPOSE)
        names = [mailbox, key.hashed(mailbox)] if mailbox else []
        self._parameters: dict[str, Any] = {
            "a": first, "b": second, "names": names, "mailbox": mailbox, "tenant": tenant,
        }  # fmt: skip

    def count(self) -> dict[str, int]:
        """Table → how many rows are to be changed, or of dead letters to be removed."""
        chosen = {table: _any_of(columns) for table, columns in _ADDRESSES.items()}
        chosen[_LETTERS] = _OF_LETTERS
        return {
            table: int(self._ask(f"SELECT count() FROM {table} WHERE {which}"))  # noqa: S608
            for table, which in chosen.items()
        }

    def forget(self) -> None:
        """Change the rows and remove the dead letters; what was is gone from disk on return.

        An address may be part of a sorting key, which nothing may change. So changed rows wait in a
        table beside while the others are deleted, which names them by their place alone: what
        servers keep of a deletion tells no address. What a call that was cut off has left waiting,
        the next one brings back.
        """
        for table, columns in _ADDRESSES.items():
            self._bring_back(table)
            changed = ", ".join(
                f"{_forgotten(column, apart)} AS {column}" for column, apart in columns.items()
            )
            self._do(f"CREATE TABLE {_aside(table)} AS {table} ENGINE = MergeTree ORDER BY tuple()")
            # Asked within: beside REPLACE a condition would see what a column is replaced by.
            rows = f"SELECT * FROM {table} WHERE {_any_of(columns)}"  # noqa: S608
            self._do(f"INSERT INTO {_aside(table)} SELECT * REPLACE({changed}) FROM ({rows})")  # noqa: S608
            # Copies tell nothing that the facts do not, and would still tell the address.
            self._do(f"ALTER TABLE arrivals_{table} DROP PARTITION ALL")
            self._delete(table)
            self._bring_back(table)
        letters = _aside(_LETTERS)
        self._do(
            f"CREATE OR REPLACE TABLE {letters} AS {_LETTERS} ENGINE = MergeTree ORDER BY tuple()"
        )
        self._do(f"INSERT INTO {letters} SELECT * FROM {_LETTERS} WHERE {_OF_LETTERS}")  # noqa: S608
        self._delete(_LETTERS)
        self._do(f"DROP TABLE {letters} SYNC")

    def _delete(self, table: str) -> None:
        places = f"SELECT {_PLACE} FROM {_aside(table)}"  # noqa: S608
        self._do(f"ALTER TABLE {table} DELETE WHERE ({_PLACE}) IN ({places})")

    def _bring_back(self, table: str) -> None:
        if self._ask(f"EXISTS TABLE {_aside(table)}"):
            # Those that are there already are the same rows once more.
            self._do(f"INSERT INTO {table} SELECT * FROM {_aside(table)}")  # noqa: S608
            self._do(f"DROP TABLE {_aside(table)} SYNC")

    def _ask(self, query: str) -> Any:
        return self._client.query(query, parameters=self._parameters).result_rows[0][0]

    def _do(self, command: str) -> None:
        self._client.command(command, parameters=self._parameters, settings=_SETTINGS)


# Tables and columns are constants of this module; what is asked for is bound.


def _aside(table: str) -> str:
    return f"forgotten_{table}"


def _chosen(column: str) -> str:
    """Whose address it is, unless it is forgotten already."""
    return (
        f"(ifNull({column}, '') != '' AND NOT startsWith(ifNull({column}, ''), '{_FORGOTTEN}')"
        f" AND if({{tenant:String}} != '', tenant_id = {{tenant:String}},"
        f" has({{names:Array(String)}}, ifNull({column}, ''))))"
    )


def _any_of(columns: Mapping[str, tuple[str, ...]]) -> str:
    return " OR ".join(map(_chosen, columns))


def _forgotten(column: str, apart: tuple[str, ...]) -> str:
    parts = ", ".join(f"toString({name})" for name in apart)
    made = (
        f"concat('{_FORGOTTEN}', lower(hex(sipHash128Keyed(({{a:UInt64}}, {{b:UInt64}}),"
        f" {parts}, ifNull({column}, '')))))"
    )
    return f"if({_chosen(column)}, {made}, {column})"
