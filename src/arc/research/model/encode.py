"""Encoding: configurations as rows of numbers, and back.

A *unit* row has one number for each parameter: where a number lies between its bounds, 0 to 1 (on the logarithm where the space says
so), or the index of a choice. Search moves in units. A *feature* row is what the surrogates see: a choice of k values becomes k columns
of 0 or 1/√2, so that two different choices are at distance 1 and equal ones at 0 (the overlap, or Hamming, distance). A parameter that
does not exist under a configuration stands in the middle of its range, or at its first choice: its parent's columns say that it is absent.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from arc.core.space import Choice, Config, Integer, Real, Space

MOST_LISTED = 20_000  # a finite space up to this size is searched whole


@dataclass(frozen=True)
class Encoder:
    """The two ways between the configurations of one space and rows of numbers."""

    space: Space

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The parameters, in the order of the columns of a unit row."""
        return tuple(self.space.parameters)

    @cached_property
    def choices(self) -> np.ndarray:
        """For each parameter how many choices it has; 0 for a number."""
        return np.array([len(one.values) if isinstance(one, Choice) else 0 for one in self.space.parameters.values()])

    @cached_property
    def owners(self) -> np.ndarray:
        """For each feature column the position of its parameter."""
        return np.repeat(np.arange(len(self.names)), np.maximum(self.choices, 1))

    def units(self, configs: Sequence[Config]) -> np.ndarray:
        """(n, parameters): configurations as unit rows; values are within the space. A parameter left out counts as absent."""
        rows = np.empty((len(configs), len(self.names)))
        for column, (name, parameter) in enumerate(self.space.parameters.items()):
            when = parameter.when
            there = np.array([name in config and (when is None or config.get(when.name) in when.values) for config in configs], dtype=bool)
            rows[~there, column] = _absent(parameter)
            rows[there, column] = _units(parameter, [config[name] for config, holds in zip(configs, there, strict=True) if holds])
        return rows

    def configs(self, units: np.ndarray) -> list[dict[str, Any]]:
        """Unit rows as configurations, without the parameters that do not exist under them."""
        made = []
        for row in units:
            full = {name: _value(parameter, row[column]) for column, (name, parameter) in enumerate(self.space.parameters.items())}
            made.append({name: full[name] for name in self.space.active(full)})
        return made

    def snapped(self, units: np.ndarray) -> np.ndarray:
        """Unit rows moved to the nearest ones that stand for a configuration: whole numbers whole, absent parameters in their place."""
        snapped = units.copy()
        for column, parameter in enumerate(self.space.parameters.values()):
            if isinstance(parameter, Choice):
                snapped[:, column] = np.clip(np.floor(units[:, column]), 0, len(parameter.values) - 1)
            elif isinstance(parameter, Integer):
                snapped[:, column] = _whole(parameter, np.clip(units[:, column], 0, 1))
            else:
                snapped[:, column] = np.clip(units[:, column], 0, 1)
        for column, there in self._conditions(snapped):
            snapped[~there, column] = _absent(self.space.parameters[self.names[column]])
        return snapped

    def spread(self, uniform: np.ndarray) -> np.ndarray:
        """Points of the unit cube (n, parameters) as unit rows: a choice takes its share of [0, 1)."""
        return self.snapped(np.where(self.choices > 0, uniform * self.choices, uniform))

    def features(self, units: np.ndarray) -> np.ndarray:
        """(n, features): snapped unit rows as the surrogates see them."""
        columns = [
            units[:, [column]] if count == 0 else (units[:, [column]] == np.arange(count)) / math.sqrt(2)
            for column, count in enumerate(self.choices)
        ]
        return np.concatenate(columns, axis=1)

    def listed(self) -> np.ndarray | None:
        """Every configuration of a small finite space as unit rows, each once; None for an infinite or large space."""
        levels = []
        for parameter in self.space.parameters.values():
            if isinstance(parameter, Real):
                return None
            count = len(parameter.values) if isinstance(parameter, Choice) else parameter.high - parameter.low + 1
            levels.append(count)
        if math.prod(levels) > MOST_LISTED:
            return None
        axes = [
            range(count) if isinstance(parameter, Choice) else _units(parameter, [parameter.low + step for step in range(count)]).tolist()
            for count, parameter in zip(levels, self.space.parameters.values(), strict=True)
        ]
        return unique(self.snapped(np.array(list(itertools.product(*axes)), dtype=float)))

    def _conditions(self, units: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """For each conditional parameter its column and where it exists; parents are never conditional."""
        found = []
        for column, parameter in enumerate(self.space.parameters.values()):
            if parameter.when is not None:
                parent = self.names.index(parameter.when.name)
                kind = self.space.parameters[parameter.when.name]
                values, inverse = np.unique(units[:, parent], return_inverse=True)
                holds = np.array([_value(kind, value) in parameter.when.values for value in values], dtype=bool)
                found.append((column, holds[inverse]))
        return found


def unique(units: np.ndarray) -> np.ndarray:
    """The rows without repeats, in the order of their first appearance; equal to nine digits is equal."""
    _, first = np.unique(np.round(units, 9), axis=0, return_index=True)
    return units[np.sort(first)]


def keys(units: np.ndarray) -> list[bytes]:
    """A name for each snapped row, equal for equal configurations."""
    return [row.tobytes() for row in np.round(units, 9) + 0.0]


def _units(parameter: Real | Integer | Choice, values: Sequence[Any]) -> np.ndarray:
    if isinstance(parameter, Choice):
        places = {(isinstance(each, bool), each): place for place, each in enumerate(parameter.values)}  # True is not 1
        return np.array([places[isinstance(value, bool), value] for value in values], dtype=float)
    low, high = _range(parameter)
    raw = np.array(values, dtype=float)
    return np.asarray(((np.log(raw) if parameter.log else raw) - low) / (high - low))


def _value(parameter: Real | Integer | Choice, unit: float) -> Any:
    if isinstance(parameter, Choice):
        return parameter.values[int(unit)]
    low, high = _range(parameter)
    raw = low + float(unit) * (high - low)
    value = min(max(math.exp(raw) if parameter.log else raw, parameter.low), parameter.high)
    return round(value) if isinstance(parameter, Integer) else value


def _whole(parameter: Integer, units: np.ndarray) -> np.ndarray:
    low, high = _range(parameter)
    raw = low + units * (high - low)
    whole = np.clip(np.round(np.exp(raw) if parameter.log else raw), parameter.low, parameter.high)
    return np.asarray(((np.log(whole) if parameter.log else whole) - low) / (high - low))


def _absent(parameter: Real | Integer | Choice) -> float:
    if isinstance(parameter, Integer):
        return float(_whole(parameter, np.array([0.5]))[0])
    return 0.0 if isinstance(parameter, Choice) else 0.5


def _range(parameter: Real | Integer) -> tuple[float, float]:
    return (math.log(parameter.low), math.log(parameter.high)) if parameter.log else (float(parameter.low), float(parameter.high))
