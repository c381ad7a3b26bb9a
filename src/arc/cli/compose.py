"""Composing: a recipe's configuration from its defaults, an experiment's configuration and overrides, by Hydra.

    the recipe's defaults  <-  the file  <-  +experiment=NAME  <-  lr=3e-4 optimizer=adamw

Hydra composes and reads the overrides; what it must never see is kept from it, by an allow list and not by a list
of what is forbidden: an override is `+experiment=NAME` or `NAME=VALUE` whose name the recipe's schema has, or
`seed`, `threads` and `inputs.NAME` of the job. Interpolations (`${...}`), names like `_target_`, and every other
sign before a name are refused in files and on the command line; nothing is ever instantiated. The result is
validated against the schema, strictly. Which parts of Hydra are used and which are not: docs/decisions/0011.

Hydra is imported when something is composed, and by this file alone. Not covered: defaults lists inside a file.
"""

import importlib.util
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import AliasChoices, ValidationError

from arc import catalog
from arc.cli import plain_yaml
from arc.core.errors import InvalidSpec, NotFound, PermanentError
from arc.core.ids import check_name
from arc.core.recipe import RecipeSpec

_EXPERIMENT: Final = "+experiment="
_OVERRIDE: Final = re.compile(r"(?s)(?P<name>[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9][A-Za-z0-9_-]*){0,8})=(?P<value>.*)")
_JOB: Final = ("seed", "threads", "dummy_mode")  # keys of a configuration beside recipe, params and inputs
_MAX_OVERRIDES: Final = 200
_MAX_LENGTH: Final = 4000
_MAX_BRACKETS: Final = 16


@dataclass(frozen=True)
class Configuration:
    """What a job runs: the same content as `config/config.yaml` of an experiment."""

    recipe: str
    params: dict[str, Any]  # defaults filled in, checked by the schema
    inputs: dict[str, str] = field(default_factory=dict)
    seed: int | None = None  # drawn at submission when None
    threads: int | None = None
    dummy_mode: bool = False
    label: str = ""  # what tells it from the others of a sweep, such as "lr=0.001 seed=1"

    def document(self) -> dict[str, Any]:
        """As it is written in a file, without what is not given."""
        given = {name: getattr(self, name) for name in _JOB if getattr(self, name) not in (None, False)}
        return {"recipe": self.recipe, "params": self.params, "inputs": self.inputs} | given


def compose(recipe: str, overrides: Sequence[str], *, workspace: Path, file: Mapping[str, Any] | None = None) -> Configuration:
    """The configuration that the overrides make of a recipe's defaults, or of a file's content.

    InvalidSpec names the override that is not allowed, not in the schema, or a sweep; NotFound the experiment that is not there.
    """
    made = sweep(recipe, overrides, workspace=workspace, file=file, most=1, alone=True)
    return made[0]


def sweep(
    recipe: str, overrides: Sequence[str], *, workspace: Path, file: Mapping[str, Any] | None = None, most: int, alone: bool = False
) -> list[Configuration]:
    """One configuration for each combination of the values that overrides like `lr=1e-3,3e-4` give.

    InvalidSpec as `compose`, and when there are more than `most` combinations, or with `alone` any sweep at all.
    """
    if importlib.util.find_spec("hydra") is None:
        raise PermanentError("overrides are composed by Hydra, which is not installed: pip install 'arc-control[train]'")
    spec = catalog.spec(recipe)
    layers = [layer(spec, file)] if file else []
    plain = []
    for text in overrides:
        if text.startswith(_EXPERIMENT):
            layers.append(layer(spec, _experiment(text.removeprefix(_EXPERIMENT), workspace)))
        else:
            plain.append(text)
    choices = _choices(spec, plain, most=most, alone=alone)
    return [_one(spec, layers, combination) for combination in choices]


def layer(spec: RecipeSpec, content: Mapping[str, Any]) -> dict[str, Any]:
    """A file's content as part of a configuration of the recipe: whole, or its parameters alone.

    InvalidSpec names what the recipe does not have, what is of another recipe, and what only Hydra would understand.
    """
    _check_plain(content, field="config")
    whole = "params" in content or "recipe" in content
    found = dict(content) if whole else {"params": dict(content)}
    named = found.pop("recipe", spec.name)
    if named != spec.name:
        raise InvalidSpec(f"the configuration is of {str(named)[:80]!r}, not of {spec.name}", field="recipe", value=str(named)[:80])
    for part in ("params", "inputs"):
        if not isinstance(found.setdefault(part, {}), dict):
            raise InvalidSpec(f"{part} is no mapping of names to values", field=part, value=str(found[part])[:80])
    for name in found:
        if name not in ("params", "inputs", *_JOB):
            raise InvalidSpec(f"a configuration has no {name[:80]!r}; it has recipe, params, inputs, {', '.join(_JOB)}", field=name[:80])
    found["params"] = {_param(spec, name): value for name, value in found["params"].items()}
    for name in found["inputs"]:
        _check_input(spec, name)
    return found


def _experiment(name: str, workspace: Path) -> dict[str, Any]:
    """The content of `configs/experiment/NAME.yaml`, or of the configuration that an experiment was run with."""
    check_name(name, field="+experiment")
    folder = workspace / "configs" / "experiment"
    for path in (folder / f"{name}.yaml", workspace / "experiments" / name / "config" / "config.yaml"):
        if path.is_file():
            return plain_yaml.read(path)
    there = ", ".join(sorted(path.stem for path in folder.glob("*.yaml"))[:20]) or "none"
    raise NotFound(
        f"there is no experiment {name!r} and no {folder / name}.yaml; configurations there: {there}", field="+experiment", value=name
    )


def _choices(spec: RecipeSpec, overrides: Sequence[str], *, most: int, alone: bool) -> list[tuple[str, ...]]:
    """The combinations of overrides, each as Hydra is to see it."""
    if len(overrides) > _MAX_OVERRIDES:
        raise InvalidSpec(f"{len(overrides)} overrides are more than {_MAX_OVERRIDES}", field="overrides", value=len(overrides))
    allowed = [_allowed(spec, text) for text in overrides]
    names = [name for name, _ in allowed]
    for name in names:
        if names.count(name) > 1:
            raise InvalidSpec(f"{name.removeprefix('params.')} is given twice", field=name, value=name)
    values = [_values(name, value, most=most, alone=alone) for name, value in allowed]
    found = list(itertools.islice(itertools.product(*values), most + 1))
    if len(found) > most:
        raise InvalidSpec(f"the sweep has more than {most} combinations; allow more with --most", field="most", value=most)
    return found


def _allowed(spec: RecipeSpec, text: str) -> tuple[str, str]:
    """The full name and the text of the value; InvalidSpec for an override that is not on the allow list."""
    found = _OVERRIDE.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if found is None:
        raise InvalidSpec(f"{text[:80]!r} is neither NAME=VALUE nor +experiment=NAME", field="overrides", value=text[:80])
    name, value = found["name"], found["value"]
    first, *rest = name.removeprefix("params.").split(".")
    if name.startswith("inputs.") and first not in spec.params.model_fields:
        _check_input(spec, name.removeprefix("inputs."))
    elif name not in _JOB or name in spec.params.model_fields:
        name = ".".join(["params", _param(spec, first), *rest])
    if "${" in value or "\0" in value:
        raise InvalidSpec(f"{name}: interpolations are not taken", field=name, value=value[:80])
    if sum(value.count(sign) for sign in "([{") > _MAX_BRACKETS:
        raise InvalidSpec(f"{name}: more than {_MAX_BRACKETS} brackets", field=name, value=value[:80])
    return name, value


def _param(spec: RecipeSpec, name: str) -> str:
    """The parameter of the recipe that a name stands for; InvalidSpec listing those it has."""
    fields = spec.params.model_fields
    if name in fields:
        return name
    for own, info in fields.items():
        aliases = info.validation_alias.choices if isinstance(info.validation_alias, AliasChoices) else [info.validation_alias]
        if name in aliases:
            return own
    raise InvalidSpec(
        f"{spec.name} has no parameter {name[:80]!r}; it has {', '.join(fields)}", field=f"params.{name[:80]}", value=name[:80]
    )


def _check_input(spec: RecipeSpec, name: str) -> None:
    if name not in spec.inputs:
        raise InvalidSpec(f"{spec.name} has no input {name[:80]!r}; it has {', '.join(spec.inputs)}", field=f"inputs.{name[:80]}")


def _values(name: str, value: str, *, most: int, alone: bool) -> list[str]:
    """What Hydra's grammar reads an override as: one override, or one for each value of a sweep."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_override(f"++{name}={value}")
        if not parsed.is_sweep_override():
            return [f"++{name}={value}"]
        found = [f"++{name}={one}" for one in itertools.islice(parsed.sweep_string_iterator(), most + 1)]
    except (HydraException, ValueError, TypeError, OverflowError, RecursionError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InvalidSpec(f"{name} = {value[:80]!r} cannot be read: {reason}", field=name, value=value[:80]) from None
    if alone:
        raise InvalidSpec(
            f"{name} = {value[:80]!r} is a sweep of {len(found)} or more values: arc run --sweep makes jobs of it", field=name
        )
    return found


def _one(spec: RecipeSpec, layers: Sequence[Mapping[str, Any]], overrides: Sequence[str]) -> Configuration:
    content = _by_hydra(_defaults(spec), layers, overrides)
    _check_plain(content, field="config")
    params, inputs = content.pop("params"), content.pop("inputs")
    for name, text in inputs.items():
        if not isinstance(text, str):
            raise InvalidSpec(f"inputs.{name} = {text!r} is no reference such as dataset:NAME", field=f"inputs.{name}", value=text)
    label = " ".join(text.removeprefix("++").removeprefix("params.") for text in overrides)
    return Configuration(recipe=spec.name, params=validated(spec, params), inputs=inputs, label=label, **_of_job(content))


def _defaults(spec: RecipeSpec) -> dict[str, Any]:
    """The recipe's defaults; parameters without one are left out, so that the schema asks for them in the end."""
    params = spec.params.model_construct().model_dump(mode="json", warnings=False)
    return {"params": params, "inputs": {}, "seed": None, "threads": None, "dummy_mode": False}


def _by_hydra(defaults: Mapping[str, Any], layers: Sequence[Mapping[str, Any]], overrides: Sequence[str]) -> dict[str, Any]:
    from hydra import compose as hydra_compose
    from hydra import initialize
    from hydra.core.config_store import ConfigStore
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    nodes = ConfigStore.instance()
    nodes.store(name="arc", node=dict(defaults))
    groups = [f"layer{number}" for number in range(len(layers))]
    for group, content in zip(groups, layers, strict=True):
        nodes.store(group=group, name="chosen", package="_global_", node=dict(content))
    GlobalHydra.instance().clear()
    try:
        with initialize(version_base="1.3", config_path=None):
            composed = hydra_compose("arc", overrides=[*(f"+{group}=chosen" for group in groups), *overrides])
        found = OmegaConf.to_container(composed, resolve=False)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise InvalidSpec(f"the overrides do not fit the configuration: {' '.join(str(error).split())[:300]}", field="overrides") from None
    assert isinstance(found, dict)
    return json.loads(json.dumps(found))  # type: ignore[no-any-return] # plain Python again


def _of_job(content: Mapping[str, Any]) -> dict[str, Any]:
    """Seed, threads and dummy mode, as the request will take them."""
    for name in ("seed", "threads"):
        value = content[name]
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise InvalidSpec(f"{name} = {str(value)[:80]!r} is no whole number from 0", field=name, value=str(value)[:80])
    if not isinstance(content["dummy_mode"], bool):
        raise InvalidSpec("dummy_mode is true or false", field="dummy_mode", value=str(content["dummy_mode"])[:80])
    return {name: content[name] for name in _JOB}


def validated(spec: RecipeSpec, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as the recipe's schema has them; InvalidSpec naming the first wrong one and its value."""
    try:
        return spec.params.model_validate(params, by_alias=True, by_name=True).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(["params", *(str(part) for part in first["loc"])])
        value = str(first.get("input"))[:80]
        raise InvalidSpec(f"{name} = {value!r}: {first['msg']}", field=name, value=value) from None


def _check_plain(content: Any, *, field: str) -> None:
    """Refuse, at any depth, what OmegaConf or Hydra would take for more than data: InvalidSpec naming it."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            if not isinstance(name, str) or "${" in name or (name.startswith("_") and name.endswith("_")):
                raise InvalidSpec(f"{field} has the key {str(name)[:80]!r}, which is not taken", field=field, value=str(name)[:80])
            _check_plain(value, field=f"{field}.{name}"[:200])
    elif isinstance(content, list):
        for value in content:
            _check_plain(value, field=field)
    elif isinstance(content, str) and "${" in content:
        raise InvalidSpec(f"{field} = {content[:80]!r}: interpolations are not taken", field=field, value=content[:80])
