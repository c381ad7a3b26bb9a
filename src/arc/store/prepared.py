"""Prepared: an INSERT compiled once and run below SQLAlchemy, for the two that every submit makes on SQLite.

SQLAlchemy looks the statement and the types of its columns up at each call, which takes as long as SQLite takes to
run it. The text, the order of the values and their conversions are SQLAlchemy's all the same, only found beforehand.
Elsewhere, where each statement is a journey to a server, it is run as any other.
"""

import sqlite3
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.dialects import sqlite

from arc.store.connections import refuse_nul, to_json
from arc.store.engine import Tx

_DIALECT = sqlite.dialect(json_serializer=to_json)


class Insert:
    """An INSERT of one row with all the columns of a table."""

    def __init__(self, table: Table) -> None:
        self._statement = insert(table)
        self._names = table.columns.keys()

    def run(self, tx: Tx, values: Mapping[str, Any]) -> None:
        """Insert a row; `values` has each column, and may have more."""
        if tx.raw is None:
            tx.conn.execute(self._statement, {name: values[name] for name in self._names})
        else:
            self.below(tx.raw, values)

    def below(self, raw: sqlite3.Connection, values: Mapping[str, Any]) -> int:
        """Insert a row into SQLite; its row number."""
        sql, takers = self._compiled
        taken = [values[name] if take is None else take(values[name]) for name, take in takers]
        refuse_nul(taken)
        return raw.execute(sql, taken).lastrowid or 0

    @cached_property
    def _compiled(self) -> tuple[str, list[tuple[str, Callable[[Any], Any] | None]]]:
        """The text, and in its order each column and how its value is converted."""
        found = self._statement.compile(dialect=_DIALECT, column_keys=list(self._names))
        binds = [(name, found.binds[name].type) for name in found.positiontup or ()]
        return str(found), [(name, kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)) for name, kind in binds]
