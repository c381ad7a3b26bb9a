"""The process that keeps a run in W&B or TensorBoard: lines of JSON come in, files come out, nobody waits for it.

Started by `arc.kit.tracking` for one tool and one attempt. W&B runs offline: no account, no network; `wandb sync`
sends the folder later. It ends at the line `end`, or when its parent is gone. Not covered: figures in TensorBoard.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

_STRANGE = re.compile(r"[^A-Za-z0-9._-]+")


class _Run(Protocol):
    def metrics(self, step: float, values: dict[str, float]) -> None: ...

    def result(self, values: dict[str, float]) -> None: ...

    def artifact(self, path: Path, kind: str) -> None: ...


class _Wandb:
    """A run in `wandb/`: config, curves, results as its summary, and each file as an artifact of its kind; a PNG or JPEG is shown too.

    The bytes of an artifact are kept among the run's files. An artifact names them where they will lie once the attempt is
    published, `home`, because that is where `wandb sync` will look for them. Checkpoints are for resuming and are left out.
    """

    def __init__(self, run: Any, home: Path) -> None:
        self._run = run
        self._home = home / "wandb" / Path(run.dir).parent.name / Path(run.dir).name
        self._step = 0

    def result(self, values: dict[str, float]) -> None:
        self._run.summary.update(values)

    def metrics(self, step: float, values: dict[str, float]) -> None:
        self._step = max(self._step, int(step))
        self._run.log(values, step=int(step))

    def artifact(self, path: Path, kind: str) -> None:
        import wandb  # type: ignore[import-not-found,unused-ignore]

        if kind == "checkpoint":
            return
        kept = Path(self._run.dir) / "artifacts" / path.name
        kept.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, kept)
        made = wandb.Artifact(_STRANGE.sub("-", f"{self._run.group}.{path.name}")[-128:], type=kind)
        entry = made.add_file(str(kept), policy="immutable", skip_cache=True)
        entry.local_path = str(self._home / "artifacts" / path.name)
        self._run.log_artifact(made)
        if path.suffix in (".png", ".jpg", ".jpeg"):
            self._run.log({path.stem: wandb.Image(str(path))}, step=self._step)


@contextmanager
def _wandb(folder: Path, about: dict[str, Any]) -> Iterator[_Run]:
    import wandb  # type: ignore[import-not-found,unused-ignore]

    settings = wandb.Settings(
        console="off", silent=True, disable_git=True, disable_code=True, disable_job_creation=True,
        x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True,
    )  # fmt: skip
    run = wandb.init(
        project="arc", id=about["id"], name=about["id"], group=about["group"], dir=str(folder), mode="offline",
        config=about["config"], settings=settings,
    )  # fmt: skip
    yield _Wandb(run, Path(about["home"]))
    run.finish()


class _TensorBoard:
    """Event files in `tensorboard/`: the curves, and the configuration as text."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def metrics(self, step: float, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, int(step))

    def result(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"result/{name}", value, 0)

    def artifact(self, path: Path, kind: str) -> None:
        """Nothing: event files hold no files."""


@contextmanager
def _tensorboard(folder: Path, about: dict[str, Any]) -> Iterator[_Run]:
    from tensorboardX import SummaryWriter  # type: ignore[import-untyped,import-not-found,unused-ignore]

    writer = SummaryWriter(logdir=str(folder / "tensorboard"), flush_secs=5, filename_suffix=f".{about['id']}")
    writer.add_text("config", f"```json\n{json.dumps(about['config'], indent=1, sort_keys=True)}\n```")
    yield _TensorBoard(writer)
    writer.close()


TOOLS = {"wandb": _wandb, "tensorboard": _tensorboard}


def main() -> None:
    """Keep the run that the arguments name: tool, folder, and what it is about as JSON."""
    tool, folder, about = sys.argv[1:]
    with TOOLS[tool](Path(folder), json.loads(about)) as run:
        for line in sys.stdin:
            message = json.loads(line)
            if "end" in message:
                break
            if "values" in message:
                run.metrics(message["step"], message["values"])
            elif "result" in message:
                run.result(message["result"])
            else:
                run.artifact(Path(message["artifact"]), message["kind"])
