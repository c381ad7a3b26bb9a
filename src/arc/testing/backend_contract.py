"""What every backend must do, as tests: subclass, say how to make one, and let pytest collect.

`BackendContract` holds for any backend. `IsolatedBackendContract` adds what only attempts in processes of their
own can promise: they can be killed, leave nothing behind, and their exit is seen. Everything is asserted from
outside, from files, signals and /proc; the recipe is `probe.faults`.

Not covered: speed (see benchmarks/bench_start.py) and machines other than this one.
"""

import asyncio
import json
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from arc.core.attempt import ProcessIdentity
from arc.core.errors import BackendBusy
from arc.core.journal import PROCESS, STDOUT
from arc.core.ports import Backend, Exit, Liveness
from arc.core.process import boot_id, identity_or_revoke, liveness, stat
from arc.testing.backend_stand import SECRET, Stand, appears, driven, entries, outcome


class BackendContract:
    """Holds for every backend."""

    def make(self) -> Backend:
        """A new backend; two made in one test see the same attempts."""
        raise NotImplementedError

    @driven
    async def test_an_attempt_runs_to_its_outcome(self, stand: Stand) -> None:
        order = stand.order(epochs=3)
        assert await stand.run(order) == Exit(0, None)
        assert outcome(order)["status"] == "done"
        assert outcome(order)["metrics"] == {"loss": 0.25, "epochs": 3}
        curve = {entry["s"]: entry["v"]["loss"] for entry in entries(order, "metrics")}
        assert curve == {1: 1 / 2, 2: 1 / 3, 3: 1 / 4}

    @driven
    async def test_what_an_attempt_left_is_what_its_journal_says(self, stand: Stand) -> None:
        order = stand.order(epochs=3)
        await stand.run(order)
        [artifact] = entries(order, "artifact")
        assert (artifact["name"], artifact["kind"]) == ("probe.json", "result")
        assert (order.staging / artifact["path"]).stat().st_size == artifact["size"]
        kept = entries(order, "checkpoint")[-1]["keep"]
        assert sorted(f"checkpoints/{path.name}" for path in (order.staging / "checkpoints").iterdir()) == kept
        assert len(kept) == 2

    @driven
    async def test_a_failure_names_its_class_and_error(self, stand: Stand) -> None:
        order = stand.order(crash_at=2, error="BadData")
        assert await stand.run(order) == Exit(1, None)
        failure = outcome(order)["failure"]
        assert (failure["failure_class"], failure["error"], failure["status"]) == ("bad_data", "BadData", 422)

    @driven
    async def test_a_temporary_error_asks_for_another_try(self, stand: Stand) -> None:
        order = stand.order(crash_at=1, error="ServiceDown")
        assert await stand.run(order) == Exit(0, None)
        assert (outcome(order)["status"], outcome(order)["after_s"]) == ("retry", 5.0)

    @driven
    async def test_a_loss_that_is_not_a_number_is_null_in_the_journal(self, stand: Stand) -> None:
        order = stand.order(nan_at=1)
        await stand.run(order)
        assert entries(order, "metrics")[0]["v"] == {"loss": None}
        assert outcome(order)["failure"]["failure_class"] == "nan"

    @driven
    async def test_an_unknown_recipe_fails_its_attempt_only(self, stand: Stand) -> None:
        order = replace(stand.order(), recipe="no.such")
        await stand.run(order)
        assert outcome(order)["failure"]["error"] == "NotFound"
        assert await stand.run(stand.order("job_b")) == Exit(0, None)

    @driven
    async def test_asked_to_stop_it_checkpoints_and_ends(self, stand: Stand) -> None:
        order = stand.order(epochs=1_000_000, epoch_s=0.01)
        identity = await stand.backend.launch(order)
        await appears(order, "checkpoint")
        assert await stand.backend.alive(identity) is Liveness.ALIVE
        await stand.backend.stop(identity)
        assert await stand.backend.wait(identity, order.staging) == Exit(0, None)
        assert (outcome(order)["status"], outcome(order)["why"]) == ("cancelled", "stop requested")

    @driven
    async def test_a_damaged_checkpoint_is_skipped_for_the_one_before(self, stand: Stand) -> None:
        first = stand.order(epochs=3)
        await stand.run(first)
        saved = [(str(first.staging / entry["path"]), entry["digest"]) for entry in reversed(entries(first, "checkpoint"))]
        Path(saved[0][0]).write_bytes(b'{"epoch": 9}')
        second = replace(stand.order(number=2, epochs=4), checkpoints=tuple(saved[:2]))
        await stand.run(second)
        assert outcome(second)["result"]["resumed_from"] == 2
        assert [entry["s"] for entry in entries(second, "metrics")] == [3, 4]
        assert [entry["step"] for entry in entries(second, "started")] == [None, 2]
        assert "warning" in {entry["level"] for entry in entries(second, "log")}

    @driven
    async def test_its_identity_is_in_the_staging_folder(self, stand: Stand) -> None:
        order = stand.order(epochs=1)
        identity = await stand.backend.launch(order)
        assert ProcessIdentity.model_validate_json((order.staging / PROCESS).read_bytes()) == identity
        await stand.backend.wait(identity, order.staging)

    @driven
    async def test_an_ended_attempt_is_dead_and_so_is_whoever_has_its_pid_now(self, stand: Stand) -> None:
        order = stand.order(epochs=1_000_000, epoch_s=0.01)
        identity = await stand.backend.launch(order)
        later = identity.model_copy(update={"start_time": identity.start_time + 1, "reaper_pid": None})
        other_boot = identity.model_copy(update={"boot_id": "00000000-0000-0000-0000-000000000000"})
        assert await stand.backend.alive(later) is Liveness.DEAD
        assert await stand.backend.alive(other_boot) is Liveness.DEAD
        for stranger in (later, other_boot):
            await stand.backend.stop(stranger)
            await stand.backend.kill(stranger)
        assert await stand.backend.alive(identity) is Liveness.ALIVE
        await stand.backend.stop(identity)
        assert (await stand.backend.wait(identity, order.staging)).code == 0
        assert await stand.backend.alive(identity) is Liveness.DEAD

    @driven
    async def test_another_instance_takes_care_of_a_running_attempt(self, stand: Stand) -> None:
        order = stand.order(epochs=1_000_000, epoch_s=0.01)
        identity = await stand.backend.launch(order)
        await stand.backend.close()
        second = self.make()
        await second.open()
        try:
            assert await second.alive(identity) is Liveness.ALIVE
            waiting = asyncio.create_task(second.wait(identity, order.staging))
            await appears(order, "checkpoint")
            await second.stop(identity)
            assert await waiting == Exit(0, None)
        finally:
            await second.close()
        assert outcome(order)["status"] == "cancelled"

    @driven
    async def test_waiting_for_an_attempt_that_ended_long_ago_answers(self, stand: Stand) -> None:
        order = stand.order(crash_at=1)
        identity = await stand.backend.launch(order)
        assert await stand.backend.wait(identity, order.staging) == Exit(1, None)
        assert await stand.backend.wait(identity, order.staging) == Exit(1, None)

    @driven
    async def test_a_revoked_launch_never_begins(self, stand: Stand) -> None:
        order = stand.order()
        assert identity_or_revoke(order.staging) is None
        with pytest.raises(BackendBusy):
            await stand.backend.launch(order)
        assert entries(order, "started") == []
        assert identity_or_revoke(order.staging) is None

    @driven
    async def test_several_launches_at_once(self, stand: Stand) -> None:
        orders = [stand.order(f"job_{index}", epochs=2) for index in range(6)]
        assert await asyncio.gather(*(stand.run(order) for order in orders)) == [Exit(0, None)] * 6
        assert {outcome(order)["status"] for order in orders} == {"done"}

    @driven
    async def test_log_lines_are_on_stdout(self, stand: Stand) -> None:
        order = stand.order()
        await stand.run(order)
        assert "probe begins attempt=1\n" in (order.staging / STDOUT).read_text()

    @driven
    async def test_the_secret_is_in_no_file(self, stand: Stand) -> None:
        order = stand.order(epochs=1)
        await stand.run(order)
        files = [path for path in stand.folder.rglob("*") if path.is_file()]
        assert len(files) > 5
        assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


class IsolatedBackendContract(BackendContract):
    """Holds for backends whose attempts are processes of their own."""

    @driven
    async def test_one_that_ignores_sigterm_is_killed(self, stand: Stand) -> None:
        order = stand.order(epochs=1_000_000, epoch_s=0.01, ignore_sigterm=True)
        identity = await stand.backend.launch(order)
        await appears(order, "checkpoint")
        await stand.backend.stop(identity)
        await appears(order, "checkpoint", count=len(entries(order, "checkpoint")) + 2)
        await stand.backend.kill(identity)
        assert await stand.backend.wait(identity, order.staging) == Exit(None, signal.SIGKILL)
        assert entries(order, "outcome") == []
        assert await stand.backend.alive(identity) is Liveness.DEAD

    @driven
    async def test_one_that_hangs_is_killed(self, stand: Stand) -> None:
        order = stand.order(hang_at=1)
        identity = await stand.backend.launch(order)
        await appears(order, "phase")
        await stand.backend.kill(identity)
        assert await stand.backend.wait(identity, order.staging) == Exit(None, signal.SIGKILL)

    @driven
    async def test_the_second_request_to_stop_ends_one_that_hangs(self, stand: Stand) -> None:
        order = stand.order(hang_at=1)
        identity = await stand.backend.launch(order)
        await appears(order, "phase")
        await stand.backend.stop(identity)
        await appears(order, "log", count=2)  # it says that it was asked: two signals that come together are one
        await stand.backend.stop(identity)
        assert await stand.backend.wait(identity, order.staging) == Exit(None, signal.SIGTERM)

    @driven
    async def test_one_that_was_stopped_with_its_reaper_is_killed(self, stand: Stand) -> None:
        order = stand.order(epochs=1_000_000, epoch_s=0.01)
        identity = await stand.backend.launch(order)
        await appears(order, "checkpoint")
        for pid in filter(None, (identity.reaper_pid, identity.pid)):
            os.kill(pid, signal.SIGSTOP)
        assert await stand.backend.alive(identity) is Liveness.ALIVE
        await stand.backend.kill(identity)
        assert (await stand.backend.wait(identity, order.staging)).signal == signal.SIGKILL

    @driven
    async def test_an_exit_without_an_outcome_is_seen(self, stand: Stand) -> None:
        order = stand.order(crash_at=2, exit_code=7)
        assert await stand.run(order) == Exit(7, None)
        assert entries(order, "outcome") == []

    @driven
    async def test_a_crash_is_seen_and_leaves_a_trace(self, stand: Stand) -> None:
        order = stand.order(signal_at=2, signal=int(signal.SIGSEGV))
        assert await stand.run(order) == Exit(None, signal.SIGSEGV)
        assert "Segmentation fault" in (order.staging / "stderr.log").read_text()

    @driven
    async def test_a_daemon_it_left_is_ended_before_the_wait_is_over(self, stand: Stand) -> None:
        order = stand.order(epochs=1, grandchild_setsid=True)
        assert await stand.run(order) == Exit(0, None)
        assert _ended(int(entries(order, "metrics")[0]["v"]["grandchild_pid"]))

    @driven
    async def test_a_kill_ends_its_daemon_too(self, stand: Stand) -> None:
        order = stand.order(epochs=1_000_000, epoch_s=0.01, grandchild_setsid=True)
        identity = await stand.backend.launch(order)
        grandchild = int((await appears(order, "metrics"))["v"]["grandchild_pid"])
        assert not _ended(grandchild)
        await stand.backend.kill(identity)
        await stand.backend.wait(identity, order.staging)
        assert _ended(grandchild)

    @driven
    async def test_what_it_prints_is_captured(self, stand: Stand) -> None:
        order = stand.order(crash_at=1, error="RuntimeError")
        await stand.run(order)
        assert "probe: stdout\n" in (order.staging / STDOUT).read_text()
        assert "RuntimeError: told to fail" in (order.staging / "stderr.log").read_text()

    @driven
    async def test_the_secret_is_in_no_argument_and_no_environment(self, stand: Stand) -> None:
        order = stand.order(epochs=1_000_000, epoch_s=0.01)
        identity = await stand.backend.launch(order)
        await appears(order, "metrics")
        for pid in filter(None, (identity.pid, identity.reaper_pid)):
            for name in ("cmdline", "environ"):
                assert SECRET.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
        await stand.backend.kill(identity)
        await stand.backend.wait(identity, order.staging)

    @driven
    async def test_a_foreign_process_with_the_pid_is_left_alone(self, stand: Stand) -> None:
        with subprocess.Popen(["sleep", "1000"]) as foreign:
            found = stat(foreign.pid)
            assert found is not None
            stale = ProcessIdentity(pid=foreign.pid, start_time=found.start_time - 1, boot_id=boot_id())
            await stand.backend.stop(stale)
            await stand.backend.kill(stale)
            assert await stand.backend.wait(stale, stand.folder) == Exit(None, None)
            assert liveness(foreign.pid, found.start_time, boot_id()) is Liveness.ALIVE
            foreign.kill()

    @driven
    async def test_attempts_are_apart(self, stand: Stand) -> None:
        orders = [stand.order(f"job_{index}", epochs=1_000_000, epoch_s=0.01) for index in range(2)]
        one, two = [await stand.backend.launch(order) for order in orders]
        await asyncio.gather(*(appears(order, "checkpoint") for order in orders))
        await stand.backend.kill(one)
        await stand.backend.wait(one, orders[0].staging)
        assert await stand.backend.alive(two) is Liveness.ALIVE
        await stand.backend.stop(two)
        assert await stand.backend.wait(two, orders[1].staging) == Exit(0, None)
        assert json.loads((orders[1].staging / "attempt.json").read_text())["job_id"] == "job_1"


def _ended(pid: int) -> bool:
    found = stat(pid)
    return found is None or found.ended
