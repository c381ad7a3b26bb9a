"""Store: one database, opened; transactions that are short and synchronous.

SQLite (the default) is in WAL mode with full synchronisation, so a commit survives a power cut. It has one
writer: those who write in this process take turns (`arc.store.turns`), and a turn begins with BEGIN IMMEDIATE, so
nothing is ever upgraded from read to write. PostgreSQL is used by URL, with the same functions.

A damaged, empty or newer database stops the start with one line; it is never replaced by an empty one. A new
SQLite file is made under another name and linked in place whole, so that no start ever meets a half-made one.
SQLite before 3.51.3 can lose commits when two connections checkpoint at the wrong moment: only the process
that holds the engine lock of the workspace writes, and the version is named in the log at the start.
"""

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, make_url, text
from sqlalchemy.exc import DatabaseError, DBAPIError

from arc.core.clock import Clock
from arc.core.errors import PermanentError, StoreBusy
from arc.store import connections
from arc.store.failures import first_line, may_pass, translated
from arc.store.turns import Turns

_VACUUM_PAGES = 10_000  # at a time, because writers wait
_MIGRATION_LOCK, _ENGINE_LOCK = 0x617263, 0x617264  # advisory locks of PostgreSQL; the letters of arc, and the number after


@dataclass
class Tx:
    """One transaction."""

    conn: Connection
    clock: Clock
    raw: sqlite3.Connection | None = None  # of SQLite, below `conn`: for what `arc.store.prepared` runs
    moved: list[str] = field(default_factory=list)  # the jobs whose status it has changed
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
        self._turns = Turns(writer) if writer.dialect.name == "sqlite" else None

    @classmethod
    def open(cls, url: str, *, clock: Clock) -> "Store":
        """Open, create when it is not there, and migrate; PermanentError with one line when that cannot be, StoreBusy when not yet."""
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return cls._opened(parsed, connections.postgres(parsed), clock)
        connections.warn_about(sqlite3.sqlite_version_info)
        path = Path(parsed.database or "")
        if path.exists():
            connections.check_file(path)
        else:
            cls._make(parsed, path, clock)
        return cls._opened(parsed, connections.sqlite(parsed), clock)

    @classmethod
    def _opened(cls, url: URL, engines: tuple[Engine, Engine], clock: Clock) -> "Store":
        store = cls(*engines, clock)
        try:
            store._migrate()
        except DatabaseError as error:
            store.close()
            kind = StoreBusy if may_pass(error) else PermanentError
            raise kind(f"the store {url.render_as_string()} cannot be opened: {first_line(error)}", field="store") from None
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def _make(cls, url: URL, path: Path, clock: Clock) -> None:
        """Put a new SQLite file in place, unless another start is faster."""
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            cls._opened(url, connections.sqlite(url.set(database=str(part))), clock).close()
            os.link(part, path)
        except FileExistsError:
            pass
        except OSError as error:
            raise PermanentError(f"the store {path} cannot be made: {error.strerror}", field="store") from None
        finally:
            for name in (part.name, f"{part.name}-wal", f"{part.name}-shm"):
                with suppress(OSError):  # on a disk that can only be read, what is not there cannot be removed either
                    part.with_name(name).unlink(missing_ok=True)

    @property
    def dialect(self) -> str:
        """sqlite or postgresql."""
        return self._writer.dialect.name

    def close(self) -> None:
        """Let go of every connection, and with them of the engine lock."""
        self._disown()
        if self._turns is not None:
            self._turns.close()
        self._reader.dispose()
        self._writer.dispose()

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """One write transaction; committed at the end, rolled back when an error leaves the block."""
        with translated(), self._in_turn() if self._turns is not None else self._beside_others() as tx:
            yield tx
        for callback in tx._committed:
            callback()

    @contextmanager
    def _in_turn(self) -> Iterator[Tx]:
        assert self._turns is not None
        undo: list[Callable[[], object]] = []
        with self._turns.write(undo) as line:
            yield Tx(line.conn, self._clock, line.raw, _rolled_back=undo)

    @contextmanager
    def _beside_others(self) -> Iterator[Tx]:
        with self._writer.connect() as conn:
            tx = Tx(conn, self._clock)
            try:
                yield tx
                conn.commit()
            except BaseException:
                conn.rollback()
                for undo in reversed(tx._rolled_back):
                    undo()
                raise

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """One read transaction: a consistent view."""
        with translated(), self._reader.connect() as conn:
            if self._turns is not None:
                raw: Any = conn.connection.driver_connection
                raw.execute("BEGIN")  # below SQLAlchemy, which would take as long for it as for the question
            yield Tx(conn, self._clock)
            conn.rollback()

    def own(self) -> bool:
        """Become, or stay, the one engine of a PostgreSQL store, by a lock of the session; False when another process is it.

        A restart of the server ends the session and with it the lock, so it is looked after each time. On SQLite the
        engine lock of the workspace says who it is, and this is True.
        """
        if self._turns is not None or self._owns():
            return True
        with translated():
            conn = self._writer.connect()
            if not conn.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ENGINE_LOCK}).scalar_one():
                conn.close()
                return False
            conn.commit()  # the lock is the session's, not the transaction's
        self._owner = conn
        return True

    def _owns(self) -> bool:
        """Whether the session that took the engine lock is still there."""
        if self._owner is None:
            return False
        try:
            self._owner.execute(text("SELECT 1"))
            self._owner.commit()
        except DBAPIError:
            self._disown()
        return self._owner is not None

    def _disown(self) -> None:
        if self._owner is not None:
            self._owner.invalidate()
            self._owner.close()
            self._owner = None

    def upkeep(self) -> dict[str, Any]:
        """WAL checkpoint and incremental vacuum on SQLite; nothing on PostgreSQL, which does it by itself."""
        if self._turns is None:
            return {"dialect": self.dialect}
        with translated(), self._turns.alone() as conn:
            conn.exec_driver_sql("PRAGMA busy_timeout=0")  # who reads meanwhile keeps his part of the log; nobody waits for him
            before = conn.exec_driver_sql("PRAGMA freelist_count").scalar_one()
            conn.connection.driver_connection.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")  # type: ignore[union-attr]
            busy, pages, moved = conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            conn.exec_driver_sql(f"PRAGMA busy_timeout={round(connections.BUSY_S * 1000)}")
            after = conn.exec_driver_sql("PRAGMA freelist_count").scalar_one()
            conn.rollback()
        return {"dialect": "sqlite", "wal_busy": bool(busy), "wal_pages": pages, "wal_moved": moved, "pages_freed": before - after}

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        with self._writer.connect() as conn:
            if self._turns is None:
                conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            else:
                conn.exec_driver_sql("PRAGMA foreign_keys=OFF")  # a table that is made anew must not take along what refers to it
                conn.exec_driver_sql("BEGIN IMMEDIATE")
            current = MigrationContext.configure(conn).get_current_revision()
            if current is not None and current not in known:
                raise PermanentError(
                    f"the store was written by a newer ARC (schema {current}); this one knows up to {max(known)}", field="store"
                )
            config.attributes["connection"] = conn
            command.upgrade(config, "head")
            conn.commit()
            if self._turns is not None:
                conn.exec_driver_sql("PRAGMA foreign_keys=ON")
