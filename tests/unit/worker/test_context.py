"""The context: what a recipe leaves is whole or absent, and what it says arrives."""

import errno
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arc.core.clock import SystemClock
from arc.core.errors import ArcError, BadData, InvalidSpec, NoSpace, RecipeBroken
from arc.core.inputs import ResolvedInput
from arc.core.journal import JOURNAL, decode
from arc.core.ports import LaunchOrder, RunContext
from arc.worker.context import Context
from arc.worker.journal import Journal
from arc.worker.stopping import StopRequest


class Desk:
    """A context, and a look at what it left."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        order = LaunchOrder(
            job_id="job_a", number=2, recipe="a.b", params={}, inputs={"archive": ResolvedInput(ref="path:/a.zip", path="/a.zip")},
            staging=folder, seed=7, threads=1, device="cpu",
        )  # fmt: skip
        self.folder = folder
        self.stop = StopRequest()
        self.console = io.StringIO()
        self.journal = Journal(folder, SystemClock())
        self.context = Context(replace(order, **changes), self.journal, self.stop, console=self.console)

    def lines(self, kind: str) -> list[dict[str, Any]]:
        self.journal.sync()
        found = [decode(line) for line in (self.folder / JOURNAL).read_bytes().splitlines()]
        return [line for line in found if line["k"] == kind]

    def names(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.folder / folder).iterdir())


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def one(**changes: Any) -> Desk:
        made.append(Desk(tmp_path, **changes))
        return made[-1]

    yield one
    for desk in made:
        desk.journal.close()


@pytest.fixture
def desk(make: Callable[..., Desk]) -> Desk:
    return make()


def writes(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text) and None


def full(path: Path) -> None:
    path.write_text("half of it")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_it_is_what_recipes_are_promised(desk: Desk) -> None:
    context: RunContext = desk.context
    assert (context.job_id, context.attempt, context.seed, context.threads, context.device) == ("job_a", 2, 7, 1, "cpu")


def test_an_input_that_was_not_given_is_named(desk: Desk) -> None:
    assert desk.context.input("archive").path == "/a.zip"
    with pytest.raises(BadData) as caught:
        desk.context.input("dataset")
    assert caught.value.field == "inputs.dataset"


def test_values_are_recorded_as_numbers(desk: Desk) -> None:
    class Scalar:
        def __float__(self) -> float:
            return 0.5

    desk.context.report(3, {"loss": Scalar(), "hits": True, "lr": 1})  # type: ignore[dict-item]
    assert desk.lines("metrics")[0]["v"] == {"loss": 0.5, "hits": 1.0, "lr": 1.0}


def test_the_last_two_checkpoints_and_the_best_are_kept(desk: Desk) -> None:
    for step in (10, 20, 30, 40):
        desk.context.checkpoint(step, writes(str(step)), best=step == 10)
    assert desk.names("checkpoints") == [f"ckpt-0000000{step}.safetensors" for step in (10, 30, 40)]
    assert desk.lines("checkpoint")[-1]["keep"] == [f"checkpoints/{name}" for name in desk.names("checkpoints")]
    desk.context.checkpoint(50, writes("50"), best=True)
    assert desk.names("checkpoints") == [f"ckpt-0000000{step}.safetensors" for step in (40, 50)]


def test_a_checkpoint_of_the_same_step_replaces_the_one_before(desk: Desk) -> None:
    for text in ("first", "second"):
        path = desk.context.checkpoint(10, writes(text))
    assert path.read_text() == "second"
    assert desk.lines("checkpoint")[-1]["keep"] == ["checkpoints/ckpt-000000010.safetensors"]


@pytest.mark.parametrize(("write", "error"), [(full, NoSpace), (lambda path: None, RecipeBroken), (lambda path: 1 / 0, ZeroDivisionError)])
def test_a_checkpoint_that_fails_leaves_the_ones_before(desk: Desk, write: Callable[[Path], None], error: type[Exception]) -> None:
    desk.context.checkpoint(10, writes("good"))
    with pytest.raises(error):
        desk.context.checkpoint(20, write)
    assert desk.names("checkpoints") == ["ckpt-000000010.safetensors"]
    assert [line["step"] for line in desk.lines("checkpoint")] == [10]


def test_a_file_appears_under_its_name_only_when_it_is_whole(desk: Desk) -> None:
    def write(path: Path) -> None:
        assert path.suffix == ".csv"
        path.write_text("a,b\n")
        assert not (desk.folder / "artifacts" / "predictions.csv").exists()

    assert desk.context.save("predictions.csv", "predictions", write).read_text() == "a,b\n"
    assert desk.lines("artifact")[0]["size"] == 4


@pytest.mark.parametrize(
    ("name", "kind", "error"), [("../x", "model", InvalidSpec), ("a/b", "model", InvalidSpec), ("m.bin", "treasure", RecipeBroken)]
)
def test_an_artifact_needs_a_plain_name_and_a_known_kind(desk: Desk, name: str, kind: str, error: type[ArcError]) -> None:
    with pytest.raises(error):
        desk.context.save(name, kind, writes("x"))


def test_a_folder_lies_in_the_staging_folder(desk: Desk) -> None:
    assert desk.context.folder("dataset") == desk.context.folder("dataset") == desk.folder / "dataset"
    with pytest.raises(InvalidSpec):
        desk.context.folder("..")


def test_without_a_good_checkpoint_it_starts_from_the_beginning(make: Callable[..., Desk], tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_text("flipped")
    desk = make(checkpoints=((str(tmp_path / "gone.safetensors"), "0" * 64), (str(tmp_path / "bad.safetensors"), "0" * 64)))
    assert desk.context.resume() is None
    assert [line["fields"]["why"].partition(" ")[0] for line in desk.lines("log")] == ["gone.safetensors", "bad.safetensors"]
    assert desk.lines("started") == []


def test_it_stops_when_asked(desk: Desk) -> None:
    assert not desk.context.should_stop()
    desk.stop.ask()
    assert desk.context.should_stop()


def test_a_log_line_never_fails_a_run(desk: Desk) -> None:
    desk.context.log("odd", path=Path("/a"), name="\ud800", many=[1, 2], loss=float("nan"))
    fields = desk.lines("log")[0]["fields"]
    assert fields == {"path": "PosixPath('/a')", "name": "?", "many": [1, 2], "loss": None}
    assert desk.console.getvalue().startswith("odd path=")
