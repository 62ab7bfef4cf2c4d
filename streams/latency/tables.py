"""Rows of several columns, moved as the pieces of memory they are.

Where numpy chooses among such rows, joins or assigns them, it copies column by column: 25 to 30 ns
a row of ten. As bytes of a fixed size they cost one or two.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.void]


def chosen(table: Table, rows: npt.NDArray[Any]) -> Table:
    """The rows that a mask or their numbers choose, a copy."""
    return table.compress(rows) if rows.dtype == np.bool_ else table.take(rows)


def joined(*tables: Table) -> Table:
    """The rows of some tables of the same columns, one table after the other."""
    result: Table = np.concatenate([_as_bytes(each) for each in tables]).view(tables[0].dtype)
    return result


def put(table: Table, first: int, rows: Table) -> None:
    """Write rows of the same columns over those from number ``first`` on."""
    _as_bytes(table)[first : first + len(rows)] = _as_bytes(rows)


def _as_bytes(table: Table) -> Table:
    return table.view(np.dtype((np.void, table.dtype.itemsize)))
