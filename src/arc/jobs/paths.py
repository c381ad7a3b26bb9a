"""Paths: where things lie in a workspace, and the one function that lets a request name a path.

Every path a request names is resolved, links included, and must then lie in the workspace's public folders
or in a declared data root; the answer for a place outside is the same whether it exists or not. The sealed
part of the workspace, its secrets and its database are never nameable.
"""

import os
import re
import secrets
import stat
from pathlib import Path

from arc.core.errors import Forbidden, InvalidSpec, NotFound
from arc.core.job import Job
from arc.store.engine import Tx

ASIDE = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.deleted")  # the name of a folder that was set aside
_NAMEABLE = ("experiments", "datasets", "jobs", "imports")


class Layout:
    """The folders of a workspace."""

    def __init__(self, workspace: Path, data_roots: tuple[Path, ...] = ()) -> None:
        self.workspace = workspace
        self.data_roots = data_roots

    def home(self, job: Job) -> Path:
        """The folder of the experiment, or of the job when it belongs to none."""
        return self.experiment(job.experiment_id) if job.experiment_id else self.workspace / "jobs" / job.id

    def staging(self, job: Job, number: int) -> Path:
        """Where one attempt writes until it is published."""
        return self.home(job) / "attempts" / f"{job.id}.{number}"

    def experiment(self, experiment_id: str) -> Path:
        """The folder of an experiment."""
        return self.workspace / "experiments" / experiment_id

    def dataset(self, name: str, version: int) -> Path:
        """The folder of a dataset version: what training may see."""
        return self.workspace / "datasets" / name / str(version)

    def sealed(self, name: str, version: int) -> Path:
        """The folder of its sealed split."""
        return self.workspace / "sealed" / name / str(version)

    def relative(self, path: Path) -> str:
        """`path` as it is stored: below the workspace."""
        return path.relative_to(self.workspace).as_posix()

    def stored(self, relative: str) -> Path:
        """The absolute path of a stored one; Forbidden when the row was tampered with."""
        path = Path(os.path.realpath(self.workspace / relative))
        if os.path.commonpath([path, os.path.realpath(self.workspace)]) != os.path.realpath(self.workspace):
            raise Forbidden("a stored path leaves the workspace", field="path")
        return path

    def named(self, text: str, *, field: str) -> Path:
        """The resolved path that a request names; Forbidden outside the allowed roots, NotFound, InvalidSpec for devices."""
        if "\0" in text or not Path(text).is_absolute():
            raise InvalidSpec(f"{field} must be an absolute path", field=field, value=text[:200])
        path = Path(os.path.realpath(text))
        if not self._allowed(path):
            raise Forbidden(
                f"{field} is outside the data roots; declare its folder with ARC_DATA_ROOTS or `data_roots` in arc.toml",
                field=field,
                value=text[:200],
            )
        try:
            mode = path.lstat().st_mode
        except OSError:
            raise NotFound(f"{field}: there is no file or folder {text[:200]!r}", field=field, value=text[:200]) from None
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise InvalidSpec(f"{field} is neither a file nor a folder", field=field, value=text[:200])
        return path

    def outside(self, text: str, *, field: str) -> Path:
        """The resolved folder, which need not be there, that a request wants copies in: in `exports` of the workspace or a data root.

        Forbidden elsewhere, in the rest of the workspace too: what lies there is sealed, or is the place of record. InvalidSpec for a file.
        """
        if "\0" in text or not Path(text).is_absolute():
            raise InvalidSpec(f"{field} must be an absolute path", field=field, value=text[:200])
        path = Path(os.path.realpath(text))
        inside = _below(path, os.path.realpath(self.workspace))
        roots = [os.path.realpath(root) for root in ([self.workspace / "exports"] if inside else self.data_roots)]
        if not any(_below(path, root) for root in roots):
            raise Forbidden(
                f"{field} is neither in exports of the workspace nor in a data root (ARC_DATA_ROOTS or `data_roots` in arc.toml)",
                field=field,
                value=text[:200],
            )
        if path.exists() and not path.is_dir():
            raise InvalidSpec(f"{field} is no folder", field=field, value=text[:200])
        return path

    def _allowed(self, path: Path) -> bool:
        roots = [self.workspace / name for name in _NAMEABLE] + list(self.data_roots)
        real = [os.path.realpath(root) for root in roots]
        return any(_below(path, root) for root in real)


def _below(path: Path, root: str) -> bool:
    """Whether a resolved path is the resolved root, or lies in it."""
    return os.path.commonpath([path, root]) == root


def set_aside(tx: Tx, folder: Path) -> Path | None:
    """Move a folder out of sight, beside itself, to be deleted; it comes back when the transaction fails. None when there is none."""
    if not folder.is_dir():
        return None
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.deleted")
    folder.rename(aside)
    tx.on_rollback(lambda: aside.rename(folder))
    return aside
