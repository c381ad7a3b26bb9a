"""Settings: which source wins, what a wrong value says, and that none is left unexplained."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.errors import InvalidSpec
from arc.settings import Settings, env_names, load, table


def test_without_anything_the_defaults_hold(in_folder: Path) -> None:
    settings, sources = load()
    assert settings.workspace == in_folder / "arc-workspace"
    assert sources == {}
    assert settings == Settings(workspace=in_folder / "arc-workspace")


def test_the_command_line_wins_over_environment_over_file_over_default(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (in_folder / "arc.toml").write_text("port = 1\nhost = '127.0.0.2'\nlight_slots = 5\n")
    monkeypatch.setenv("ARC_PORT", "2")
    monkeypatch.setenv("ARC_HOST", "127.0.0.3")
    settings, sources = load({"port": 3, "host": None})
    assert (settings.port, settings.host, settings.light_slots, settings.task_slots) == (3, "127.0.0.3", 5, 0)
    assert sources == {"port": "command line", "host": "environment ARC_HOST", "light_slots": str(in_folder / "arc.toml")}


def test_the_working_folder_wins_over_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "ws").mkdir()
    (tmp_path / "arc.toml").write_text("workspace = 'ws'\nport = 1\n")
    (tmp_path / "ws" / "arc.toml").write_text("port = 2\nlight_slots = 7\n")
    settings, sources = load({"workspace": "ws"}, folder=tmp_path)
    assert (settings.port, settings.light_slots) == (1, 7)
    assert sources["light_slots"] == str(tmp_path / "ws" / "arc.toml")


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if len(env_names(name)) > 1])
def test_an_older_name_is_accepted_and_the_proper_one_wins(name: str, in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proper, older = env_names(name)
    text = name.endswith("url")
    monkeypatch.setenv(older, "http://a" if text else "3")
    settings, sources = load()
    assert getattr(settings, name) == ("http://a" if text else 3)
    assert sources[name] == f"environment {older}"
    monkeypatch.setenv(proper, "http://b" if text else "4")
    settings, sources = load()
    assert getattr(settings, name) == ("http://b" if text else 4)
    assert sources[name] == f"environment {proper}"


def test_a_list_is_separated_by_commas(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARC_DATA_ROOTS", "/data, /more ,")
    monkeypatch.setenv("ARC_ALLOWED_HOSTS", "")
    settings, _ = load()
    assert settings.data_roots == [Path("/data"), Path("/more")]
    assert settings.allowed_hosts == []


@pytest.mark.parametrize(("name", "value"), [("port", "70000"), ("port", "http"), ("lease_ttl_s", "0"), ("lease_ttl_s", "nan")])
def test_a_wrong_value_names_setting_value_and_source(name: str, value: str, in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(env_names(name)[0], value)
    with pytest.raises(InvalidSpec) as caught:
        load()
    assert caught.value.field == name
    assert all(part in caught.value.message for part in (name, value, f"environment ARC_{name.upper()}"))


@pytest.mark.parametrize(("content", "field"), [("prot = 1\n", "prot"), ("port = \n", "arc.toml"), ("\udcff", "arc.toml")])
def test_a_wrong_file_names_itself(content: str, field: str, in_folder: Path) -> None:
    (in_folder / "arc.toml").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InvalidSpec) as caught:
        load()
    assert caught.value.field == field
    assert "arc.toml" in caught.value.message


@given(name=st.sampled_from(sorted(Settings.model_fields)), value=st.text(st.characters(exclude_characters="\0"), max_size=20))
def test_any_override_is_taken_or_refused_by_name(name: str, value: str) -> None:
    try:
        load({name: value}, folder=Path("/nonexistent"))
    except InvalidSpec as error:
        assert error.field == name


def test_every_setting_says_its_unit_and_its_reason(in_folder: Path) -> None:
    rows = table(*load())
    assert [row.name for row in rows] == list(Settings.model_fields)
    for row in rows:
        assert row.unit, row.name
        assert row.reason.endswith("."), row.name
        assert row.source == "default"


def test_settings_do_not_change_after_they_were_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]
