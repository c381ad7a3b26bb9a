"""Limits: what an attempt's process is allowed and told before the recipe runs.

The libraries that are already in memory (the warm server imported them) are told their number of threads and
their seed by their own functions; none is imported for that. Memory is watched from outside, as private
memory: an address space limit would refuse what torch only maps.
"""

import faulthandler
import os
import random
import resource
import sys
from pathlib import Path
from typing import Final

from arc.core.ports import LaunchOrder

_OOM_SCORE: Final = "500"  # when memory runs out, the kernel ends an attempt rather than the control plane
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def confine(order: LaunchOrder, *, mark: str) -> None:
    """Working folder, limits and environment of this process; before the recipe is loaded."""
    os.chdir(order.staging)
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    try:
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    except OSError:
        pass  # a container may forbid it, and nothing depends on it
    faulthandler.enable()
    environment = os.environ  # noqa: TID251 - written for this process and its children, not read
    environment.update(dict.fromkeys(_THREAD_VARIABLES, str(order.threads)))
    environment["CUDA_VISIBLE_DEVICES"] = ",".join(str(gpu) for gpu in order.gpu_ids)
    environment["ARC_PROCESS"] = mark


def tell_libraries(order: LaunchOrder) -> None:
    """Threads and seed for every library that is loaded; after the recipe is loaded."""
    random.seed(order.seed)
    numpy, torch, cv2 = (sys.modules.get(name) for name in ("numpy", "torch", "cv2"))
    if numpy is not None:
        numpy.random.seed(order.seed % 2**32)
    if torch is not None:
        torch.set_num_threads(order.threads)
        torch.manual_seed(order.seed)
    if cv2 is not None:
        cv2.setNumThreads(order.threads)
