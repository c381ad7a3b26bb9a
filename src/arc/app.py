"""App: the one place that wires settings, store, artifacts, verbs and engine together.

Doors (api, cli) build one `App` and call its verbs. One engine owns a workspace: an flock on
`engine.lock` says which process, and a second one is told the pid of the first. The lock dies with its
holder, so a killed control plane never blocks the next.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import structlog

from arc.access import Access
from arc.artifacts import ArtifactStore
from arc.core.clock import Clock, SystemClock
from arc.core.errors import Conflict, InvalidSpec
from arc.core.ports import Backend
from arc.datasets import Datasets, RegistryFile, tracking, validations
from arc.jobs.admission import Admission, Gpu, Limitation, Measured
from arc.jobs.backends.local import LocalBackend
from arc.jobs.claim import Claimer
from arc.jobs.cleaning import Cleaning, Keeping
from arc.jobs.engine import Engine, Intervals
from arc.jobs.experiments import Experiments
from arc.jobs.figures import Figures
from arc.jobs.house import House
from arc.jobs.hub import Hub
from arc.jobs.leases import Leases
from arc.jobs.lifecycle import CompletionVerb
from arc.jobs.paths import Layout
from arc.jobs.resolve import Resolver
from arc.jobs.service import Jobs
from arc.jobs.stall import StallRules
from arc.settings import Settings
from arc.store.engine import Store
from arc.studies import Studies
from arc.telemetry import system

_log = structlog.get_logger(__name__)
_STORE_THREADS = 4


@dataclass
class App:
    """One workspace, opened."""

    settings: Settings
    sources: Mapping[str, str]
    store: Store
    layout: Layout
    artifacts: ArtifactStore
    jobs: Jobs
    experiments: Experiments
    cleaning: Cleaning
    datasets: Datasets
    registry: RegistryFile
    studies: Studies
    leases: Leases
    access: Access
    hub: Hub
    engine: Engine
    figures: Figures
    claimer: Claimer
    clock: Clock
    executor: ThreadPoolExecutor
    _lock: int | None = field(default=None, repr=False)

    async def start(self, *, engine: bool = True) -> None:
        """Serve this workspace from the running event loop; with `engine`, run its jobs. Conflict when another process does."""
        self.access.prepare()
        if engine:
            self._lock = _own(self.settings.workspace)
            if not self.store.own():
                raise Conflict("another control plane runs the jobs of this database", field="database_url")
        self.hub.bind(asyncio.get_running_loop())
        if engine:
            self.registry.ensure()
            await self.engine.start()

    async def stop(self) -> None:
        """Checkpoint and requeue what runs, end the streams, close the store."""
        self.cleaning.end()
        if self._lock is not None:
            await self.engine.stop()
        self.hub.close()
        self.close()

    @property
    def runs_jobs(self) -> bool:
        """Whether this process holds the engine of the workspace."""
        return self._lock is not None

    def close(self) -> None:
        """Let go of the store and of the workspace; for an app that was never started, too."""
        self.cleaning.end()
        self.executor.shutdown(wait=True)
        self.store.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def build(
    settings: Settings,
    sources: Mapping[str, str] | None = None,
    *,
    clock: Clock | None = None,
    backends: Mapping[str, Backend] | None = None,
) -> App:
    """The app over `settings.workspace`, which is made when it is not there."""
    clock = clock or SystemClock()
    workspace = settings.workspace
    workspace.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = Store.open(settings.database_url or f"sqlite:///{quote(str(workspace / 'arc.db'))}", clock=clock)
    layout = Layout(workspace, tuple(path.resolve() for path in settings.data_roots))
    artifacts = ArtifactStore(workspace / "artifacts")
    executor = ThreadPoolExecutor(_STORE_THREADS, thread_name_prefix="store")
    hub = Hub(store, executor)
    admission = Admission(_measure, _limitation(settings))
    jobs = Jobs(store, layout, admission, hub, clock, faults_allowed=settings.allow_fault_jobs)
    registry = RegistryFile(store, layout)
    datasets = Datasets(store, layout, clock)
    house = House(
        store=store,
        artifacts=artifacts,
        layout=layout,
        hub=hub,
        clock=clock,
        executor=executor,
        verbs={recipe: registry.after(verb) for recipe, verb in _verbs(datasets).items()},
        sample_interval_s=settings.sample_interval_s,
        stall=StallRules(settings.stall_factor, settings.stall_floor_s, settings.stall_cap_s, settings.stall_first_s),
    )
    available = _available(settings.backend, backends)
    resolver = Resolver(layout, artifacts, clock, dvc_remote=settings.dvc_remote, max_extracted_gb=settings.max_extracted_gb)
    claimer = Claimer(layout, admission, resolver, clock, settings.backend, settings.lease_ttl_s)
    intervals = Intervals(settings.lease_ttl_s, settings.sample_interval_s, settings.upkeep_interval_s, settings.shutdown_s)
    engine = Engine(house, claimer, available, intervals)
    kept = Experiments(store, layout, artifacts, hub, attended=lambda: engine.running)
    cleaning = Cleaning(kept, clock, _keeping(settings))
    engine.at_upkeep(cleaning.scheduled)
    return App(
        settings=settings,
        sources=dict(sources or {}),
        store=store,
        layout=layout,
        artifacts=artifacts,
        jobs=jobs,
        experiments=kept,
        cleaning=cleaning,
        datasets=datasets,
        registry=registry,
        studies=Studies(store, jobs, hub, clock),
        leases=Leases(store, hub, settings.lease_max_hold_s),
        access=Access(store, workspace / "secrets"),
        hub=hub,
        engine=engine,
        figures=house.figures,
        claimer=claimer,
        clock=clock,
        executor=executor,
    )


def _available(name: str, given: Mapping[str, Backend] | None) -> Mapping[str, Backend]:
    """Where attempts may run; InvalidSpec when the settings name another place."""
    found = given or {"local": LocalBackend(gpu_holders=system.gpu_holders if system.read_gpus() else None)}
    if name not in found:
        raise InvalidSpec(f"setting backend = {name!r}: there is {', '.join(found)}", field="backend", value=name)
    return found


def _verbs(datasets: Datasets) -> dict[str, CompletionVerb]:
    """What else completes with a job, by its recipe."""
    makers = dict.fromkeys(("data.unpack", "data.register", "data.preprocess", "data.split"), datasets.register)
    return makers | {"data.track": tracking.record, "data.validate": validations.record}


def _measure() -> Measured:
    reading = system.read()
    gpus = tuple(Gpu(gpu.id, gpu.mem_free_gb) for gpu in reading.gpus)
    return Measured(reading.memory_total_gb, reading.memory_free_gb, reading.cpu_count, gpus)


def _limitation(settings: Settings) -> Limitation:
    return Limitation(
        task_slots=settings.task_slots,
        light_slots=settings.light_slots,
        threads_per_task=settings.threads_per_task,
        total_memory_gb=settings.max_total_memory_gb,
        reserve_gb=settings.memory_reserve_gb,
    )


def _keeping(settings: Settings) -> Keeping:
    return Keeping(
        old_after=timedelta(days=settings.retention_days),
        checkpoints=settings.keep_checkpoints,
        every=timedelta(seconds=settings.clean_interval_s),
    )


def _own(workspace: Path) -> int:
    """Take the engine lock of the workspace; the descriptor that holds it."""
    descriptor = os.open(workspace / "engine.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with contextlib.suppress(OSError):
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise Conflict(
            f"the workspace {workspace} is run by another process (pid {holder or 'unknown'}); use it through that one, or stop it first",
            field="workspace",
            value=str(workspace),
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
