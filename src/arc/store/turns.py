"""Turns: how those who write to one SQLite file follow each other, and share a commit when several wait.

A commit syncs the disk, which takes as long as several submits. So a writer that is done while others wait does not
commit: it leaves the transaction open, the next one works in it under a savepoint, and the last one commits for all.
Nobody goes on before that commit is done, so what was answered is on the disk. A writer that fails takes only its own
rows back. A commit that fails, fails for all who share it, and each one's undoing is done before anybody else's turn.

The statements that open, close and share go past SQLAlchemy, which would take as long for each as SQLite does.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine

from arc.core.errors import StoreBusy
from arc.store import connections

_MOST = 64  # turns in a transaction: the first one waits for all of them
Undo = list[Callable[[], object]]


@dataclass(frozen=True)
class Line:
    """The one connection that writes: as SQLAlchemy has it, and the bare one below."""

    conn: Connection
    raw: sqlite3.Connection


@dataclass
class _Shared:
    """A transaction, and what those know who wait for its commit."""

    turns: int = 0  # that are done in it
    undo: Undo = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    failed: str | None = None  # what the database said

    def end(self, failed: BaseException | None = None) -> None:
        """Let everybody go on, after undoing what they did beside the store when it has failed."""
        if failed is not None:
            self.failed = str(getattr(failed, "orig", None) or failed)
            _undo(self.undo)
        self.over.set()


class Turns:
    """The writers of one file."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock()  # held by the one whose turn it is; who holds it may touch the next two
        self._line: Line | None = None
        self._open: _Shared | None = None  # a transaction that the turn before has left open
        self._count = threading.Lock()  # for the next one
        self._waiting = 0

    @contextmanager
    def write(self, undo: Undo) -> Iterator[Line]:
        """Write; when the block is left without an error, its rows are on the disk. Else `undo` has been called, last one first."""
        self._take()
        try:
            line = self._connected()
            shared, joins = self._begin(line)
            try:
                yield line
                if joins:
                    line.raw.execute("RELEASE turn")
            except BaseException as error:
                self._take_back(line, shared, error, undo, joins=joins)
                raise
            shared.turns += 1
            shared.undo += undo
        finally:
            committed = self._pass_on()
        if not committed:
            shared.over.wait()
        if shared.failed is not None:
            raise sqlite3.OperationalError(shared.failed)

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """The connection outside of any transaction, for upkeep."""
        self._take()
        try:
            if self._open is not None:
                self._commit(self._open)
            yield self._connected().conn
        except BaseException:
            self._let_go()
            raise
        finally:
            self._turn.release()

    def close(self) -> None:
        """Give the connection back to its pool."""
        self._let_go()

    def _take(self) -> None:
        """Wait for the turn; StoreBusy."""
        with self._count:
            self._waiting += 1
        taken = self._turn.acquire(timeout=connections.BUSY_S)
        with self._count:  # whoever passes on does it under the same lock, and so to somebody who is still there
            self._waiting -= 1
            taken = taken or self._turn.acquire(blocking=False)
        if not taken:
            raise StoreBusy("the store is being written by others for too long")

    def _pass_on(self) -> bool:
        """End the turn: leave the transaction to the next one, or commit when nobody waits. Whether it is over."""
        shared = self._open
        with self._count:
            if shared is not None and self._waiting and shared.turns < _MOST:
                self._turn.release()
                return False
        try:
            if shared is not None:
                self._commit(shared)
        finally:
            self._turn.release()
        return True

    def _begin(self, line: Line) -> tuple[_Shared, bool]:
        if self._open is not None:
            line.raw.execute("SAVEPOINT turn")
            return self._open, True
        line.raw.execute("BEGIN IMMEDIATE")
        self._open = _Shared()
        return self._open, False

    def _take_back(self, line: Line, shared: _Shared, error: BaseException, undo: Undo, *, joins: bool) -> None:
        """Undo the rows of this turn; those of all when that cannot be, as when SQLite itself has rolled everything back."""
        if joins and line.raw.in_transaction:
            try:
                line.raw.execute("ROLLBACK TO turn")
                line.raw.execute("RELEASE turn")
            except sqlite3.Error:
                pass
            else:
                _undo(undo)
                return
        shared.undo += undo
        self._open = None
        self._let_go()
        shared.end(error)

    def _commit(self, shared: _Shared) -> None:
        """Commit for everybody; they hear of a failure by `shared`."""
        self._open = None
        line = self._connected()
        try:
            if not line.raw.in_transaction:
                raise sqlite3.OperationalError("the transaction was rolled back by an error in it")
            line.raw.commit()
            line.conn.commit()  # only tells SQLAlchemy, which may think that a transaction has begun
        except Exception as error:  # noqa: BLE001 - whatever it is, all who wait must hear it
            self._let_go()
            shared.end(error)
        else:
            shared.end()

    def _connected(self) -> Line:
        if self._line is None:
            conn = self._engine.connect()
            raw: Any = conn.connection.driver_connection
            self._line = Line(conn, raw)
        return self._line

    def _let_go(self) -> None:
        """Roll back; the pool looks after the connection."""
        line, self._line = self._line, None
        if line is not None:
            line.conn.close()


def _undo(callbacks: Undo) -> None:
    for undo in reversed(callbacks):
        undo()
