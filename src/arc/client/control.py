"""Where the control plane of a workspace is: what `control.json` says, as long as its process lives.

The file names the address and the process (pid and start time, so that a reused pid is never taken for it).
A control plane that was killed leaves the file behind; it is then simply not believed.
"""

import json
from pathlib import Path
from typing import Any

from arc.core.errors import NotFound

CONTROL_FILE = "control.json"
TOKEN_FILE = Path("secrets") / "token"


def address(workspace: Path) -> str | None:
    """The URL of the control plane that serves `workspace` from this machine, or None when there is none."""
    said = _read(workspace / CONTROL_FILE)
    pid, start, url = said.get("pid"), said.get("start_time"), said.get("url")
    if not isinstance(pid, int) or not isinstance(start, int) or not isinstance(url, str):
        return None
    return url if _start_time(pid) == start else None


def token(workspace: Path) -> str:
    """The secret in `<workspace>/secrets/token`; NotFound naming the file."""
    path = workspace / TOKEN_FILE
    try:
        found = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a text"
        raise NotFound(f"the token file {path} cannot be read: {why}", field="token", value=str(path)) from None
    if not found:
        raise NotFound(f"the token file {path} is empty", field="token", value=str(path))
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat, clock ticks after boot; None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return int(stat.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
