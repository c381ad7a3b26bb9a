"""Catalog: which recipes there are and where their parts live, without importing any run side.

A row names three strings: the torch-free spec, the run side and, for what can be served, the predictor.
Built-ins enter by the same door as a stranger's package: the entry point group `arc.recipes`, whose
value is a list of rows. A linter cannot see these strings, so a test loads every one of them.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from arc.core.errors import NotFound, RecipeBroken
from arc.core.recipe import RecipeSpec


@dataclass(frozen=True)
class Row:
    """Where the parts of one recipe live, each as `module:attribute`."""

    name: str
    spec: str
    run: str
    predictor: str | None = None


BUILTIN: list[Row] = [
    Row("data.checkout", "arc.data.track_spec:CHECKOUT", "arc.data.checkout:run"),
    Row("data.drift", "arc.data.judge_spec:DRIFT", "arc.fundus.embed:run"),  # a model may be given, so by a room that knows networks
    Row("data.preprocess", "arc.data.derive_spec:PREPROCESS", "arc.data.preprocess:run"),
    Row("data.register", "arc.data.spec:REGISTER", "arc.data.register:run"),
    Row("data.split", "arc.data.derive_spec:SPLIT", "arc.data.resplit:run"),
    Row("data.synthetic_fundus", "arc.data.spec:SYNTHETIC_FUNDUS", "arc.data.synthetic:run"),
    Row("data.track", "arc.data.track_spec:TRACK", "arc.data.track:run"),
    Row("data.unpack", "arc.data.spec:UNPACK", "arc.data.unpack:run"),
    Row("data.validate", "arc.data.judge_spec:VALIDATE", "arc.data.validate:run"),
    Row("external.script", "arc.external.spec:SCRIPT", "arc.external.run:run"),
    Row("fundus.classify", "arc.fundus.spec:CLASSIFY", "arc.fundus.classify:run"),
    Row("fundus.dri", "arc.fundus.explain_spec:DRI", "arc.fundus.explain:run_dri"),
    Row("fundus.ensemble", "arc.fundus.ensemble_spec:ENSEMBLE", "arc.fundus.ensemble:run"),
    Row("fundus.evaluate", "arc.fundus.spec:EVALUATE", "arc.fundus.evaluate:run"),
    Row("fundus.gradcam", "arc.fundus.explain_spec:GRADCAM", "arc.fundus.explain:gradcam"),
    Row("fundus.gradcam_pp", "arc.fundus.explain_spec:GRADCAM_PP", "arc.fundus.explain:gradcam_pp"),
    Row("fundus.report", "arc.fundus.spec:REPORT", "arc.fundus.report:run"),
    Row("fundus.segment", "arc.fundus.segment_spec:SEGMENT", "arc.fundus.segment:run"),
    Row("probe.faults", "arc.worker.probe_spec:FAULTS", "arc.worker.probe:run"),
    Row("probe.judge", "arc.worker.probe_objective_spec:JUDGE", "arc.worker.probe_objective:judge"),
    Row("probe.objective", "arc.worker.probe_objective_spec:OBJECTIVE", "arc.worker.probe_objective:run"),
    Row("probe.orchestrate", "arc.worker.probe_spec:ORCHESTRATE", "arc.worker.orchestrate:run"),
    Row("research.selftest", "arc.research.spec:SELFTEST", "arc.research.run:test_rules"),
    Row("research.study", "arc.research.spec:STUDY", "arc.research.run:run"),
]


TRACKING = "arc.kit.tracking:Tracking"  # loaded by the worker for params with `track`


@cache
def rows() -> dict[str, Row]:
    """Every recipe by name; a name taken twice is RecipeBroken."""
    found: dict[str, Row] = {}
    for point in entry_points(group="arc.recipes"):
        for row in point.load():
            if row.name in found and found[row.name] != row:
                raise RecipeBroken(f"two packages offer a recipe named {row.name!r}", field="recipe", value=row.name)
            found[row.name] = row
    return found


def load(target: str) -> Any:
    """The object that `module:attribute` names; RecipeBroken when it cannot be loaded."""
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise RecipeBroken(f"{target} cannot be loaded: {error}", field="recipe", value=target) from error


def row(name: str) -> Row:
    """The row of a recipe; NotFound listing what there is."""
    try:
        return rows()[name]
    except KeyError:
        raise NotFound(
            f"there is no recipe {name[:80]!r}; there are {', '.join(sorted(rows()))}", field="recipe", value=name[:80]
        ) from None


@cache
def spec(name: str) -> RecipeSpec:
    """The torch-free description of a recipe."""
    found = load(row(name).spec)
    if not isinstance(found, RecipeSpec) or found.name != name:
        raise RecipeBroken(f"{row(name).spec} is not the spec of {name!r}", field="recipe", value=name)
    return found


def run_side(name: str) -> Callable[..., Any]:
    """The function `run(ctx, params) -> Outcome`; called inside an attempt only."""
    found = load(row(name).run)
    if not callable(found):
        raise RecipeBroken(f"{row(name).run} is not callable", field="recipe", value=name)
    return found  # type: ignore[no-any-return]
