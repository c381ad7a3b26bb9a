"""The attempt: from an order to an outcome line, whatever the recipe does.

`main` is what the forked process runs: it confines the process, then `carry_out` loads the recipe through the
catalog, calls `run(ctx, params)` and writes the outcome, on disk, as the last thing. `carry_out` alone is what
the in-process backend of the tests uses. What no Python can survive (SIGKILL, a crash in native code) is seen
by the reaper instead.

This is one of the three places where anything at all may be caught: a recipe can raise whatever it likes, and
the journal must still say how it ended.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel, ValidationError

from arc import catalog
from arc.artifacts import tree
from arc.core import order as orders
from arc.core.clock import Clock, SystemClock
from arc.core.errors import ArcError, InvalidSpec, NoSpace, RecipeBroken
from arc.core.journal import NO_ROOM, ORDER
from arc.core.ports import LaunchOrder
from arc.core.process import stat
from arc.core.recipe import Done
from arc.worker import limits, outcomes
from arc.worker.context import Context
from arc.worker.heartbeat import Heartbeat
from arc.worker.journal import Journal
from arc.worker.stopping import StopRequest

_Run = Callable[[Context, BaseModel], object]


def main(staging: Path, *, secret: int, stop: StopRequest) -> int:
    """Run the attempt whose staging folder this is; its exit code. `secret` is the pipe that brings the capability."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with os.fdopen(secret, "rb") as pipe:
        order = orders.load((staging / ORDER).read_bytes(), secret=pipe.read().decode())
    own = stat(os.getpid())
    limits.confine(order, mark=f"{os.getpid()}.{own.start_time if own else 0}")
    clock = SystemClock()
    return carry_out(order, Journal(staging, clock), stop, clock, before_run=limits.tell_libraries, abandoned=_end_now)


def _end_now() -> None:
    os.kill(os.getpid(), signal.SIGKILL)  # and the reaper ends what it started


def carry_out(
    order: LaunchOrder,
    journal: Journal,
    stop: StopRequest,
    clock: Clock,
    *,
    before_run: Callable[[LaunchOrder], None] | None = None,
    abandoned: Callable[[], None] | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
) -> int:
    """Run the recipe of an order and write the outcome; 0, 1 when it failed, NO_ROOM when a full disk took not even that."""
    heartbeat = Heartbeat(journal, clock, abandoned=abandoned or stop.ask)
    heartbeat.start()
    try:
        journal.line("started", pid=os.getpid(), step=None)
        context = Context(order, journal, stop, console=stdout)
        run, params = _load(order)
        if before_run:
            before_run(order)
        _check_datasets(order, context)
        with _tracked(order, context):
            done = run(context, params)
            if context.tracking is not None and isinstance(done, Done):
                context.tracking.result(done.metrics)
            entry = outcomes.of_result(done)
    except BaseException as error:  # noqa: BLE001 - the worker's main survives anything and says what it was
        outcomes.complain(error, stderr or sys.stderr)
        entry = outcomes.of_error(error)
        if stop.requested and entry["status"] == "cancelled":
            entry["asked"] = True  # it gave way, and did not decide so by itself
    heartbeat.stop()
    return _conclude(journal, entry, stderr or sys.stderr)


@contextmanager
def _tracked(order: LaunchOrder, context: Context) -> Iterator[None]:
    """Have what the recipe reports kept by the tools that its params name, if any."""
    tools = order.params.get("track")
    if not tools:
        yield
        return
    about = {
        "id": order.staging.name,
        "group": order.staging.parent.parent.name,  # the experiment, or the job when it belongs to none
        "home": str(order.staging.parent.parent.absolute()),  # where the runs lie once the attempt is published
        "config": {
            "recipe": order.recipe,
            "params": dict(order.params),
            "inputs": {name: given.ref for name, given in order.inputs.items()},
            "seed": order.seed,
            "threads": order.threads,
            "device": order.device,
            "simulated": order.simulated,
        },
    }
    context.tracking = catalog.load(catalog.TRACKING)(order.staging, tools, about=about, log=context.log)
    try:
        yield
    finally:
        context.tracking.close()


def _check_datasets(order: LaunchOrder, context: Context) -> None:
    """See that every dataset is as it was sealed; BadData naming the file that is not."""
    sealed = [(Path(folder), seal) for given in order.inputs.values() for folder, seal in given.seals.items()]
    if sealed:
        context.phase("check the dataset")
    for folder, seal in sealed:
        tree.check(folder, seal, threads=order.threads)


def _load(order: LaunchOrder) -> tuple[_Run, BaseModel]:
    """The run side and the checked params of an order; RecipeBroken when the recipe cannot be imported."""
    try:
        run, spec = catalog.run_side(order.recipe), catalog.spec(order.recipe)
    except ArcError:
        raise
    except Exception as error:  # a recipe's module may raise anything while it is imported
        raise RecipeBroken(f"{order.recipe} cannot be imported: {type(error).__name__}: {error}", field="recipe") from error
    try:
        return run, spec.params.model_validate_json(json.dumps(dict(order.params)))  # they came as JSON: lists for tuples
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(["params", *(str(part) for part in first["loc"])])
        raise InvalidSpec(f"{name}: {first['msg']}; has the recipe changed since the job was submitted?", field=name) from None


def _conclude(journal: Journal, entry: dict[str, Any], stderr: TextIO) -> int:
    try:
        journal.outcome(**entry)
    except (ArcError, OSError) as error:  # sealed from outside, or no room even for this
        outcomes.complain(error, stderr)
        return NO_ROOM if isinstance(error, NoSpace) else 1
    finally:
        journal.close()
    return int(entry["status"] == "failed")
