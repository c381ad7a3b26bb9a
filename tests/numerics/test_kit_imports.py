"""The warm server imports the kit and then forks: no tensor operation may have run by then, or the child hangs."""

import pkgutil
import subprocess
import sys

import arc.kit

MODULES = sorted(module.name for module in pkgutil.iter_modules(arc.kit.__path__, "arc.kit."))

TRAP = """
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

FORK = """
import importlib, os, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
import torch
pid = os.fork()
if pid == 0:
    (torch.rand(600, 600) @ torch.rand(600, 600)).sum()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code, *MODULES], capture_output=True, text=True, timeout=120)


def test_no_tensor_operation_runs_while_the_kit_is_imported():
    assert "arc.kit.loop" in MODULES
    done = run(TRAP)
    assert done.returncode == 0, done.stderr


def test_a_child_forked_after_the_imports_can_compute():
    done = run(FORK)
    assert done.returncode == 0, done.stderr


def test_the_spec_reaches_no_torch():
    code = "import arc.kit.spec, arc.kit.sandbox, arc.kit.metrics, arc.kit.report, sys; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
