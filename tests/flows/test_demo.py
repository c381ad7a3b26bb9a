"""The main job as a user has it: `arc demo`, its report as one file, and what can be done with the result."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from arc.api.control import ControlPlane
from arc.app import build
from arc.cli.root import app as command_line
from arc.settings import Settings

pytestmark = pytest.mark.slow
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install 'arc-control[train]'")


def _arc(workspace: Path, *words: str) -> Result:
    return CliRunner().invoke(command_line, ["--workspace", str(workspace), *words])


def _document(result: Result, *, exit_code: int = 0) -> Any:
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo of this file runs."""
    return tmp_path_factory.mktemp("demo") / "ws"


@pytest.fixture(scope="module")
def demo(workspace: Path) -> Any:
    """A small demo, run once: its document."""
    return _document(_arc(workspace, "demo", "--quick", "--patients", "40", "--epochs", "2", "--json"))


class _Loads(HTMLParser):
    """Collects whatever a page would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note every address that a browser follows by itself."""
        for name, value in attrs:
            loads = name in ("src", "srcset", "data", "poster", "background") or (name == "href" and tag == "link")
            if loads and not (value or "").startswith(("data:", "#")):
                self.found.append(f"{tag} {name}={value}")


def _loaded_from_elsewhere(page: str) -> list[str]:
    parser = _Loads()
    parser.feed(page)
    return parser.found + re.findall(r"(?:url\(\s*['\"]?(?!data:|#)[^)]+|@import[^;]+)", page)


def test_the_report_opens_as_one_file_without_a_network(demo: Any, workspace: Path) -> None:
    report = Path(demo["report"])
    assert report == workspace / "experiments" / demo["experiment_id"] / "results" / "report.html"
    page = report.read_text(encoding="utf-8")
    assert _loaded_from_elsewhere(page) == []
    assert "arc demo --quick --patients 40 --epochs 2 --seed 7" in page
    assert "ot shown" in page


def test_the_verdict_has_an_interval_and_is_of_sealed_patients(demo: Any) -> None:
    auc = demo["result"]["metrics"]["auc"]
    assert auc["low"] <= auc["value"] <= auc["high"]
    assert demo["result"]["split"] == "sealed"
    assert demo["result"]["simulated"] is False
    assert len(demo["jobs"]) == 5


def test_it_ends_with_a_short_study_that_claims_nothing_without_a_test(demo: Any, workspace: Path) -> None:
    study = demo["study"]
    assert study["state"] == "finished"
    assert study["summary"]["experiments"] == 6
    assert study["summary"]["verdict"] == "not known yet"
    assert study["summary"]["tests"] == []
    page = Path(study["page"]).read_text(encoding="utf-8")
    assert "Not known yet" in page
    assert _loaded_from_elsewhere(page) == []
    shown = _arc(workspace, "study", "show", study["id"], "--decisions")
    assert "stop" in shown.stdout


def test_its_experiment_is_shown_with_what_was_measured(demo: Any, workspace: Path) -> None:
    shown = _arc(workspace, "experiments", "show", demo["experiment_id"])
    assert shown.exit_code == 0
    assert "auc" in shown.stdout
    listed = _document(_arc(workspace, "experiments", "list", "--json"))["items"]
    assert listed[-1]["id"] == demo["experiment_id"]
    assert listed[-1]["metrics"]["auc"] == demo["metrics"]["auc"]
    assert len(listed) == 1 + demo["study"]["summary"]["experiments"]
    assert "AUC" in _arc(workspace, "experiments", "list").stdout


def test_a_further_training_is_evaluated_archived_and_deleted(demo: Any, workspace: Path) -> None:
    words = ("train", "classifier", "--dataset", "synthetic", "--epochs", "1", "-p", "input_size=32", "--json")
    trained = _document(_arc(workspace, *words))
    experiment = trained["experiment_id"]
    judged = _arc(workspace, "eval", experiment, "--split", "val")
    assert judged.exit_code == 0
    assert "seen in training only to choose by" in judged.stdout
    assert _document(_arc(workspace, "eval", trained["id"], "--threshold", "0.3", "--json"))["result"]["threshold"] == 0.3
    assert _arc(workspace, "experiments", "archive", experiment).exit_code == 0
    listed = _document(_arc(workspace, "experiments", "list", "--json"))["items"]
    assert experiment not in [one["id"] for one in listed]
    folder = workspace / "experiments" / experiment
    assert folder.is_dir()
    assert CliRunner().invoke(command_line, ["-w", str(workspace), "experiments", "delete", experiment], input="n\n").exit_code == 1
    assert folder.is_dir()
    assert _document(_arc(workspace, "experiments", "delete", experiment, "--yes", "--json"))["deleted"] is True
    assert not folder.exists()


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A user's own folder: one folder a class, twelve small photographs each."""
    for shade, name in ((60, "normal"), (180, "glaucoma")):
        (tmp_path / "My eyes" / name).mkdir(parents=True)
        for number in range(12):
            picture = Image.effect_noise((96, 80), 30).convert("RGB").point(lambda value, base=shade: min(255, value // 2 + base))
            picture.save(tmp_path / "My eyes" / name / f"{number:02d}.jpg")
    return tmp_path / "My eyes"


def _bytes_below(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*.*"))}


@pytest.mark.parametrize("pack", [lambda folder: folder, lambda folder: Path(shutil.make_archive(str(folder), "zip", folder))])
def test_a_users_own_photographs_are_judged_and_left_alone(tmp_path: Path, photographs: Path, pack: Callable[[Path], Path]) -> None:
    data = pack(photographs)
    before = _bytes_below(tmp_path)
    result = _arc(tmp_path / "ws", "demo", "--quick", "--data", str(data), "--epochs", "1")
    assert result.exit_code == 0, result.output
    assert "patients unknown" in result.stdout
    assert "My-eyes@1" in result.stdout
    report, page = (Path(line.split()[1]) for line in result.stdout.splitlines() if line.startswith(("report ", "page ")))
    assert report.is_file()
    assert page.is_file()
    assert {name: digest for name, digest in _bytes_below(tmp_path).items() if not name.startswith("ws/")} == before


def test_thirty_real_photographs_give_a_wide_interval(tmp_path: Path, sample_data: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "hrf"), "zip", sample_data / "hrf" / "images")
    found = _document(_arc(tmp_path / "ws", "demo", "--quick", "--data", archive, "--epochs", "1", "--json"))
    auc = found["result"]["metrics"]["auc"]
    assert found["result"]["dataset"]["name"] == "hrf"
    assert auc["high"] - auc["low"] > 0.2


def test_data_that_is_none_fails_in_a_few_words(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read me.txt").write_text("no photographs here")
    result = _arc(tmp_path / "ws", "demo", "--data", str(tmp_path / "notes"))
    assert result.exit_code == 1
    assert "Error: data.unpack failed" in result.stderr
    assert "(bad_data)" in result.stderr
    assert "Traceback" not in result.output


def test_a_control_plane_that_may_not_read_the_folder_says_how_to_allow_it(tmp_path: Path, photographs: Path) -> None:
    plane = ControlPlane(build(Settings(workspace=tmp_path / "ws")), port=0)
    plane.start_background()
    try:
        result = _arc(tmp_path / "ws", "demo", "--data", str(photographs))
    finally:
        plane.stop()
    assert result.exit_code == 2
    assert "ARC_DATA_ROOTS" in result.stderr
