"""The journal: what crosses the wall from an attempt to the engine, one JSON object a line.

The attempt appends, the engine follows and commits (rows, byte offset) in one transaction, so that each
line is recorded exactly once through any number of restarts. Keys are short because a training writes
hundreds of thousands of lines. A line is complete when its newline is there; what follows the last
newline is not read. Attempts are trusted with their own job only, so every line is checked here: numbers are
finite and fit a row, text holds nothing that a database refuses, nesting is shallow enough to walk.

k (kind)    fields
started     pid, at, step (resumed from; null when fresh)
phase       name, budget_s (longest time without progress in it; null for the usual), at
progress    done, of, unit, eta_s, values, at
metrics     s (step), v {name: value or null}, at
checkpoint  step, path (below staging), digest, size, best, keep [paths still there], at
artifact    name, kind, path (below staging), digest, size, at
heartbeat   at
log         event, level, fields, at
outcome     status done | retry | cancelled | failed, metrics, result, after_s, why, asked (true when told to stop), failure, at
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
NO_ROOM: Final = 75  # exit code (EX_TEMPFAIL) of an attempt that found no room on the disk even for its outcome
ASKED: Final = "asked-to-stop"  # why the engine asked it to stop
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

_LATEST: Final = 32_503_680_000  # the year 3000
_DEPTH: Final = 40
_DECODER: Final = json.JSONDecoder(parse_constant=lambda _: None)  # NaN and infinity are no JSON


_to_text = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def encode(kind: str, /, **fields: Any) -> bytes:
    """One line, newline included; numbers that are not finite become null."""
    try:
        text = _to_text({"k": kind, **fields})
    except ValueError:
        text = _to_text(finite({"k": kind, **fields}))
    return text.encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The checked object of one complete line; BadData when it is not one."""
    try:
        entry = _DECODER.decode(line.decode())
    except (ValueError, RecursionError):
        raise BadData(f"a journal line is not JSON: {line[:120]!r}", field="journal") from None
    if not isinstance(entry, dict) or not _number(entry.get("at")) or not 0 <= entry["at"] <= _LATEST:
        raise BadData(f"a journal line has no time: {line[:120]!r}", field="journal")
    kind = entry.get("k")
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise BadData(f"a journal line has an unknown kind: {line[:120]!r}", field="journal")
    escaped = b"\\u" in line or line.count(b"{") + line.count(b"[") > _DEPTH
    checked: dict[str, Any] = _storable(entry) if escaped else entry
    if not _fits(checked):
        raise BadData(f"a journal line of kind {kind} holds a number that fits no row: {line[:120]!r}", field="journal")
    for name, types in _FIELDS[kind]:
        if not isinstance(checked.get(name), types) or isinstance(checked[name], bool) or not _fits(checked[name]):
            raise BadData(f"a journal line of kind {kind} has no valid {name}: {line[:120]!r}", field=f"journal.{name}")
    if "path" in checked:
        below(checked["path"])
    return checked


def _number(value: Any) -> bool:
    if isinstance(value, int):
        return -(2**63) <= value < 2**63 and not isinstance(value, bool)
    return isinstance(value, float) and math.isfinite(value)


def _fits(value: Any) -> bool:
    """Numbers, also those directly inside an object, are finite and fit a row."""
    if isinstance(value, dict):
        return all(_number(item) for item in value.values() if isinstance(item, int | float) and not isinstance(item, bool))
    return _number(value) if isinstance(value, int | float) else True


def _storable(value: Any, depth: int = 0) -> Any:
    """`value` with NUL and lone surrogates in its text replaced; BadData when it is nested too deep."""
    if depth > _DEPTH:
        raise BadData("a journal line is nested too deep", field="journal")
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_storable(key): _storable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item, depth + 1) for item in value]
    return value


def below(path: str) -> str:
    """`path` if it stays below the folder it is relative to; BadData otherwise."""
    pure = PurePosixPath(path if isinstance(path, str) else "")
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in path:
        raise BadData(f"the path {str(path)[:120]!r} leaves the attempt's folder", field="path", value=str(path)[:120])
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
