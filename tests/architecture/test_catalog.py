"""The strings of the catalog are invisible to a linter, so each is loaded here: specs without torch, run sides with it."""

import json
import subprocess
import sys

import pytest

from arc import catalog
from arc.core.artifact import ArtifactKind

LOAD_SPECS = """
import json, sys
from arc import catalog
names = [catalog.spec(name).name for name in catalog.rows()]
heavy = [name for name in ("torch", "monai", "ray", "cv2", "matplotlib", "scipy", "pandas") if name in sys.modules]
print(json.dumps({"names": names, "heavy": heavy}))
"""
LOAD_DOORS = """
import json, sys
import arc.api, arc.app, arc.cli, arc.client, arc.stats
print(json.dumps([name for name in ("torch", "monai", "ray", "streamlit", "scipy", "pandas", "matplotlib") if name in sys.modules]))
"""


def _output(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_every_spec_loads_without_torch() -> None:
    found = json.loads(_output(LOAD_SPECS))
    assert set(found["names"]) == set(catalog.rows())
    assert found["heavy"] == []


def test_the_doors_load_without_torch() -> None:
    assert json.loads(_output(LOAD_DOORS)) == []


@pytest.mark.parametrize("name", sorted(row.name for row in catalog.BUILTIN))
def test_every_run_side_loads(name: str) -> None:
    pytest.importorskip("torch", reason="the work column needs the extra `train`")
    assert callable(catalog.run_side(name))


@pytest.mark.parametrize("name", sorted(row.name for row in catalog.BUILTIN))
def test_every_spec_explains_itself(name: str) -> None:
    spec = catalog.spec(name)
    assert spec.title
    assert spec.version
    assert set(spec.outputs.values()) <= {*ArtifactKind, "dataset"}
    for field, info in spec.params.model_fields.items():
        assert info.description, f"{name}: {field} has no description"
        assert not info.is_required() or spec.purpose == "orchestrate", f"{name}: {field} has no default"
    for field, given in spec.inputs.items():
        assert given.help, f"{name}: input {field} has no help"
    assert spec.purpose in {"evaluate", "data"} or all("sealed" not in given.splits for given in spec.inputs.values())
