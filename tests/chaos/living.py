"""What lives: the attempts of a workspace and every process of a run, looked up in `/proc` and never asked of the victim."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from arc.core.attempt import ProcessIdentity
from arc.core.journal import PROCESS
from arc.core.process import everyone, stat


@dataclass(frozen=True)
class Running:
    """An attempt whose process lives."""

    job_id: str
    number: int
    identity: ProcessIdentity
    staging: Path


def attempts(workspace: Path) -> list[Running]:
    """Every attempt that was published in a staging folder and whose process lives."""
    found = []
    for path in workspace.glob("*/*/attempts/*/" + PROCESS):
        job_id, _, number = path.parent.name.rpartition(".")
        try:
            identity = ProcessIdentity.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):  # published or deleted meanwhile, or a launch that was revoked
            continue
        if alive(identity.pid, identity.start_time):
            found.append(Running(job_id, int(number), identity, path.parent))
    return sorted(found, key=lambda each: (each.job_id, each.number))


def stagings(workspace: Path) -> set[str]:
    """The staging folders that are there; one appears with each launch."""
    return {path.name for path in workspace.glob("*/*/attempts/*")}


def alive(pid: int, start_time: int | None) -> bool:
    """Whether that very process has not ended."""
    found = stat(pid)
    return found is not None and not found.ended and found.start_time == start_time


def descendants(mark: Path) -> dict[int, str]:
    """Each living process that has `mark` as its TMPDIR, with its command."""
    wanted = f"TMPDIR={mark}".encode()
    return {pid: _command(pid) for pid, _ in everyone() if wanted in _read(pid, "environ").split(b"\0")}


def warm_servers(mark: Path) -> list[tuple[int, int]]:
    """The warm servers of a run, each with its start time; a fork of one bears another name."""
    found = []
    for pid, command in descendants(mark).items():
        about = stat(pid)
        if about is not None and "arc.worker.warm" in command and _read(pid, "comm").strip() not in (b"arc-reaper", b"arc-attempt"):
            found.append((pid, about.start_time))
    return found


def _command(pid: int) -> str:
    return _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # gone meanwhile
        return b""
