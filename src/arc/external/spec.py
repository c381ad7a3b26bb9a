"""What the control plane knows of `external.script`: which words may reach a stranger's script.

The script itself is an input, so its path is checked as every path is: below a data root or the workspace, links
followed, again at each start. What it is told comes as lists, never through a shell. Overrides are `key=value` in the
manner of Hydra, and nothing of Hydra that composes, interpolates or instantiates: no leading `-`, `+` or `~`, no `${…}`,
no `_target_`, no `hydra.*`. In overrides, arguments and environment `{dataset}`, `{train_csv}`, `{val_csv}`, `{seed}`,
`{threads}` and `{device}` stand for what the attempt is given, and in `resume` also `{checkpoint}`.

Not covered: the script. It runs with the rights of the user who runs ARC, as every recipe does.
"""

import re
from pathlib import PurePosixPath
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from arc.core.recipe import InputSpec, Needs, RecipeSpec

_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*([./][A-Za-z0-9][A-Za-z0-9_-]*)*")
_UNSAFE: Final = re.compile(r"[$`;|&\\\x00-\x1f\x7f]|_(target|partial|recursive|convert|args)_", re.ASCII)
_HYDRA_OPTION: Final = re.compile(r"-c[a-z]?$|-[cm]|--(config-|experimental-|hydra|multirun)")
_TOKEN: Final = re.compile(r"\{([a-z_]*)\}")
_TOKENS: Final = frozenset({"dataset", "train_csv", "val_csv", "seed", "threads", "device", "checkpoint"})
_NAMES: Final = frozenset(
    {"TOKENIZERS_PARALLELISM", "CUBLAS_WORKSPACE_CONFIG", "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "LOG_LEVEL", "SEED"}
)
_PREFIXES: Final = ("DATA_", "EXPERIMENT_", "HF_", "HYDRA_", "MODEL_", "SCRIPT_", "TORCH_", "TRAIN_", "WANDB_")
_SECRET: Final = re.compile(r"KEY|TOKEN(?!IZERS)|SECRET|PASS|CREDENTIAL|AUTH")


def override(text: str) -> str:
    """`text` if it is a plain `key=value`; ValueError says what it is instead."""
    key, equals, value = text.partition("=")
    if text[:1] in ("-", "+", "~"):
        raise ValueError("an override sets what is there: it begins with none of - + ~")
    if not equals or not _KEY.fullmatch(key):
        raise ValueError("an override is key=value, such as trainer.lr=1e-3")
    if re.split(r"[./]", key)[0] == "hydra":
        raise ValueError("an override does not change Hydra itself")
    return _safe(key) and key + "=" + _safe(value)


def argument(text: str) -> str:
    """`text` if it is an option or a word for the script; what looks like an override must be one."""
    if _HYDRA_OPTION.match(text):
        raise ValueError("an argument is none of Hydra's own options")
    if text[:1] in ("+", "~", "@"):
        raise ValueError("an argument begins with none of + ~ @")
    return _safe(text) if text.startswith("-") or "=" not in text else override(text)


def variable(name: str) -> str:
    """The name of a variable if a script may be given it; ValueError for what belongs to the system, to ARC, or is a secret."""
    if _SECRET.search(name):
        raise ValueError(f"{name[:60]} looks like a secret, which is not written into a job")
    if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,80}", name) or not (name in _NAMES or name.startswith(_PREFIXES)):
        raise ValueError(f"{name[:60]} may not be set; there are {', '.join(sorted(_NAMES))} and what begins with {', '.join(_PREFIXES)}")
    return name


def pattern(text: str) -> str:
    """A glob or a path below the working folder; ValueError for what leaves it."""
    pure = PurePosixPath(text)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in text:
        raise ValueError("a pattern names files below the working folder, such as checkpoints/*.pt")
    return text


def _safe(text: str) -> str:
    if found := _UNSAFE.search(text):
        raise ValueError(f"{found[0]!r} is not allowed here")
    for token in _TOKEN.findall(text):
        if token not in _TOKENS:
            raise ValueError(f"{{{token}}} stands for nothing; there are {', '.join(sorted(_TOKENS))}")
    return text


_Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Override = Annotated[_Text, AfterValidator(override)]
Argument = Annotated[_Text, AfterValidator(argument)]
Pattern = Annotated[_Text, AfterValidator(pattern)]
Variable = Annotated[str, AfterValidator(variable)]
Value = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_safe)]


class ScriptParams(BaseModel):
    """What a script is told, and which of its files are looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    module: str | None = Field(
        None,
        max_length=200,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$",
        description="Installed module to run, as python -m does, when no input `script` is given.",
    )
    argv: tuple[Argument, ...] = Field((), max_length=200, description="Words that stand after the script, before the overrides.")
    overrides: tuple[Override, ...] = Field((), max_length=500, description="key=value in the manner of Hydra.")
    resume: tuple[Override, ...] = Field(
        (), max_length=20, description="Overrides added when there is a checkpoint, such as trainer.resume_from={checkpoint}."
    )
    resume_as: Pattern = Field(
        "resume/checkpoint.pt", description="Where below its working folder the script finds that checkpoint; ARC_RESUME names it, too."
    )
    environment: dict[Variable, Value] = Field({}, max_length=100, description="Variables for the script, no secrets.")
    siblings: bool = Field(True, description="Let the script import the modules beside it, as python script.py does.")
    metrics: tuple[Pattern, ...] = Field(
        ("**/metrics.csv", "**/metrics.jsonl"), max_length=20, description="Tables (.csv) and lines of JSON (.jsonl) with scalars."
    )
    step: str = Field("", max_length=80, description="Column that holds the step; step, global_step, iteration or epoch when empty.")
    checkpoints: tuple[Pattern, ...] = Field(
        ("**/checkpoints/*",), max_length=20, description="Files kept as checkpoints whenever one is closed or renamed into place."
    )
    results: tuple[Pattern, ...] = Field(
        ("**/*.csv", "**/*.json", "**/*.yaml", "**/*.png", "**/*.html"), max_length=50, description="Files kept as artifacts at the end."
    )
    stop_on_nan: bool = Field(True, description="End the script when a metric named loss is not a finite number.")
    quiet_s: float = Field(3600.0, gt=0, le=604_800, description="Seconds without a metric, progress or checkpoint that are no stall.")


SCRIPT = RecipeSpec(
    name="external.script",
    version="1",
    params=ScriptParams,
    title="Run an existing training script",
    purpose="train",
    inputs={
        "script": InputSpec("file", required=False, help="The script, a .py file below a data root or the workspace's imports."),
        "venv": InputSpec(
            "file", required=False, help="A virtual environment below a data root, whose Python runs it; ARC's own by default."
        ),
        "dataset": InputSpec(
            "dataset", splits=("train", "val"), required=False, help="A dataset, handed over as {dataset}, {train_csv}, {val_csv}."
        ),
    },
    outputs={"script.json": "config"},
    needs=Needs(role="task", memory_gb=2.0, gpus=1, threads=2),
    checkpoints=True,
    slim=True,
)
