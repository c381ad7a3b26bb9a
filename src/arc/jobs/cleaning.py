"""Cleaning: what goes by itself, with a reason for each thing, and what is kept of it.

In this order: folders of old jobs and superfluous checkpoints (`arc.jobs.retention`), broken experiments
(`arc.jobs.broken`), what a crash left (`arc.jobs.sweep`). Planning only reads. Each thing is then examined once
more in the transaction that takes it away, so that a clean-up may run beside jobs that run, retry and resume: a
folder is moved aside there, with its rows, and its bytes are deleted afterwards. An experiment leaves a tombstone.

A person's clean-up takes a broken experiment at once. The one on the schedule waits as long as for an old job, so
that a failure of Friday is still there on Monday.
"""

import json
import os
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from arc.core.artifact import Artifact
from arc.core.cleaning import Cleaned, Finding
from arc.core.clock import Clock
from arc.core.errors import Conflict, NotFound
from arc.core.experiment import Experiment
from arc.jobs import broken, contents, retention, sweep
from arc.jobs.contents import Contents
from arc.jobs.experiments import Experiments, drop, members, unnamed
from arc.jobs.paths import Layout, set_aside
from arc.jobs.sweep import Leftover
from arc.store import artifacts, events, experiments, leftovers
from arc.store.engine import Store, Tx

_log = structlog.get_logger(__name__)
_PATIENCE_S = 5.0  # that a clean-up waits for another one
_TAIL = 4000  # characters of the log in the event; the tombstone has all

Act = Callable[[str], str | None]  # takes it away for an actor; says why it stays after all, if it does
Step = tuple[Finding, Act | None]


@dataclass(frozen=True)
class Keeping:
    """What is kept, and how long."""

    old_after: timedelta
    checkpoints: int  # the newest so many of a job
    every: timedelta  # how often the clean-up runs by itself; never when zero


@dataclass(frozen=True)
class Cleaning:
    """The verbs of cleaning, over one workspace."""

    experiments: Experiments
    clock: Clock
    keeping: Keeping
    _one: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def store(self) -> Store:
        """The store that is cleaned."""
        return self.experiments.store

    @property
    def layout(self) -> Layout:
        """The workspace that is cleaned."""
        return self.experiments.layout

    @property
    def attended(self) -> Callable[[], Collection[str]]:
        """The jobs that the engine has not let go of yet."""
        return self.experiments.attended

    def plan(self) -> Cleaned:
        """What a clean-up would do now, and why; changes nothing."""
        return self.clean(actor="", dry_run=True)

    def clean(self, *, actor: str, dry_run: bool = False, broken_for: timedelta = timedelta()) -> Cleaned:
        """Take away what may go; experiments only when they have been over for `broken_for`.

        Conflict while another clean-up is at work. A dry run only reads, and never waits.
        """
        if dry_run:
            return self._go_through(broken_for, lambda finding, _: finding, dry_run=True)
        if not self._one.acquire(timeout=_PATIENCE_S):
            raise Conflict("a clean-up is at work; look at what it did, or try again when it has ended")
        try:
            done = self._go_through(broken_for, lambda finding, act: _carry_out(finding, act, actor), dry_run=False)
            self._record(done, actor)
            return done
        finally:
            self._one.release()

    def scheduled(self) -> Cleaned | None:
        """Clean when the last clean-up of the schedule is long enough ago; None when it is not."""
        if not self.keeping.every:
            return None
        with self.store.read() as tx:
            last = events.newest(tx, "store", "store.cleaned", actor="engine")
        if last is not None and self.clock.now() - last.at < self.keeping.every:
            return None
        return self.clean(actor="engine", broken_for=self.keeping.old_after)

    def end(self) -> None:
        """Let a clean-up that runs come to its end after the thing in hand."""
        self._ended.set()

    def _record(self, done: Cleaned, actor: str) -> None:
        counts = {kind: sum(one.kind == kind for one in done.removed) for kind in ("experiment", "job", "checkpoint", "leftover")}
        if done.removed or actor == "engine":
            with self.store.write() as tx:
                events.append(tx, subject="store", kind="store.cleaned", actor=actor, detail={**counts, "bytes": done.freed_bytes})
                tx.after_commit(lambda: self.experiments.hub.poke("store"))
        _log.info("cleaned", actor=actor, **counts, freed_bytes=done.freed_bytes)

    def _go_through(self, broken_for: timedelta, do: Callable[[Finding, Act], Finding], *, dry_run: bool) -> Cleaned:
        removed: list[Finding] = []
        kept: list[Finding] = []
        for finding, act in self._steps(broken_for):
            if self._ended.is_set():
                break
            after = finding if act is None else do(finding, act)
            (removed if after.goes else kept).append(after)
        return Cleaned(dry_run=dry_run, removed=tuple(removed), kept=tuple(kept))

    def _steps(self, broken_for: timedelta) -> Iterator[Step]:
        yield from self._old_jobs()
        yield from self._checkpoints()
        yield from self._experiments(broken_for)
        yield from self._leftovers()

    # --- old jobs ---------------------------------------------------------------------------

    def _old_jobs(self) -> Iterator[Step]:
        before = self.clock.now() - self.keeping.old_after
        with self.store.read() as tx:
            found = retention.old_jobs(tx, layout=self.layout, before=before, attended=self.attended)
        for finding in found:
            yield finding, self._removal_of_job(finding) if finding.goes else None

    def _removal_of_job(self, finding: Finding) -> Act:
        def act(actor: str) -> str | None:
            before = self.clock.now() - self.keeping.old_after
            folder = self.layout.workspace / finding.path
            with self.store.write() as tx:
                if not retention.may_go(tx, finding.id, layout=self.layout, before=before, attended=self.attended):
                    return "something has come to refer to it"
                artifacts.forget(tx, retention.staged_below(tx, finding.id, folder, layout=self.layout))
                aside = set_aside(tx, folder)
                events.append(tx, subject=finding.id, kind="job.cleaned", actor=actor, detail={"bytes": finding.size_bytes})
            if aside is not None:
                contents.remove_tree(aside)
            return None

        return act

    # --- checkpoints ------------------------------------------------------------------------

    def _checkpoints(self) -> Iterator[Step]:
        with self.store.read() as tx:
            crowded = leftovers.crowded(tx, keep=self.keeping.checkpoints)
        for job_id in crowded:
            if job_id in self.attended():
                continue
            for row, finding in retention.checkpoints(self.store, job_id, keep=self.keeping.checkpoints, layout=self.layout):
                yield finding, self._removal_of_checkpoint(row) if finding.goes else None

    def _removal_of_checkpoint(self, row: Artifact) -> Act:
        def act(actor: str) -> str | None:
            with self.store.write() as tx:
                now = next((one for one in artifacts.of_job(tx, row.job_id) if one.id == row.id), None)
                if now is None or now.pinned:
                    return "it was pinned" if now else "it is gone already"
                if (why := retention.reason_to_keep(tx, now, self.layout)) is not None:
                    return why
                artifacts.forget(tx, [now.id])
                if now.published:
                    drop(self.experiments.artifacts, unnamed(tx, [now.digest]))
                else:
                    self.layout.stored(now.path).unlink(missing_ok=True)
                detail = {"attempt": now.attempt, "step": now.step, "bytes": now.size_bytes}
                events.append(tx, subject=now.job_id, kind="job.checkpoint_removed", actor=actor, detail=detail)
            return None

        return act

    # --- broken experiments -----------------------------------------------------------------

    def _experiments(self, broken_for: timedelta) -> Iterator[Step]:
        with self.store.read() as tx:
            ids = leftovers.failed_experiments(tx)
        for experiment_id in ids:
            folder = self.layout.experiment(experiment_id)
            why, found = self._examine(experiment_id, folder, broken_for)
            path = self.layout.relative(folder)
            said = why or "its training failed for good and left no checkpoint, no result and no log; a tombstone stays"
            finding = Finding(kind="experiment", id=experiment_id, path=path, goes=why is None, why=said, size_bytes=found.size_bytes)
            yield finding, self._removal_of_experiment(experiment_id, found) if why is None else None

    def _examine(self, experiment_id: str, folder: Path, broken_for: timedelta) -> tuple[str | None, Contents]:
        """Why the experiment stays, or None, and what its folder holds."""
        try:
            with self.store.read() as tx:
                experiment = experiments.get(tx, experiment_id)
                why = broken.reason_to_stay(tx, self.experiments, experiment)
                staged = artifacts.of_experiment(tx, experiment_id)
                jobs = members(tx, experiment_id)
        except NotFound:
            return "it is gone already", Contents()
        ended = [job.completed_at for job in jobs if job.completed_at is not None]
        if why is None and self.clock.now() - max(ended) < broken_for:
            why = "it failed only lately"
        if why is None and any(job.attempt for job in jobs) and not folder.is_dir():
            why = "its folder is not in its place, so nobody knows what it holds"
        return (why, Contents()) if why is not None else broken.reason_of_files(folder, staged, self.layout)

    def _removal_of_experiment(self, experiment_id: str, found: Contents) -> Act:
        def act(actor: str) -> str | None:
            with self.store.write() as tx:
                tx.in_turn(f"experiment {experiment_id}")  # no job may join it meanwhile
                experiment = experiments.get(tx, experiment_id)
                why = broken.reason_to_stay(tx, self.experiments, experiment)
                if why is None and contents.look(self.layout.experiment(experiment_id)).files != found.files:
                    why = "its folder has changed just now"
                if why is not None:
                    return why
                self._bury(tx, experiment, found.size_bytes, actor)
                taken = self.experiments.take_away(tx, experiment)
            self.experiments.discard(taken)
            return None

        return act

    def _bury(self, tx: Tx, experiment: Experiment, size_bytes: int, actor: str) -> None:
        stone = broken.tombstone(tx, experiment, layout=self.layout, size_bytes=size_bytes, now=self.clock.now(), actor=actor)
        path = _write_new(self.layout.workspace / "tombstones", experiment.id, stone)
        tx.on_rollback(lambda: path.unlink(missing_ok=True))
        detail = {"cause": stone["cause"], "log_tail": stone["log_tail"][-_TAIL:], "tombstone": self.layout.relative(path)}
        events.append(tx, subject=experiment.id, kind="experiment.cleaned", actor=actor, detail=detail)

    # --- what a crash left ------------------------------------------------------------------

    def _leftovers(self) -> Iterator[Step]:
        with self.store.read() as tx:
            found = list(sweep.find(tx, layout=self.layout, now=self.clock.now(), attended=self.attended))
        for leftover in found:
            yield leftover.finding(self.layout), self._sweeping(leftover)

    def _sweeping(self, leftover: Leftover) -> Act:
        def act(_: str) -> str | None:
            sweep.carry_out(leftover)
            return None

        return act


def _carry_out(finding: Finding, act: Act, actor: str) -> Finding:
    try:
        why = act(actor)
    except NotFound:
        why = "it is gone already"
    except OSError as error:
        why = f"it could not be removed: {error}"
    return finding if why is None else finding.model_copy(update={"goes": False, "why": why})


def _write_new(folder: Path, name: str, document: dict[str, Any]) -> Path:
    """A JSON file on the disk, beside any that has the name already."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    number = 1
    while path.exists():  # an experiment of this name was cleaned before
        number += 1
        path = folder / f"{name}.{number}.json"
    part = folder / f".{path.name}.part"
    with part.open("w", encoding="utf-8", errors="backslashreplace") as file:
        json.dump(document, file, indent=1, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return path
