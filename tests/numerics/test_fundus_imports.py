"""What may happen while the data and fundus recipes are imported: the warm server does it and then forks."""

import subprocess
import sys

import pytest

from arc import catalog

RUN_SIDES = sorted(row.run.partition(":")[0] for row in catalog.BUILTIN if row.name.startswith(("data.", "fundus.")))
PREDICTOR = "arc.fundus.predict"

NO_TENSOR_OPERATION = """
import importlib, sys
import torch
from torch.utils._python_dispatch import TorchDispatchMode

class Trap(TorchDispatchMode):
    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        raise SystemExit(f"{operation} ran while {name} was imported")

with Trap():
    for name in sys.argv[1:]:
        importlib.import_module(name)
"""

A_CHILD_CAN_COMPUTE = """
import importlib, os, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
import cv2, numpy, torch
if os.fork() == 0:
    torch.set_num_threads(2)
    (torch.rand(600, 600) @ torch.rand(600, 600)).sum()
    cv2.GaussianBlur(numpy.zeros((600, 600, 3), numpy.float32), (0, 0), 3.0)
    os._exit(0)
assert os.wait()[1] == 0
"""


def run(code: str, *names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("code", [NO_TENSOR_OPERATION, A_CHILD_CAN_COMPUTE])
def test_a_child_forked_after_the_imports_is_whole(code: str) -> None:
    assert len(RUN_SIDES) == 17
    done = run(code, *RUN_SIDES, PREDICTOR)
    assert done.returncode == 0, done.stderr


def test_the_data_recipes_and_all_specs_do_without_torch() -> None:
    names = ["arc.data.spec", "arc.data.synthetic", "arc.data.unpack", "arc.data.photographs", "arc.fundus.spec", "arc.fundus.segment_spec"]
    names += ["arc.fundus.explain_spec"]
    done = run("import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]; assert 'torch' not in sys.modules", *names)
    assert done.returncode == 0, done.stderr
