"""The catalog: built-ins enter by the plug-in door, and a broken row says which one it is."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from arc import catalog
from arc.catalog import Row
from arc.core.errors import NotFound, RecipeBroken


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[Row]]]:
    """What the entry points offer, package by package; a test changes it."""
    packages: dict[str, list[Row]] = {"builtin": list(catalog.BUILTIN)}

    def points(*, group: str) -> list[SimpleNamespace]:
        assert group == "arc.recipes"
        return [SimpleNamespace(load=lambda rows=rows: rows) for rows in packages.values()]

    monkeypatch.setattr(catalog, "entry_points", points)
    catalog.rows.cache_clear()
    catalog.spec.cache_clear()
    yield packages
    catalog.rows.cache_clear()
    catalog.spec.cache_clear()


def test_built_in_recipes_are_installed_as_an_entry_point() -> None:
    catalog.rows.cache_clear()
    assert {row.name for row in catalog.BUILTIN} <= set(catalog.rows())


def test_a_strangers_package_joins_by_the_same_door(installed: dict[str, list[Row]]) -> None:
    installed["stranger"] = [Row("stranger.train", "json:dumps", "json:loads")]
    assert catalog.row("stranger.train").run == "json:loads"
    assert "fundus.classify" in catalog.rows()


def test_a_name_taken_twice_is_broken(installed: dict[str, list[Row]]) -> None:
    installed["rival"] = [Row("fundus.classify", "rival:SPEC", "rival:run")]
    with pytest.raises(RecipeBroken) as caught:
        catalog.rows()
    assert "fundus.classify" in caught.value.message


def test_the_same_row_twice_is_one_row(installed: dict[str, list[Row]]) -> None:
    installed["again"] = list(catalog.BUILTIN)
    assert len(catalog.rows()) == len(catalog.BUILTIN)


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(NotFound) as caught:
        catalog.row("fundus.clasify")
    assert "fundus.classify" in caught.value.message
    assert (caught.value.field, caught.value.value) == ("recipe", "fundus.clasify")


@pytest.mark.parametrize("target", ["no_such_package:run", "json:no_such_name", "json"])
def test_what_cannot_be_loaded_is_named(target: str) -> None:
    with pytest.raises(RecipeBroken) as caught:
        catalog.load(target)
    assert target in caught.value.message


def test_a_spec_that_is_none_is_broken(installed: dict[str, list[Row]]) -> None:
    installed["stranger"] = [Row("stranger.train", "json:dumps", "json:__name__")]
    with pytest.raises(RecipeBroken, match="is not the spec"):
        catalog.spec("stranger.train")
    with pytest.raises(RecipeBroken, match="is not callable"):
        catalog.run_side("stranger.train")
