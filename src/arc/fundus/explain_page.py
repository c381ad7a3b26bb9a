"""The page of an explanation, and the section of it in the report of an experiment.

The words follow the intervals: a DRI above its threshold is worth nothing when random weights or a disc moved elsewhere reach it
as well, and the page says which of the two it is. Read from explanation.json alone; no photograph is opened.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

from arc.kit.report import Block, ImageGrid, Number, Report, Section, Table, Text, Tile, Tone

_ROWS: Final = (
    ("DRI", "mean_dri_interval", "random_dri", "moved_dri"),
    ("share of the map inside the disc", "energy", "random_energy", "moved_energy"),
    ("highest point inside the disc", "pointing", "random_pointing", "moved_pointing"),
    ("drop of the score, part painted over", "drop", None, "drop_elsewhere"),
)
_NAMES: Final = {"gradcam": "Grad-CAM", "gradcam_pp": "Grad-CAM++"}


def compose(explanation: Mapping[str, Any]) -> Report:
    """The page; KeyError for what is no explanation."""
    said, tone = verdict(explanation)
    numbers = []
    if "mean_dri" in explanation:
        found = [("mean DRI", explanation["mean_dri_interval"])] + [
            (name.replace("_", " "), explanation["controls"][name]) for name in ("random_dri", "moved_dri")
        ]
        numbers = [Number(name, one["value"], one["low"], one["high"], one["note"]) for name, one in found]
    return Report(
        title="Where the classifier looks",
        verdict=said,
        tone=tone,
        subtitle=f"{explanation['model']['name']} on {explanation['n']} photographs ({explanation['split']} split), by {_NAMES[explanation['method']]}",
        numbers=numbers,
        sections=[section(explanation)],
        not_shown=[*not_shown(explanation), "Nothing here is a medical device or fit for a diagnosis."],
        footer=[f"model {str(explanation['model']['digest'])[:12]}", f"layer {explanation['target_layer']}", f"seed {explanation['seed']}"],
    )


def verdict(explanation: Mapping[str, Any]) -> tuple[str, Tone]:
    """One sentence and its tone."""
    if explanation["simulated"]:
        return "Simulated: a tiny network stood in for the model, so this says nothing.", "plain"
    if "mean_dri" not in explanation:
        return f"Maps of {explanation['n']} photographs; nothing was measured.", "plain"
    mean, least = explanation["mean_dri"], explanation["valid_from"]
    value = f"the mean DRI is {mean:.2f}"
    if not explanation["valid"]:
        return f"Not valid: {value}, below {least:g}.", "bad"
    for name, words in (("random_dri", "random weights"), ("moved_dri", "a disc moved elsewhere")):
        low = explanation["above"][name]["low"]
        if low is None or low <= 0:
            return f"Not known: {value}, at or above {least:g}, but not clearly above that of {words}.", "plain"
    return f"It looks at the optic disc: {value}, at or above {least:g} and clearly above its controls.", "good"


def section(explanation: Mapping[str, Any]) -> Section:
    """Overlays, and where it was measured the table of DRI and controls."""
    tiles = [Tile(base64.b64decode(one["jpeg"]), one["caption"]) for one in explanation["shown"]]
    blocks: list[Block] = [
        ImageGrid(
            tiles, "Maps over the photographs", "White: the optic disc. Black: the map at its threshold. Red counted most, blue least."
        )
    ]
    if "mean_dri" in explanation:
        blocks.insert(0, _table(explanation))
        dark = explanation["maps"]["flat"] + explanation["maps"]["empty"]
        if dark:
            blocks.insert(1, Text(f"{dark} of {explanation['n']} maps are flat or empty: they show nothing, and count as 0."))
    intro = f"{_NAMES[explanation['method']]} at the layer {explanation['target_layer']}; the disc is that of {explanation['disc_from']}."
    return Section("Where it looks", blocks, intro)


def _table(explanation: Mapping[str, Any]) -> Table:
    def shown(one: Mapping[str, Any] | None) -> str:
        if one is None or one["value"] is None:
            return "not available"
        return f"{one['value']:.3f}" if one["low"] is None else f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"

    controls = explanation["controls"]
    rows = [(label, shown(explanation[own]), shown(controls.get(random)), shown(controls[moved])) for label, own, random, moved in _ROWS]
    share = f"{100 * explanation['mean_dri_interval']['confidence']:g} %"
    return Table(
        ["measure", "the optic disc", "with random weights", "moved elsewhere"], rows, f"Each with its {share} interval by patient"
    )


def not_shown(explanation: Mapping[str, Any]) -> list[str]:
    """What the reader must not conclude."""
    said = ["A map shows where the score is sensitive at one layer, not why; a right place does not make a right answer."]
    if not explanation["patients_known"]:
        said.append("Patients are not known, so the intervals are too narrow.")
    if "mean_dri" in explanation:
        said.append("A map is as coarse as its layer: a small disc cannot reach a DRI of 1.")
    return said
