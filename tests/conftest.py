"""What every test may rely on: a clean environment, one native thread, and a reason for whatever is skipped."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_SAMPLES = os.environ.get("ARC_SAMPLE_DATA", str(Path(__file__).parents[1] / ".." / "shared" / "data"))

for _name in [name for name in os.environ if name.startswith("ARC_") or name == "CONTROL_PLANE_URL"]:
    del os.environ[_name]  # what the developer has set must not decide a test
os.environ.setdefault("OMP_NUM_THREADS", "1")  # xdist runs several processes on the same cores

settings.register_profile(
    "arc", deadline=None, max_examples=60, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("arc")


def chromium() -> str | None:
    """The path of a Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def _has_gpu() -> bool:
    if not Path("/dev/nvidiactl").exists():
        return False
    torch = pytest.importorskip("torch")
    return bool(torch.cuda.is_available())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine cannot run."""
    if any(item.get_closest_marker("gpu") for item in items) and not _has_gpu():
        _skip(items, "gpu", "no CUDA device")
    if chromium() is None:
        _skip(items, "browser", "no Chromium")


def _skip(items: list[pytest.Item], marker: str, reason: str) -> None:
    for item in items:
        if item.get_closest_marker(marker):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder of real photographs; a clone has none, and says so."""
    folder = Path(_SAMPLES).resolve()
    if not folder.is_dir():
        pytest.skip(f"no sample data at {folder}; set ARC_SAMPLE_DATA")
    return folder


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
