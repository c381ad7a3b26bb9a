"""Logs: one event and its fields a line, for people or for a collector.

`configure` is called once by a door; every room then writes `structlog.get_logger(__name__).info("event",
field=value)`. The lines of libraries (uvicorn, alembic) pass through the same renderer, so that a file of
logs has one shape. Values are quoted as soon as they hold anything but plain characters: a name that carries
a newline or a terminal escape stays one harmless line. Fields that are named like a secret are blanked,
whoever logs them.
"""

import json
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from arc.core.journal import finite

_PLAIN = re.compile(r"[\w.:/@%+,=-]+", re.ASCII)
_SECRET = re.compile(r"token$|secret|password|authorization|cookie|capability", re.IGNORECASE)
_FIRST = ("timestamp", "level", "event")
_CHATTY = ("alembic", "uvicorn", "asyncio", "httpx")  # their news is told by events of ours


def configure(*, as_json: bool = False, stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send every log line to `stream` (standard error by default), as JSON or for people."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        blank_secrets,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, json_line if as_json else plain_line]
    target = logging.StreamHandler(stream) if stream is not None else _Stderr()
    target.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    root.handlers[:] = [target]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment, which a test or a progress bar may exchange."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        """Standard error."""
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        raise AttributeError("the stream of this handler is always standard error")


def blank_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the value of each field that is named like a secret."""
    return {name: "***" if name not in _FIRST and _SECRET.search(name) else value for name, value in event.items()}


def json_line(_logger: WrappedLogger, _method: str, event: Mapping[str, Any]) -> str:
    """The event as one line of ASCII JSON."""
    return json.dumps(finite(dict(event)), default=str, ensure_ascii=True)


def plain_line(_logger: WrappedLogger, _method: str, event: Mapping[str, Any]) -> str:
    """The event for people: time, level, event, `name=value` …; a traceback follows on its own lines."""
    head = f"{event.get('timestamp', '')} {event.get('level', '')!s:<8}{_printable(str(event.get('event', '')))}"
    fields = [f"{name}={_value(value)}" for name, value in event.items() if name not in (*_FIRST, "exception", "stack")]
    lines = [" ".join([head, *fields])]
    for name in ("exception", "stack"):
        if event.get(name):
            lines += [f"  | {_printable(line)}" for line in str(event[name]).splitlines()]
    return "\n".join(lines)


def _value(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=True)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
