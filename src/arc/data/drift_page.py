"""The page of a comparison for drift: the verdict, a line for every feature, both distributions, and photographs from their ends."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from arc.data import look
from arc.data.drift_judged import Compared, Comparison, Photographs
from arc.data.judge_spec import DriftParams
from arc.kit import figures
from arc.kit.report import Block, Figure, ImageGrid, Number, Report, Section, Table, Text, Tile, Tone, shown
from arc.stats.drift import LEAST_GROUPS
from arc.stats.intervals import Interval

_UNITS: Final = {
    "width": "px",
    "height": "px",
    "bytes": "bytes",
    "brightness": "0 to 255",
    "contrast": "0 to 255",
    "saturation": "0 to 1",
    "red": "0 to 255",
    "green": "0 to 255",
    "blue": "0 to 255",
    "colour_cast": "CIELAB",
    "entropy": "bits",
    "field_share": "0 to 1",
}
_DRAWN: Final = 4  # features that are drawn even when nothing drifted: those that are furthest apart
_WITH_PICTURES: Final = 6  # features that have drifted
_AT_END: Final = 3  # photographs from each end
_SIDE_PX: Final = 160
_NAMED: Final = 20


def page(found: Comparison, params: DriftParams, *, max_megapixels: float) -> Report:
    """The report of a comparison."""
    old, new = found.reference, found.current
    ranked = sorted(found.features, key=lambda one: (not one.drifted, -(one.ks.interval.value or 0.0)))
    chosen = {one.feature: _ends(one, old, new) for one in [one for one in ranked if one.drifted][:_WITH_PICTURES]}
    made = look.small_pictures(
        {side.paths[at] for ends in chosen.values() for side, at in ends}, side_px=_SIDE_PX, max_megapixels=max_megapixels
    )
    sections = [_overview(found, ranked, params)]
    drawn = [one for place, one in enumerate(ranked) if one.drifted or place < _DRAWN]
    sections += [_section(one, found, _tiles(one, chosen.get(one.feature, []), made)) for one in drawn]
    return Report(
        title=f"Drift of {new.name} from {old.name}",
        verdict=_verdict(found),
        tone=_tone(found),
        subtitle=f"{len(new.files):,} photographs against {len(old.files):,}",
        numbers=_numbers(found),
        sections=sections + _unreadable(found),
        not_shown=_not_shown(found),
    )


def _verdict(found: Comparison) -> str:
    named = ", ".join(found.drifted)
    if found.embedding is not None and found.embedding.drifted:
        named = f"{named}, the embedding" if named else "the embedding"
    if named:
        return f"{found.current.name} is not like {found.reference.name}: {named} drifted. Hold until somebody has looked."
    if not found.enough:
        return f"Not enough to say: there are fewer than {LEAST_GROUPS} patients on one side."
    return f"Nothing was found in {found.current.name} that chance does not explain."


def _tone(found: Comparison) -> Tone:
    if found.hold:
        return "bad"
    return "good" if found.enough else "plain"


def _numbers(found: Comparison) -> list[Number]:
    by_ks = max(found.features, key=lambda one: one.ks.interval.value or 0.0)
    by_psi = max(found.features, key=lambda one: one.psi.value or 0.0)
    numbers = [
        Number("features that drifted", f"{len(found.drifted)} of {len(found.features)}"),
        _number(f"largest KS: {by_ks.feature}", by_ks.ks.interval, 1.0),
        _number(f"largest PSI: {by_psi.feature}", by_psi.psi, by_psi.psi.high or 1.0),
    ]
    if found.embedding is not None:
        one = found.embedding.tested
        numbers.append(Number("MMD of the embedding", one.interval.value, note=f"p {shown(one.p, 3)}", digits=4))
    return numbers


def _number(label: str, one: Interval, most: float) -> Number:
    return Number(label, one.value, one.low, one.high, note=one.note, bounds=(0.0, most))


def _overview(found: Comparison, ranked: list[Compared], params: DriftParams) -> Section:
    columns = ("feature", found.reference.name[:40], found.current.name[:40], "KS", "interval", "p", "PSI", "interval", "answer")
    rows = [
        (
            one.feature,
            float(np.median(found.reference.of(one.feature))),
            float(np.median(found.current.of(one.feature))),
            one.ks.interval.value,
            _range(one.ks.interval),
            one.ks.p,
            one.psi.value,
            _range(one.psi),
            _answer(one),
        )
        for one in ranked
    ]
    blocks: list[Block] = [
        Table(columns, rows, caption="Medians of both sides; intervals and p hold for all features at once."),
        Text(
            f"A feature has drifted when the lower bound of its KS statistic is above 0 or that of its PSI is at least "
            f"{params.psi_limit:g}, at a confidence of {params.ks_confidence:g}. Some PSI is always there: its bounds leave out what "
            f"chance gives two samples of these sizes."
        ),
    ]
    if found.embedding is not None:
        one = found.embedding
        text = one.tested.interval.note if one.tested.p is None else f"p {one.tested.p:.4g}; chance stays below {shown(one.chance, 4)}"
        answer = "drifted" if one.drifted else "as before"
        value = shown(one.tested.interval.value, 4)
        blocks.append(Text(f"Embedding of the model: squared MMD {value} over {one.n[0]} and {one.n[1]} photographs, {text}: {answer}."))
    return Section("Features", blocks)


def _range(one: Interval) -> str:
    return "not enough" if one.low is None else f"{one.low:.3f} to {one.high:.3f}"


def _answer(one: Compared) -> str:
    if not one.drifted:
        return "as before" if one.ks.p is not None else "not enough"
    return f"drifted ({' and '.join(word.upper() for word in one.because)})"


def _section(one: Compared, found: Comparison, tiles: list[Tile]) -> Section:
    old, new = found.reference, found.current
    unit = _UNITS.get(one.feature)
    drawing = figures.distributions(
        old.of(one.feature).tolist(),
        new.of(one.feature).tolist(),
        labels=(old.name, new.name),
        x_label=f"{one.feature} ({unit})" if unit else one.feature,
        name=f"drift-{one.feature}",
    )
    blocks: list[Block] = [Figure(drawing, one.feature, caption=f"Grey: {old.name}. Line: {new.name}.")]
    if tiles:
        blocks.append(ImageGrid(tiles, caption=f"The middle of {old.name}, then both ends of {new.name}."))
    return Section(f"{one.feature}: {_answer(one)}", blocks)


def _ends(one: Compared, old: Photographs, new: Photographs) -> list[tuple[Photographs, int]]:
    """The photograph in the middle of the reference, and those at both ends of the current side."""
    before, after = np.argsort(old.of(one.feature), kind="stable"), np.argsort(new.of(one.feature), kind="stable")
    ends = dict.fromkeys([*after[:_AT_END].tolist(), *after[-_AT_END:].tolist()])
    return [(old, int(before[len(before) // 2])), *((new, at) for at in ends)]


def _tiles(one: Compared, ends: list[tuple[Photographs, int]], made: Mapping[Path, bytes]) -> list[Tile]:
    return [
        Tile(
            made[side.paths[at]],
            f"{side.files[at]}: {shown(float(side.of(one.feature)[at]), 3)}",
            alt=f"a photograph of {side.name}, {one.feature}",
        )
        for side, at in ends
        if side.paths[at] in made
    ]


def _unreadable(found: Comparison) -> list[Section]:
    rows = [(side.name, *one) for side in (found.reference, found.current) for one in side.unreadable]
    if not rows:
        return []
    return [Section("Left out", [Table(("of", "file", "what"), rows[:_NAMED], caption=f"{min(len(rows), _NAMED)} of {len(rows)}")])]


def _not_shown(found: Comparison) -> list[str]:
    sides = (found.reference, found.current)
    return [
        "That a model got worse: these numbers say nothing of labels. Nor that it did not where nothing was found.",
        "Drift that none of these numbers see, such as another disease or another age.",
        *(f"Patients of {side.name}: they are not known, and each photograph counts as one." for side in sides if not side.patients_known),
    ]
