"""Following: from the journal of an attempt to rows, each line exactly once.

One call reads a bounded piece of the file, checks every line, and commits the rows together with the byte
offset up to which they were read. A crash before the commit reads the piece again, a crash after it does
not. The outcome line is left unread until the attempt is over: it is recorded in the very transaction that
ends the attempt. Metrics and heartbeats become no events.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arc.core.artifact import Artifact, ArtifactKind
from arc.core.clock import Clock, from_unix
from arc.core.errors import BadData
from arc.core.ids import new_id
from arc.core.job import Progress
from arc.core.journal import JOURNAL, decode, finite
from arc.store import artifacts, attempts, events, metrics
from arc.store import jobs as rows
from arc.store.engine import Tx

_PIECE = 4 << 20
_MAX_LINE = 4 << 20
_SIGNS = frozenset({"metrics", "progress", "checkpoint", "artifact"})


@dataclass(frozen=True)
class PhaseChange:
    """The attempt said what it does now."""

    name: str
    budget_s: float | None


@dataclass
class Piece:
    """What one read of a journal held."""

    start: int
    end: int
    seen: int = 0  # where the file was looked at to, an unfinished line and the outcome included
    points: dict[str, list[tuple[float, float | None, float]]] = field(default_factory=dict)
    progress: Progress | None = None
    checkpoints: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    started_from: int | None = None
    warnings: list[str] = field(default_factory=list)
    outcome: dict[str, Any] | None = None  # seen, not consumed
    phase: str = ""
    trace: list[PhaseChange | float] = field(default_factory=list)  # phases, and the moments of signs of progress, in order

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit."""
        return self.end == self.start


def read(staging: Path, offset: int, *, phase: str = "") -> Piece:
    """The complete, unread lines of the journal, at most a few MB of them."""
    try:
        with (staging / JOURNAL).open("rb") as file:
            file.seek(offset)
            data = file.read(_PIECE)
    except FileNotFoundError:
        data = b""
    piece = Piece(start=offset, end=offset, seen=offset + len(data), phase=phase)
    position = 0
    while (newline := data.find(b"\n", position)) >= 0:
        if _take(piece, data[position : newline + 1]):
            break
        position = newline + 1
        piece.end = offset + position
    if position == 0 and len(data) >= _MAX_LINE and piece.outcome is None:
        piece.end = offset + len(data)
        piece.warnings.append("a journal line is longer than 4 MB and was skipped")
    return piece


def _take(piece: Piece, line: bytes) -> bool:
    """Add one line; True when it is the outcome, which stays unread."""
    try:
        entry = decode(line)
    except BadData as error:
        piece.warnings.append(error.message)
        return False
    kind = entry["k"]
    if kind == "outcome":
        piece.outcome = finite(entry)
        return True
    if kind in _SIGNS:
        piece.trace.append(float(entry["at"]))
    if kind == "metrics":
        _points(piece, entry)
    elif kind == "progress":
        piece.progress = _progress(entry, piece.phase)
    elif kind == "phase":
        piece.phase = entry["name"][:80]
        budget = entry.get("budget_s")
        piece.trace.append(PhaseChange(piece.phase, float(budget) if isinstance(budget, int | float) and budget > 0 else None))
    elif kind == "checkpoint":
        piece.checkpoints.append(entry)
    elif kind == "artifact":
        piece.artifacts.append(entry)
    elif kind == "started" and isinstance(entry.get("step"), int):
        piece.started_from = entry["step"]
    elif kind == "log" and entry["level"] in ("warning", "error"):
        piece.warnings.append(f"{entry['event']} {finite(entry['fields'])}"[:500])
    return False


def _points(piece: Piece, entry: dict[str, Any]) -> None:
    step, at = float(entry["s"]), float(entry["at"])
    for name, value in entry["v"].items():
        if isinstance(value, int | float) or value is None:
            piece.points.setdefault(name[:200], []).append((step, None if value is None else float(value), at))


def _progress(entry: dict[str, Any], phase: str) -> Progress:
    of, eta = entry.get("of"), entry.get("eta_s")
    values = {str(name)[:80]: float(value) for name, value in entry["values"].items() if isinstance(value, int | float)}
    return Progress(
        done=float(entry["done"]),
        of=float(of) if isinstance(of, int | float) else None,
        unit=entry["unit"][:40],
        phase=phase,
        eta_s=float(eta) if isinstance(eta, int | float) else None,
        values=values,
    )


def record(tx: Tx, piece: Piece, *, job_id: str, number: int, staging: str, clock: Clock) -> None:
    """Commit what a piece held, offset included; LeaseLost when the attempt is no longer the current one."""
    attempts.advance(tx, job_id, number, from_offset=piece.start, to_offset=piece.end, resumed_step=piece.started_from)
    if piece.points:
        metrics.append(tx, job_id=job_id, attempt=number, points=piece.points)
    changes: dict[str, Any] = {}
    if piece.progress is not None:
        changes["progress"] = piece.progress
    for entry in piece.artifacts:
        artifacts.insert(tx, _row(entry, job_id, number, staging, clock))
    for entry in piece.checkpoints:
        changes["last_checkpoint"] = _checkpoint(tx, entry, job_id, number, staging, clock)
    if changes:
        rows.update(tx, job_id, token=number, **changes)
    for warning in piece.warnings[:20]:
        events.append(tx, subject=job_id, kind="attempt.warning", actor="engine", detail={"attempt": number, "message": warning})


def artifacts_of(piece: Piece, *, job_id: str, number: int, staging: str, clock: Clock) -> list[Artifact]:
    """The artifacts and checkpoints a piece tells of, as `record` would write them, but for their ids."""
    return [_row(entry, job_id, number, staging, clock) for entry in (*piece.artifacts, *piece.checkpoints)]


def _row(entry: dict[str, Any], job_id: str, number: int, staging: str, clock: Clock) -> Artifact:
    kind = str(entry["kind"]) if entry.get("k") == "artifact" else "checkpoint"
    return Artifact(
        id=new_id("art", clock),
        job_id=job_id,
        attempt=number,
        name=str(entry.get("name") or Path(entry["path"]).name)[:200],
        kind=ArtifactKind(kind) if kind in list(ArtifactKind) else ArtifactKind.RESULT,
        digest=entry["digest"],
        size_bytes=entry["size"],
        path=f"{staging}/{entry['path']}",
        step=entry.get("step") if isinstance(entry.get("step"), int) else None,
        published=False,
        created_at=from_unix(entry["at"]),
    )


def _checkpoint(tx: Tx, entry: dict[str, Any], job_id: str, number: int, staging: str, clock: Clock) -> str:
    row = _row(entry, job_id, number, staging, clock)
    artifacts.insert(tx, row)
    kept = {f"{staging}/{path}" for path in entry["keep"] if isinstance(path, str)} | {row.path}
    gone = [old.id for old in artifacts.checkpoints(tx, job_id) if old.attempt == number and not old.published and old.path not in kept]
    artifacts.forget(tx, gone)
    detail = {"attempt": number, "step": row.step, "path": row.path, "best": bool(entry.get("best"))}
    events.append(tx, subject=job_id, kind="attempt.checkpoint", actor="engine", detail=detail)
    return row.path
