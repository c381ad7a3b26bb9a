"""Registry file: `data_registry.yaml` in the workspace, for people and for git. A view: the store is the truth.

It is written anew, whole or not at all, after each commit that changes what it says, and at the start of a control plane
when it is not there. What cannot be written is said in the log; the next change writes it again.
"""

import os
import threading
from pathlib import Path
from typing import Any, Final

import structlog
import yaml

from arc.core.dataset import DatasetVersion, Tracking, Validation
from arc.core.errors import ArcError
from arc.core.job import Job
from arc.core.recipe import Done
from arc.jobs.lifecycle import CompletionVerb
from arc.jobs.paths import Layout
from arc.store import datasets
from arc.store.engine import Store, Tx

_log = structlog.get_logger(__name__)
NAME: Final = "data_registry.yaml"
_NOTE: Final = "# The datasets of this workspace. Written by ARC from its store; what is changed here is lost.\n"


class RegistryFile:
    """Keeps the file in step with a store."""

    def __init__(self, store: Store, layout: Layout) -> None:
        self._store = store
        self._path = layout.workspace / NAME
        self._lock = threading.Lock()  # who reads last writes last

    def after(self, verb: CompletionVerb) -> CompletionVerb:
        """The verb, with the file written when what it did has been committed."""

        def act(tx: Tx, job: Job, staging: Path, done: Done) -> dict[str, Any]:
            result = verb(tx, job, staging, done)
            tx.after_commit(self.write)
            return result

        return act

    def ensure(self) -> None:
        """Write it when it is not there."""
        if not self._path.exists():
            self.write()

    def write(self) -> None:
        """Write what the store says now."""
        part = self._path.with_name(f".{NAME}.{os.getpid()}")
        with self._lock:
            try:
                part.write_text(_NOTE + yaml.safe_dump(self._said(), sort_keys=False, allow_unicode=True, width=140), encoding="utf-8")
                part.replace(self._path)
            except (OSError, ArcError) as error:
                part.unlink(missing_ok=True)
                _log.warning("the registry file could not be written", path=str(self._path), why=str(error))

    def _said(self) -> dict[str, Any]:
        with self._store.read() as tx:
            named = {
                name: [
                    _entry(one, datasets.tracking(tx, name, one.version), datasets.last_validation(tx, name, one.version))
                    for one in datasets.versions(tx, name)
                ]
                for name in datasets.names(tx)
            }
        return {"datasets": named}


def _entry(version: DatasetVersion, kept: Tracking | None, validation: Validation | None) -> dict[str, Any]:
    plain = version.model_dump(mode="json")
    fields = ("version", "digest", "seal", "sealed_seal", "task", "classes", "counts", "patients", "licence", "source", "description")
    return {
        **{name: plain[name] for name in (*fields, "made_from", "path", "created_at")},
        "dvc": None if kept is None else {"remote": kept.remote, "pushed": kept.pushed, "revision": kept.revision},
        "validation": None if validation is None else {"passed": validation.passed, "failed": list(validation.failed)},
    }
