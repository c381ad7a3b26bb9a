"""Store: one database, opened; transactions that are short and synchronous.

SQLite (the default) is in WAL mode with full synchronisation, so a commit survives a power cut. It has one
writer: a write transaction takes a lock in this process and then BEGIN IMMEDIATE, so nothing is ever
upgraded from read to write. PostgreSQL is used by URL, with the same functions. Python's sqlite3 would begin
transactions by itself; it is told not to.

A damaged, empty or newer database stops the start with one line; it is never replaced by an empty one.
SQLite before 3.51.3 can lose commits when two connections checkpoint at the wrong moment: only the process
that holds the engine lock of the workspace writes, and the version is named in the log at the start.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from arc.core.clock import Clock
from arc.core.errors import Conflict, InvalidSpec, NoSpace, PermanentError, StoreBusy

_log = structlog.get_logger(__name__)
_BUSY_S = 10.0
_SAFE_SQLITE = (3, 51, 3)
_CHECKED_BYTES = 64 << 20
_MIGRATION_LOCK, _ENGINE_LOCK = 0x617263, 0x617264  # advisory locks of PostgreSQL; the letters of arc, and the number after


@dataclass
class Tx:
    """One transaction."""

    conn: Connection
    clock: Clock
    _committed: list[Callable[[], None]] = field(default_factory=list)
    _rolled_back: list[Callable[[], object]] = field(default_factory=list)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call back when the transaction has been committed; not at all when it is rolled back."""
        self._committed.append(callback)

    def in_turn(self, name: str) -> None:
        """Wait for every other transaction that has said this name; numbers that are counted need it. SQLite has one writer anyway."""
        if self.conn.dialect.name == "postgresql":
            self.conn.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})

    def on_rollback(self, callback: Callable[[], object]) -> None:
        """Call back, last one first, when the transaction is rolled back."""
        self._rolled_back.append(callback)


class Store:
    """A database with its schema up to date."""

    def __init__(self, writer: Engine, reader: Engine, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._owner: Connection | None = None  # the session that holds the engine lock of PostgreSQL
        self._lock = threading.Lock() if writer.dialect.name == "sqlite" else None

    @classmethod
    def open(cls, url: str, *, clock: Clock) -> "Store":
        """Open, create when it is not there, and migrate; PermanentError with one line when that cannot be."""
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            path = Path(parsed.database or "")
            _check_file(path)
            writer, reader = _sqlite(url, pool_size=1), _sqlite(url, pool_size=4)
            _warn_about(sqlite3.sqlite_version_info)
        else:
            writer = reader = create_engine(
                parsed.set(drivername="postgresql+psycopg"), pool_size=8, pool_timeout=_BUSY_S, pool_pre_ping=True, isolation_level="READ COMMITTED"
            )  # fmt: skip
        store = cls(writer, reader, clock)
        try:
            store._migrate()
        except (OperationalError, DatabaseError) as error:
            store.close()
            raise PermanentError(f"the store {parsed.render_as_string()} cannot be opened: {_first_line(error)}", field="store") from None
        except BaseException:
            store.close()
            raise
        return store

    @property
    def dialect(self) -> str:
        """sqlite or postgresql."""
        return self._writer.dialect.name

    def close(self) -> None:
        """Let go of every connection, and with them of the engine lock."""
        if self._owner is not None:
            self._owner.invalidate()
            self._owner.close()
            self._owner = None
        self._reader.dispose()
        self._writer.dispose()

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """One write transaction; committed at the end, rolled back when an error leaves the block."""
        if self._lock is not None and not self._lock.acquire(timeout=_BUSY_S):
            raise StoreBusy("the store is being written by others for too long")
        try:
            with _translated(), self._writer.connect() as conn:
                tx = Tx(conn, self._clock)
                if self._lock is not None:
                    conn.exec_driver_sql("BEGIN IMMEDIATE")
                try:
                    yield tx
                    conn.commit()
                except BaseException:
                    conn.rollback()
                    for undo in reversed(tx._rolled_back):
                        undo()
                    raise
        finally:
            if self._lock is not None:
                self._lock.release()
        for callback in tx._committed:
            callback()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """One read transaction: a consistent view."""
        with _translated(), self._reader.connect() as conn:
            if self._lock is not None:
                conn.exec_driver_sql("BEGIN")
            yield Tx(conn, self._clock)
            conn.rollback()

    def own(self) -> bool:
        """Become the one engine of a PostgreSQL store, by a lock of the session; False when another process is it.

        On SQLite the engine lock of the workspace says who it is, and this is True.
        """
        if self._lock is None and self._owner is None:
            conn = self._writer.connect()
            if not conn.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ENGINE_LOCK}).scalar_one():
                conn.close()
                return False
            conn.commit()  # the lock is the session's, not the transaction's
            self._owner = conn
        return True

    def upkeep(self) -> dict[str, Any]:
        """WAL checkpoint and incremental vacuum on SQLite; nothing on PostgreSQL, which does it by itself."""
        if self._lock is None:
            return {"dialect": self.dialect}
        with self._lock, _translated(), self._writer.connect() as conn:
            before = conn.exec_driver_sql("PRAGMA freelist_count").scalar_one()
            conn.connection.driver_connection.execute("PRAGMA incremental_vacuum").fetchall()  # type: ignore[union-attr]  # a step a page
            busy, pages, moved = conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            after = conn.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        return {"dialect": "sqlite", "wal_busy": bool(busy), "wal_pages": pages, "wal_moved": moved, "pages_freed": before - after}

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        with self._writer.connect() as conn:
            if self._lock is None:
                conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            else:
                conn.exec_driver_sql("BEGIN IMMEDIATE")
            current = MigrationContext.configure(conn).get_current_revision()
            if current is not None and current not in known:
                raise PermanentError(
                    f"the store was written by a newer ARC (schema {current}); this one knows up to {max(known)}", field="store"
                )
            config.attributes["connection"] = conn
            command.upgrade(config, "head")
            conn.commit()


def _sqlite(url: str, *, pool_size: int) -> Engine:
    engine = create_engine(
        url, pool_size=pool_size, max_overflow=0, pool_timeout=_BUSY_S, connect_args={"timeout": _BUSY_S, "check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in ("auto_vacuum=INCREMENTAL", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _check_file(path: Path) -> None:
    """PermanentError unless the file is absent or a sound SQLite database; it is never changed here."""
    if not path.exists():
        return
    if path.stat().st_size == 0:
        raise PermanentError(f"the store {path} is empty; restore it from a backup, or move it away to begin anew", field="store")
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            sound = connection.execute("PRAGMA quick_check(1)").fetchone()[0] if path.stat().st_size < _CHECKED_BYTES else "ok"
        connection.close()
    except sqlite3.DatabaseError as error:
        sound = str(error)
    if sound != "ok":
        raise PermanentError(f"the store {path} is damaged ({sound}); restore it from a backup", field="store")


def _warn_about(version: tuple[int, int, int]) -> None:
    if version < _SAFE_SQLITE:
        _log.info(
            "this SQLite can lose commits when two processes checkpoint at once; ARC writes from one", version=".".join(map(str, version))
        )


@contextmanager
def _translated() -> Iterator[None]:
    """Errors of the database as ours."""
    try:
        yield
    except IntegrityError as error:
        raise Conflict(f"it is there already: {_first_line(error)}") from error
    except (DataError, ValueError) as error:
        if isinstance(error, DataError) or "NUL" in str(error) or "surrogates" in str(error):
            raise InvalidSpec("a text holds characters that cannot be stored (NUL or a lone surrogate)") from error
        raise
    except PoolTimeout as error:
        raise StoreBusy("every connection to the store is in use") from error
    except (OperationalError, InterfaceError) as error:
        line = _first_line(error)
        if "full" in line or "No space" in line:
            raise NoSpace(f"the store cannot be written: {line}") from error
        raise StoreBusy(f"the store does not answer: {line}") from error


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0][:300]
