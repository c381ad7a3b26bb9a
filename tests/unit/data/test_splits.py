"""Splits: no patient and no picture on two sides, both classes on each, the same every time, however they are made."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.errors import BadData
from arc.data.spec import SplitParams
from arc.data.splits import SPLITS, Member, rule_in_words, split

DRAW = SplitParams()

members = st.lists(
    st.builds(
        Member,
        patient=st.integers(0, 30).map(lambda number: f"P{number}"),
        label=st.sampled_from(["normal", "glaucoma"]),
        sha256=st.integers(0, 200).map(str),
    ),
    min_size=1,
    max_size=120,
)


@given(members=members, seed=st.integers(0, 2**32 - 1))
def test_no_patient_and_no_picture_crosses_and_each_split_has_both_classes(members: list[Member], seed: int) -> None:
    try:
        chosen = split(members, DRAW, seed=seed)
    except BadData:
        return
    for key in ("patient", "sha256"):
        where: dict[str, set[str]] = {}
        for member, name in zip(members, chosen, strict=True):
            where.setdefault(getattr(member, key), set()).add(name)
        assert all(len(names) == 1 for names in where.values())
    for name in SPLITS:
        assert {member.label for member, at in zip(members, chosen, strict=True) if at == name} == {"normal", "glaucoma"}
    assert split(members, DRAW, seed=seed) == chosen


def clinic(patients: int) -> list[Member]:
    return [
        Member(f"P{number}", "glaucoma" if number % 2 else "normal", f"{number}{eye}") for number in range(patients) for eye in ("R", "L")
    ]


def test_the_shares_are_kept_and_the_order_does_not_matter() -> None:
    crowd = clinic(400)
    chosen = split(crowd, DRAW, seed=7)
    assert Counter(chosen) == {"train": 480, "val": 120, "sealed": 200}
    assert split(crowd[::-1], DRAW, seed=7) == chosen[::-1]
    assert split(crowd, DRAW, seed=8) != chosen


def test_thirty_photographs_reach_every_split() -> None:
    chosen = split([Member(str(number), "glaucoma" if number < 15 else "normal", str(number)) for number in range(30)], DRAW, seed=0)
    assert Counter(chosen) == {"train": 18, "val": 4, "sealed": 8}


@pytest.mark.parametrize("patients", [1, 2, 4])
def test_too_few_patients_are_refused_saying_how_many_are_needed(patients: int) -> None:
    with pytest.raises(BadData, match="at least 3 of each class"):
        split(clinic(patients), DRAW, seed=0)


def test_three_of_each_class_are_enough() -> None:
    assert set(split(clinic(6), DRAW, seed=0)) == set(SPLITS)


@given(members=members, seed=st.integers(0, 9), alike=st.lists(st.tuples(st.integers(0, 119), st.integers(0, 119)), max_size=20))
def test_what_looks_alike_stays_together(members: list[Member], seed: int, alike: list[tuple[int, int]]) -> None:
    alike = [(a % len(members), b % len(members)) for a, b in alike]
    try:
        chosen = split(members, DRAW, seed=seed, alike=alike)
    except BadData:
        return
    assert all(chosen[a] == chosen[b] for a, b in alike)


def test_photographs_without_classes_are_split_by_patient_alone() -> None:
    chosen = split([Member(f"P{number // 2}", "", str(number)) for number in range(40)], DRAW, seed=1)
    assert Counter(chosen) == {"train": 24, "val": 6, "sealed": 10}


def came(*parts: tuple[str, int]) -> list[Member]:
    """One photograph a patient, every second one ill, in the split they came in."""
    return [
        Member(f"{name}{number}", "glaucoma" if number % 2 else "normal", f"{name}{number}", given=name)
        for name, patients in parts
        for number in range(patients)
    ]


def test_the_split_that_came_along_is_kept() -> None:
    members = came(("train", 8), ("val", 4), ("test", 6))
    chosen = split(members, SplitParams(split_by="keep"), seed=0)
    assert chosen == ["train"] * 8 + ["val"] * 4 + ["sealed"] * 6


def test_where_no_validation_came_along_it_is_drawn_from_what_trains() -> None:
    chosen = split(came(("train", 20), ("test", 6)), SplitParams(split_by="keep"), seed=0)
    assert chosen[20:] == ["sealed"] * 6
    assert Counter(chosen[:20]) == {"train": 16, "val": 4}


@pytest.mark.parametrize(
    ("members", "why"),
    [
        (came(("train", 8), ("val", 4)), "no test"),
        ([*came(("train", 8), ("val", 4), ("test", 6)), Member("other", "normal", "x")], "1 photographs outside"),
        ([*came(("train", 8), ("val", 4), ("test", 6)), Member("train0", "normal", "x", given="test")], "patient 'train0'"),
        ([*came(("train", 8), ("val", 4), ("test", 6)), Member("new", "normal", "train0", given="test")], "same picture"),
    ],
)
def test_a_split_that_leaks_or_is_not_whole_is_not_kept(members: list[Member], why: str) -> None:
    with pytest.raises(BadData, match=why) as caught:
        split(members, SplitParams(split_by="keep"), seed=0)
    assert caught.value.field == "split_by"


def at_sites() -> list[Member]:
    return [
        Member(f"P{number}", "glaucoma" if number % 2 else "normal", f"{number}", site=("A", "B", "C")[number % 3]) for number in range(60)
    ]


def test_a_site_is_left_out_with_every_photograph_of_its_patients() -> None:
    members = [*at_sites(), Member("P1", "normal", "elsewhere", site="A")]  # P1 was seen at B too
    chosen = split(members, SplitParams(split_by="site", sealed_site="B"), seed=0)
    sealed = {member.patient for member, name in zip(members, chosen, strict=True) if name == "sealed"}
    assert sealed == {member.patient for member in members if member.site == "B"}
    assert chosen[-1] == "sealed"
    assert Counter(chosen)["val"] == 8


def test_a_site_that_is_not_there_is_refused_naming_those_that_are() -> None:
    with pytest.raises(BadData, match="'A', 'B', 'C'"):
        split(at_sites(), SplitParams(split_by="site", sealed_site="D"), seed=0)


def test_the_rule_says_what_was_done() -> None:
    assert "0.6 train" in rule_in_words(DRAW, patients_known=True, seed=7)
    assert "site 'B' sealed" in rule_in_words(SplitParams(split_by="site", sealed_site="B"), patients_known=True, seed=7)
    assert "patients unknown" in rule_in_words(DRAW, patients_known=False, seed=7)
