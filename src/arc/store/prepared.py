"""Prepared: a statement compiled once for each database, for the few that every submit runs.

SQLAlchemy looks the statement and the types of its columns up at each call, which takes as long as SQLite takes to
run it. The text, the order of the values and their conversions are SQLAlchemy's all the same, only found beforehand.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, CursorResult, Dialect, Insert, Update


@dataclass(frozen=True)
class _Compiled:
    sql: str
    takers: list[tuple[str, Callable[[Any], Any] | None]]  # in order: each column, and how its value is converted
    positional: bool


@dataclass(frozen=True)
class Prepared:
    """An INSERT of the named columns, or any statement without parameters."""

    statement: Insert | Update
    names: tuple[str, ...] = ()
    _known: dict[str, _Compiled] = field(default_factory=dict)

    def run(self, conn: Connection, values: Mapping[str, Any]) -> CursorResult[Any]:
        """Execute it with a value for each of its columns."""
        compiled = self._known.get(conn.dialect.name) or self._compile(conn.dialect)
        taken = [values[name] if take is None else take(values[name]) for name, take in compiled.takers]
        if compiled.positional:
            return conn.exec_driver_sql(compiled.sql, tuple(taken))
        return conn.exec_driver_sql(compiled.sql, {name: value for (name, _), value in zip(compiled.takers, taken, strict=True)})

    def _compile(self, dialect: Dialect) -> _Compiled:
        found: Any = self.statement.compile(dialect=dialect, column_keys=list(self.names) or None)
        order = found.positiontup if found.positional else list(found.binds)
        takers = [(name, found.binds[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in order or ()]
        self._known[dialect.name] = _Compiled(str(found), takers, bool(found.positional))
        return self._known[dialect.name]
