"""Connections to the two databases, each told what the store relies on.

SQLite: WAL, full synchronisation, foreign keys, vacuum in steps; Python's sqlite3 would begin transactions by
itself and is told not to; readers can only read. PostgreSQL: a reader sees one moment. Both refuse the same
values: text with NUL, numbers that are none.

Nothing is written on connecting, or a reader would wait for a writer.
"""

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine, event

from arc.core.errors import InvalidSpec, PermanentError
from arc.store.failures import BAD_TEXT

_log = structlog.get_logger(__name__)
BUSY_S = 10.0  # how long one waits for the turn of others
_SAFE_SQLITE = (3, 51, 3)
_CHECKED_BYTES = 64 << 20
_INCREMENTAL = 2  # of PRAGMA auto_vacuum
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode  # made once: five of these go into each job


def sqlite(url: URL) -> tuple[Engine, Engine]:
    """One connection for writing, and some for reading."""
    return _sqlite(url, pool_size=1), _sqlite(url, pool_size=4, read_only=True)


def _sqlite(url: URL, *, pool_size: int, read_only: bool = False) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=BUSY_S,
        connect_args={"timeout": BUSY_S, "check_same_thread": False},
        json_serializer=to_json,
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:  # setting it writes, and so waits for a writer
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", f"query_only={read_only}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "before_cursor_execute")
    def _refuse_nul(_conn: Connection, _cursor: object, _statement: str, parameters: Any, _context: object, many: bool) -> None:
        for row in parameters if many else (parameters,):
            refuse_nul(row)

    return engine


def refuse_nul(values: Iterable[Any]) -> None:
    """InvalidSpec when a text holds NUL: PostgreSQL cannot hold it, so a store that can must not begin to."""
    if "\0" in "".join([value for value in values if isinstance(value, str)]):
        raise InvalidSpec(BAD_TEXT)


def postgres(url: URL) -> tuple[Engine, Engine]:
    """For writing, where each statement sees what others have committed, and for reading, where a transaction is one view."""
    writer = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=8,
        pool_timeout=BUSY_S,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        json_serializer=to_json,
    )
    return writer, writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def to_json(value: Any) -> str:
    """The text of a JSON column; InvalidSpec for a number that JSON does not have."""
    try:
        return _encode(value)
    except ValueError as error:
        raise InvalidSpec(f"a number cannot be stored: {error}") from None


def check_file(path: Path) -> None:
    """PermanentError unless the file is a sound SQLite database; it is never changed here."""
    if path.stat().st_size == 0:
        raise PermanentError(f"the store {path} is empty; restore it from a backup, or move it away to begin anew", field="store")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            sound = connection.execute("PRAGMA quick_check(1)").fetchone()[0] if path.stat().st_size < _CHECKED_BYTES else "ok"
    except sqlite3.DatabaseError as error:
        sound = str(error)
    if sound != "ok":
        raise PermanentError(f"the store {path} is damaged ({' '.join(sound.split())}); restore it from a backup", field="store")


def warn_about(version: tuple[int, int, int]) -> None:
    """Say so when this SQLite has a fault that ARC has to work around."""
    if version < _SAFE_SQLITE:
        _log.info(
            "this SQLite can lose commits when two processes checkpoint at once; ARC writes from one", version=".".join(map(str, version))
        )
