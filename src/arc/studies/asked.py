"""Asked: from the spec of a study to one that can be carried out, or a clear error that names the field.

Everything the study depends on is frozen here, as a job's is when it is submitted: the version behind a dataset's name,
the params of the baseline with the defaults of the recipe, and the space. A searched parameter for which recipe and
baseline say nothing begins in the middle of its range, because a search needs a place to begin at.
"""

import math
from collections.abc import Mapping
from typing import Any

from arc import catalog
from arc.core.errors import InvalidSpec
from arc.core.job import JobRequest
from arc.core.recipe import RecipeSpec
from arc.core.space import Choice, Integer, Real, Space, Value
from arc.core.study import StudySpec
from arc.jobs.service import Jobs
from arc.jobs.submit import validate_params
from arc.store.engine import Tx


def frozen(tx: Tx, spec: StudySpec, jobs: Jobs) -> StudySpec:
    """The spec with recipe, inputs, baseline and space checked and frozen; the errors are those of a submission."""
    recipe = catalog.spec(spec.recipe)
    if not recipe.makes_experiment or not recipe.judged_by:
        raise InvalidSpec(f"{recipe.name} is no training that another recipe judges; a study needs one", field="recipe", value=recipe.name)
    judge = catalog.spec(recipe.judged_by)
    space = spec.space or recipe.search
    if space is None:
        raise InvalidSpec(f"{recipe.name} does not say what may be changed: give a space", field="space")
    request = JobRequest(recipe=recipe.name, params=nested(spec.baseline), inputs=spec.inputs, dummy_mode=spec.simulated)
    params, inputs = jobs.submission(tx, request).frozen()
    baseline = begun(params, space)
    outside = space.violations(flat(baseline))
    if outside:
        raise InvalidSpec(f"the baseline is outside the space: {'; '.join(outside)}", field="baseline", value=outside[0][:80])
    frozen_parts = {"inputs": inputs, "baseline": validate_params(recipe, baseline), "space": space, "evaluate": judged(judge, spec)}
    return spec.model_copy(update=frozen_parts)


def space_of(spec: StudySpec) -> Space:
    """The space of a study that was made."""
    assert spec.space is not None
    return spec.space


def flat(params: Mapping[str, Any], *, under: str = "") -> dict[str, Any]:
    """Nested params by dotted names; those without a value are left out."""
    found: dict[str, Any] = {}
    for name, value in params.items():
        found |= flat(value, under=f"{under}{name}.") if isinstance(value, Mapping) else {} if value is None else {under + name: value}
    return found


def nested(config: Mapping[str, Any]) -> dict[str, Any]:
    """Params in which dotted names are nested objects; InvalidSpec when one name is both a value and an object."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        *path, last = name.split(".")
        at = found
        for part in path:
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                raise InvalidSpec(f"baseline.{name}: {part} is a value already", field=f"baseline.{name[:80]}")
        at[last] = nested(value) if isinstance(value, Mapping) else value
    return found


def begun(params: Mapping[str, Any], space: Space) -> dict[str, Any]:
    """The params, with the middle of its range for each searched one that has no value; InvalidSpec when the recipe has no such parameter."""
    found, known = nested(params), flat(params)
    for name, parameter in space.parameters.items():
        if name in known:
            continue
        *path, last = name.split(".")
        at: Any = found
        for part in path:
            at = at.get(part) if isinstance(at, dict) else None
        if not isinstance(at, dict) or last not in at:
            raise InvalidSpec(f"space: the recipe has no parameter {name[:80]!r}", field=f"space.parameters.{name[:80]}", value=name[:80])
        at[last] = _middle(parameter)
    return found


def _middle(parameter: Real | Integer | Choice) -> Value:
    if isinstance(parameter, Choice):
        return parameter.values[0]
    low, high = parameter.low, parameter.high
    middle = math.sqrt(low * high) if parameter.log else (low + high) / 2
    return round(middle) if isinstance(parameter, Integer) else middle


def judged(judge: RecipeSpec, spec: StudySpec) -> dict[str, Any]:
    """The params of the evaluation of a study: on the split val where a judge has splits, never on the sealed patients, whom a search would use up.

    InvalidSpec naming the field.
    """
    evaluate = dict(spec.evaluate)
    if "split" in judge.params.model_fields:
        evaluate.setdefault("split", "val")
    if evaluate.get("split") == "sealed":
        raise InvalidSpec(
            "evaluate.split = 'sealed': a study searches on val; the sealed patients are for the one test of what it found",
            field="evaluate.split",
            value="sealed",
        )
    if judge.purpose != "evaluate":
        raise InvalidSpec(f"{judge.name}, which judges {spec.recipe}, is no evaluation", field="recipe", value=spec.recipe)
    try:
        validate_params(judge, evaluate)
    except InvalidSpec as error:
        name = f"evaluate.{(error.field or '').removeprefix('params.')}"
        raise InvalidSpec(f"{name}: {error.message}", field=name, value=error.value) from None
    return evaluate
