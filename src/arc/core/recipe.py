"""Recipe: a name, typed parameters, inputs, outputs, needs, and one function `run(ctx, params) -> Outcome`.

A recipe is a function over typed params, not a class to inherit from. Its `RecipeSpec` must be importable
without torch, because the control plane reads it; its run side is loaded only inside an attempt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from arc.core.space import Space

Role = Literal["task", "light", "orchestrator", "service"]
Purpose = Literal["train", "evaluate", "data", "figure", "probe", "orchestrate", "serve"]


class Needs(BaseModel):
    """What an attempt takes while it runs."""

    model_config = ConfigDict(frozen=True)

    role: Role = Field("task", description="task takes a slot, light a light slot; orchestrator and service take none.")
    memory_gb: float = Field(1.0, ge=0, description="Private memory, in GB.")
    gpus: int = Field(0, ge=0, le=64, description="GPUs wanted; falls back to the CPU when the machine has none.")
    threads: int = Field(1, ge=1, le=1024, description="Native threads, frozen into the job.")


@dataclass(frozen=True)
class InputSpec:
    """One named input of a recipe."""

    kind: Literal["dataset", "model", "checkpoint", "archive", "file", "predictions"]
    splits: tuple[str, ...] = ()  # the splits of a dataset that the recipe is given; `sealed` only for evaluation
    required: bool = True
    help: str = ""
    tracking: bool = False  # the recipe is also told where DVC keeps the version, and where the settings want it kept
    gone: bool = False  # the files of the dataset may be gone: nobody looks for them, or at them, before the recipe does


@dataclass(frozen=True)
class RecipeSpec:
    """All that the control plane knows of a recipe."""

    name: str
    version: str
    params: type[BaseModel]
    title: str
    purpose: Purpose
    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)  # output name -> artifact kind
    needs: Needs = Needs()
    memory: Callable[[Mapping[str, Any], bool], float] | None = None  # GB, of params, and whether a GPU computes
    checkpoints: bool = False  # whether it can be stopped and go on: only such a job gives its place to a more urgent one
    search: Space | None = None  # what a study may change, and how far, when it brings no space of its own
    judged_by: str = ""  # the recipe that measures its model: it takes that as `model`, and inputs of the same names as the training
    slim: bool = False  # its run side imports neither torch nor numpy: its attempts are forked from a small process, ten times as fast

    def needs_of(self, params: Mapping[str, Any], *, gpu: bool) -> Needs:
        """What an attempt with these params takes: never less memory than `needs`, and more where the recipe knows better."""
        if self.memory is None:
            return self.needs
        return self.needs.model_copy(update={"memory_gb": max(self.needs.memory_gb, self.memory(params, gpu))})

    @property
    def makes_experiment(self) -> bool:
        """Training makes an experiment; its evaluation and figures join that one."""
        return self.purpose == "train"

    @property
    def probes(self) -> bool:
        """Whether it is there to try ARC out: taken with ARC_ALLOW_FAULT_JOBS=1 only."""
        return self.name.startswith("probe.")


@dataclass(frozen=True)
class Done:
    """The job is complete: metrics to compare by, and a result to answer with."""

    metrics: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Retry:
    """Not now: run the job again after so many seconds."""

    after_s: float
    why: str


@dataclass(frozen=True)
class Cancel:
    """The recipe itself decided that the job should end without a result."""

    why: str


Outcome = Done | Retry | Cancel
