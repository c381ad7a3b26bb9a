"""The code version: changes when, and only when, what a fork would run has changed."""

import os
from pathlib import Path

from arc.worker.code_version import code_version, roots


def test_arc_itself_is_watched() -> None:
    assert any(Path(place, "worker", "warm.py").is_file() for place in roots())


def test_it_changes_with_the_sources_and_not_with_what_python_caches(tmp_path: Path) -> None:
    source = tmp_path / "package" / "deep" / "module.py"
    source.parent.mkdir(parents=True)
    source.write_text("a = 1\n")
    places = [str(tmp_path / "package"), str(tmp_path / "single.py")]
    seen = [code_version(places)]
    cache = tmp_path / "package" / "__pycache__"
    cache.mkdir()
    (cache / "module.py").write_text("")
    (tmp_path / "package" / "notes.txt").write_text("")
    assert code_version(places) == seen[0]
    os.utime(source, ns=(1, 1))
    seen.append(code_version(places))
    source.write_text("a = 10\n")
    seen.append(code_version(places))
    (tmp_path / "single.py").write_text("")
    seen.append(code_version(places))
    source.unlink()
    seen.append(code_version(places))
    assert len(set(seen)) == len(seen)


def test_it_changes_with_what_is_installed(tmp_path: Path, monkeypatch: object) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    before = code_version([])
    (tmp_path / "notes.txt").write_text("")
    assert code_version([]) == before
    (tmp_path / "stranger-1.dist-info").mkdir()
    assert code_version([]) != before
