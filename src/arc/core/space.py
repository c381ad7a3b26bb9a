"""Search space: which values a study may give to which parameters of a recipe.

A value is a number, a whole number, or one of several choices; a parameter may be there only when another has certain values.
`learning_rate` is read as `lr` wherever a configuration comes in, once, by `normalised`. Bounds are closed at both ends.
Not covered: how a space is searched (`arc.research`).
"""

import json
import math
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from arc.core.errors import InvalidSpec

_CONFIG = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
ALIASES = {"learning_rate": "lr"}
Value = bool | int | float | str
Config = Mapping[str, Any]


class When(BaseModel):
    """The condition under which a parameter exists: another parameter has one of these values."""

    model_config = _CONFIG

    name: str = Field(min_length=1, max_length=128)
    values: tuple[Value, ...] = Field(min_length=1, max_length=100)


class Real(BaseModel):
    """A number between two bounds; `log` when ratios matter rather than differences."""

    model_config = _CONFIG

    kind: Literal["real"] = "real"
    low: float
    high: float
    log: bool = False
    when: When | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.low, self.high, log=self.log)
        return self


class Integer(BaseModel):
    """A whole number between two bounds, both included."""

    model_config = _CONFIG

    kind: Literal["integer"] = "integer"
    low: int
    high: int
    log: bool = False
    when: When | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_range(self.low, self.high, log=self.log)
        return self


class Choice(BaseModel):
    """One of several values without an order."""

    model_config = _CONFIG

    kind: Literal["choice"] = "choice"
    values: tuple[Value, ...] = Field(min_length=2, max_length=1000)
    when: When | None = None

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({(type(value), value) for value in self.values}) < len(self.values):
            raise ValueError("a value stands twice")
        return self


Parameter = Annotated[Real | Integer | Choice, Field(discriminator="kind")]


class Space(BaseModel):
    """Parameters by their dotted name in the params of the recipe, such as `augmentation.flip.probability`."""

    model_config = _CONFIG

    parameters: dict[str, Parameter] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _conditions_hold(self) -> Self:
        if "learning_rate" in self.parameters:
            raise ValueError("learning_rate is called lr")
        for name, parameter in self.parameters.items():
            if parameter.when is None:
                continue
            parent = self.parameters.get(parameter.when.name)
            if parent is None or parent.when is not None or parameter.when.name == name:
                raise ValueError(f"{name} hangs on {parameter.when.name}, which is no parameter that is always there")
        return self

    def active(self, config: Config) -> tuple[str, ...]:
        """The names that exist under a configuration, in the order of the space."""
        return tuple(name for name, parameter in self.parameters.items() if _holds(parameter.when, config))

    def violations(self, config: Config) -> list[str]:
        """Every value of `config` that is outside its bounds, a sentence each; names that are not searched are not looked at."""
        return [said for name in self.active(config) if name in config and (said := _outside(name, self.parameters[name], config[name]))]


def normalised(config: Config) -> dict[str, Any]:
    """`config` with `learning_rate` called `lr`; InvalidSpec when both are given and differ."""
    named: dict[str, Any] = {}
    for name, value in config.items():
        known = ALIASES.get(name, name)
        if known in named and named[known] != value:
            raise InvalidSpec(f"{known}, which is called learning_rate too, was given two values", field=known, value=str(value)[:80])
        named[known] = value
    return named


def digest(config: Config) -> str:
    """16 hexadecimal digits that name a configuration, whatever the order of its parameters; 1 and 1.0 are the same value."""
    return sha256(json.dumps({key: _plain(value) for key, value in config.items()}, sort_keys=True).encode()).hexdigest()[:16]


def _check_range(low: float, high: float, *, log: bool) -> None:
    if not low < high:
        raise ValueError(f"low {low} is not below high {high}")
    if log and low <= 0:
        raise ValueError(f"a logarithmic range needs low > 0, not {low}")


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _holds(when: When | None, config: Config) -> bool:
    return when is None or config.get(when.name) in when.values


def _outside(name: str, parameter: Real | Integer | Choice, value: Any) -> str | None:
    if isinstance(parameter, Choice):
        same = any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in parameter.values)
        return None if same else f"{name} = {str(value)[:80]!r} is none of {', '.join(str(each) for each in parameter.values)}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return f"{name} = {str(value)[:80]!r} is not a number"
    if isinstance(parameter, Integer) and value != int(value):
        return f"{name} = {value} is not a whole number"
    return None if parameter.low <= value <= parameter.high else f"{name} = {value} is outside {parameter.low} to {parameter.high}"
