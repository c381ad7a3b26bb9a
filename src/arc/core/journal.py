"""The journal: what crosses the wall from an attempt to the engine, one JSON object a line.

The attempt appends, the engine follows and commits (rows, byte offset) in one transaction, so that each
line is recorded exactly once through any number of restarts. Keys are short because a training writes
hundreds of thousands of lines. A line is complete when its newline is there; what follows the last
newline is not read. Attempts are trusted with their own job only, so every line is checked here.

k (kind)    fields
started     pid, at, step (resumed from; null when fresh)
phase       name, at
progress    done, of, unit, eta_s, values, at
metrics     s (step), v {name: value or null}, at
checkpoint  step, path (below staging), digest, size, best, keep [paths still there], at
artifact    name, kind, path (below staging), digest, size, at
heartbeat   at
log         event, level, fields, at
outcome     status done | retry | cancelled | failed, metrics, result, after_s, why, failure, at
"""

import json
import math
from pathlib import PurePosixPath
from typing import Any, Final

from arc.core.errors import BadData

JOURNAL: Final = "journal.jsonl"
ORDER: Final = "attempt.json"  # what the engine tells the attempt
PROCESS: Final = "process.json"  # which process the reaper forked
EXIT: Final = "exit.json"  # how it ended, written by the reaper
STDOUT: Final = "stdout.log"
STDERR: Final = "stderr.log"

_FIELDS: dict[str, tuple[tuple[str, tuple[type, ...]], ...]] = {
    "started": (("pid", (int,)),),
    "phase": (("name", (str,)),),
    "progress": (("done", (int, float)), ("unit", (str,)), ("values", (dict,))),
    "metrics": (("s", (int, float)), ("v", (dict,))),
    "checkpoint": (("step", (int,)), ("path", (str,)), ("digest", (str,)), ("size", (int,)), ("keep", (list,))),
    "artifact": (("name", (str,)), ("kind", (str,)), ("path", (str,)), ("digest", (str,)), ("size", (int,))),
    "heartbeat": (),
    "log": (("event", (str,)), ("level", (str,)), ("fields", (dict,))),
    "outcome": (("status", (str,)),),
}


def encode(kind: str, **fields: Any) -> bytes:
    """One line, newline included; numbers that are not finite become null."""
    try:
        text = json.dumps({"k": kind, **fields}, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(finite({"k": kind, **fields}), allow_nan=False, separators=(",", ":"))
    return text.encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The checked object of one complete line; BadData when it is not one."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        raise BadData(f"a journal line is not JSON: {line[:120]!r}", field="journal") from None
    if not isinstance(entry, dict) or not isinstance(entry.get("at"), int | float):
        raise BadData(f"a journal line has no time: {line[:120]!r}", field="journal")
    kind = entry.get("k")
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise BadData(f"a journal line has an unknown kind: {line[:120]!r}", field="journal")
    for name, types in _FIELDS[kind]:
        if not isinstance(entry.get(name), types) or isinstance(entry.get(name), bool):
            raise BadData(f"a journal line of kind {kind} has no valid {name}: {line[:120]!r}", field=f"journal.{name}")
    if "path" in entry:
        below(entry["path"])
    return entry


def below(path: str) -> str:
    """`path` if it stays below the folder it is relative to; BadData otherwise."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in path:
        raise BadData(f"the path {path[:120]!r} leaves the attempt's folder", field="path", value=path[:120])
    return path


def finite(value: Any) -> Any:
    """`value` with every NaN and infinity in it replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
