"""Config generator: baseline and changes become the parameters of a training, or a refusal that lists everything that is wrong.

`learning_rate` is read as `lr`. Dotted names become nested parameters. The schema of the recipe itself is applied by the control plane
when the job is submitted; here the space of the study and its learned constraints are. Validation cannot be switched off.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from arc.core.errors import InvalidSpec
from arc.core.proposal import Constraint
from arc.core.space import Config, Space, normalised


def generate(space: Space, baseline: Config, changes: Config, *, constraints: Iterable[Constraint] = ()) -> dict[str, Any]:
    """The configuration by dotted names; InvalidSpec naming each violation."""
    changed = normalised(changes)
    unknown = [f"{name[:80]} is no parameter of this study" for name in changed if name not in space.parameters]
    merged = dict(baseline) | changed
    config = {name: value for name, value in merged.items() if name not in space.parameters or name in space.active(merged)}
    idle = [f"{name} does not exist when {_when(space, name)}" for name in changed if name in space.parameters and name not in config]
    forbidden = [forbids(one) for one in constraints if one.forbids(config)]
    wrong = [*unknown, *idle, *space.violations(config), *forbidden]
    if wrong:
        raise InvalidSpec(f"the configuration cannot be run: {'; '.join(wrong)}", field="changes", value=str(dict(changed))[:200])
    return config


def params(config: Config, base: Mapping[str, Any]) -> dict[str, Any]:
    """The params of the recipe: `base` with the configuration in it, dotted names as nested objects."""
    found = _copied(base)
    for name, value in config.items():
        *path, last = name.split(".")
        at = found
        for part in path:
            at = at.setdefault(part, {})
        at[last] = value
    return found


def searched(space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration in nested params: what the space has of them, and what exists under the rest."""
    known = {name: value for name in space.parameters if (value := at(values, name)) is not None}
    return {name: known[name] for name in space.active(known) if name in known}


def at(values: Mapping[str, Any], name: str) -> Any:
    """The value of a dotted name in nested params; None when there is none."""
    found: Any = values
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def forbids(constraint: Constraint) -> str:
    """A constraint as a sentence."""
    if constraint.values:
        region = f"in {', '.join(str(value) for value in constraint.values)}"
    elif constraint.low is not None:
        region = f"from {constraint.low:g} on"
    else:
        region = f"below {constraint.high or 0.0:g}"
    return (
        f"{constraint.param} {region} failed as {constraint.failure_class.value} in {constraint.support} of {constraint.trials} experiments"
    )


def _when(space: Space, name: str) -> str:
    when = space.parameters[name].when
    return f"{when.name} is not {' or '.join(str(value) for value in when.values)}" if when else "never"


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in values.items()}
