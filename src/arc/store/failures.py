"""What the database says when it fails, as one of our errors: whose fault it is, and whether trying again may help."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from arc.core.errors import ArcError, Conflict, InvalidSpec, NoSpace, PermanentError, StoreBusy

_PASSING: Final = re.compile(
    r"refused|starting up|shutting down|recovery mode|not yet accepting|timed? ?out|closed the connection|too many clients|connection slots|is locked"
)
BAD_TEXT: Final = "a text holds characters that cannot be stored (NUL or a lone surrogate)"


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the database as ours."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise InvalidSpec(BAD_TEXT) from error
    except OverflowError as error:
        if "SQLite" not in str(error):
            raise
        raise InvalidSpec(f"a number does not fit its column: {error}") from error
    except PoolTimeout as error:
        raise StoreBusy("every connection to the store is in use") from error
    except StatementError as error:
        raise _ours(error) from error
    except sqlite3.Error as error:
        raise _ours(DBAPIError.instance(None, None, error, sqlite3.Error)) from error


def _ours(error: StatementError) -> ArcError:
    line = first_line(error)
    match error:
        case StatementError(orig=ArcError() as already):
            return already
        case IntegrityError():
            missing = "foreign key" in line.lower()
            return Conflict(f"what it belongs to is not there: {line}" if missing else f"it is there already: {line}")
        case DataError():
            return InvalidSpec(f"a number does not fit its column: {line}" if "out of range" in line else BAD_TEXT)
        case OperationalError() | InterfaceError() if "full" in line or "No space" in line:
            return NoSpace(f"the store cannot be written: {line}")
        case OperationalError() | InterfaceError() if "readonly" not in line:
            return StoreBusy(f"the store does not answer: {line}")
    return PermanentError(f"the store refuses a statement: {line}")


def may_pass(error: Exception) -> bool:
    """Whether a database that could not be opened may be opened later: it starts, stops, is locked or has too many guests."""
    return _PASSING.search(first_line(error)) is not None


def first_line(error: Exception) -> str:
    """What the database itself said, without the statement."""
    return str(getattr(error, "orig", None) or error).splitlines()[0][:300]
