"""The shipped backend suite over the backends there are."""

from arc.core.ports import Backend
from arc.jobs.backends.local import LocalBackend
from arc.testing.backend_contract import BackendContract, IsolatedBackendContract
from arc.testing.inline import InlineBackend


class TestInline(BackendContract):
    """Threads of this process."""

    def make(self) -> Backend:
        return InlineBackend()


class TestLocal(IsolatedBackendContract):
    """Processes under a warm server, which imports only the probe here."""

    def make(self) -> Backend:
        return LocalBackend(preload=["probe.faults"])
