"""Each question that is asked of a dataset: what passes, what fails, and which file is named."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arc.data import checks
from arc.data.checks import Check, Expected, Item, Subject
from arc.data.look import Mask, Seen
from arc.data.manifest import Row

GOOD = Seen(bytes=9000, width=64, height=48, channels=3, low=0, high=240, spread=60.0, features={"saturation": 0.5})
MASK = Mask(width=64, height=48, values=(0, 128, 255))
ANY = Expected(None, None, 1, 20.0)


def item(number: int, split: str = "train", *, mask: Mask | None = None, row: dict[str, Any] | None = None, **seen: Any) -> Item:
    label = "glaucoma" if number % 2 else "normal"
    values = {"file": f"{number}.jpg", "label": label, "index": number % 2, "patient": f"P{number}", "eye": "R", "site": "A"}
    values |= {"sha256": f"{number:064x}", "bytes": 9000, "mask": f"{number}.png" if mask else ""} | (row or {})
    return Item(split, Row(**values), Path(values["file"]), Path(f"{number}.png") if mask else None, replace(GOOD, mask=mask, **seen))


def subject(*items: Item, **values: Any) -> Subject:
    known = {"name": "eyes@1", "task": "classification", "classes": ("normal", "glaucoma"), "patients_known": True}
    known["about"] = {"licence": "CC0", "source": "here"}
    return Subject(items=items, **(known | values))


def failed(check: Check, file: str, what: str) -> None:
    assert not check.passed
    assert (check.failures[0].file, what in check.failures[0].what) == (file, True), check.failures


def warned(check: Check, what: str) -> None:
    assert check.passed
    assert any(what in one.what for one in check.warnings), check.warnings


def test_a_good_set_passes_everything_without_a_warning() -> None:
    items = [item(number, split) for split in ("train", "val", "sealed") for number in range(4)]
    counts = {split: {"normal": 2, "glaucoma": 2} for split in ("train", "val", "sealed")}
    found = list(checks.all_of(subject(*items, counts=counts), ANY))
    assert [check.name for check in found if check.failures or check.warnings] == []
    assert all(check.examined for check in found)


def test_what_was_wrong_with_tables_and_files_is_told() -> None:
    failed(checks.structure(subject(item(0), troubles=(("train.csv", "row 2, column eye"),))), "train.csv", "column eye")


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"about": {"source": "here"}}, "no licence"),
        ({"about": {"licence": "CC0"}}, "no source"),
        ({"patients_known": False}, "patients are not known"),
    ],
)
def test_missing_metadata_is_a_warning(values: dict[str, Any], what: str) -> None:
    warned(checks.metadata(subject(item(0), **values)), what)


def test_photographs_without_eye_are_counted() -> None:
    warned(checks.metadata(subject(item(0), item(1, row={"eye": ""}))), "1 of 2 photographs have no eye")


def test_a_picture_that_cannot_be_decoded_is_named() -> None:
    bad = Item("train", item(1).row, Path("1.jpg"), None, Seen(error="it is cut short"))
    failed(checks.decodes(subject(item(0), bad)), "1.jpg", "cut short")


def test_an_unexpected_size_fails_and_different_sizes_warn() -> None:
    failed(checks.sizes(subject(item(0, width=65)), Expected(64, None, 1, 20)), "0.jpg", "65 x 48")
    failed(checks.sizes(subject(item(0, height=47)), Expected(64, 48, 1, 20)), "0.jpg", "64 x 47")
    warned(checks.sizes(subject(item(0), item(1), item(2, width=65)), ANY), "2 sizes, most often 64 x 48")


def test_a_grey_picture_among_coloured_ones_is_a_warning_and_a_grey_set_is_none() -> None:
    warned(checks.channels(subject(item(0), item(1, channels=1))), "without colour")
    warned(checks.channels(subject(item(0), item(1, features={"saturation": 0.0}))), "without colour")
    assert not checks.channels(subject(item(0, channels=1), item(1, channels=1))).warnings


@pytest.mark.parametrize(("seen", "what"), [({"high": 9}, "black"), ({"spread": 0.5}, "shows nothing")])
def test_a_picture_that_shows_nothing_fails(seen: dict[str, Any], what: str) -> None:
    failed(checks.degenerate(subject(item(0), item(1, **seen))), "1.jpg", what)


def test_a_missing_mask_fails_where_masks_are_the_task_and_warns_elsewhere() -> None:
    pair = (item(0, mask=MASK), item(1))
    failed(checks.mask_pairs(subject(*pair, task="segmentation", classes=())), "1.jpg", "no mask")
    warned(checks.mask_pairs(subject(*pair)), "no mask")


@pytest.mark.parametrize(
    ("mask", "what"), [(replace(MASK, width=63), "63 x 48 pixels; its photograph has 64 x 48"), (Mask(error="it is text"), "it is text")]
)
def test_a_mask_that_does_not_fit_is_named(mask: Mask, what: str) -> None:
    failed(checks.mask_sizes(subject(item(0, mask=MASK), item(1, mask=mask))), "1.png", what)


@pytest.mark.parametrize("values", [(0, 1), (0, 255), (0, 128, 255), (0, 128), (0,)])
def test_the_values_that_masks_have(values: tuple[int, ...]) -> None:
    assert checks.mask_values(subject(item(0, mask=replace(MASK, values=values)))).passed


@pytest.mark.parametrize("values", [(0, 2), (0, 1, 255), (0, 127, 255), (7, 200)])
def test_other_values_fail(values: tuple[int, ...]) -> None:
    failed(checks.mask_values(subject(item(0, mask=replace(MASK, values=values)))), "0.png", "holds the values")


def test_an_empty_mask_is_a_warning() -> None:
    warned(checks.mask_values(subject(item(0, mask=replace(MASK, values=(0,))))), "nothing but 0")


def test_a_cup_outside_the_disc_fails() -> None:
    failed(checks.cup_in_disc(subject(item(0, mask=replace(MASK, cup_outside=0.6)))), "0.png", "60%")
    warned(checks.cup_in_disc(subject(item(0, mask=replace(MASK, cup_outside=0.3)))), "30%")
    assert checks.cup_in_disc(subject(item(0, mask=replace(MASK, cup_outside=0.01)))).passed


def test_a_split_without_a_class_fails() -> None:
    found = checks.classes(subject(item(0), item(1), item(2, "val")), ANY)
    failed(found, "", "val has 0 photographs of class glaucoma")


def test_imbalance_fails_beyond_its_limit_and_uneven_splits_warn() -> None:
    crowd = [item(2 * number) for number in range(21)]
    failed(checks.balance(subject(*crowd, item(1)), Expected(None, None, 1, 20.0)), "", "21.0 to 1")
    uneven = [item(0), item(2), item(4), item(1), item(1, "val"), item(3, "val"), item(0, "val")]
    warned(checks.balance(subject(*uneven), ANY), "differs between splits")


def test_splits_that_do_not_add_up_fail() -> None:
    said = {"train": {"normal": 1, "glaucoma": 0}, "val": {"normal": 1, "glaucoma": 0}, "sealed": {"normal": 0, "glaucoma": 0}}
    found = checks.split_sums(subject(item(0), counts=said))
    assert [one.what for one in found.failures] == ["val has 0 photographs; the version says 1", "sealed is empty"]
