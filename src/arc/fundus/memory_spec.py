"""How much memory the training of a classifier takes: by its network, its pictures and its batch.

Two parts: the numbers that are kept of each weight (itself, its gradient, two of the optimiser, the running mean, the best epoch
and a copy while the mean is judged), and what a batch leaves behind in the forward pass. The second was measured as the peak of the resident
set of a whole `fundus.classify` in fp32 on a CPU, with adamw and a running mean, less the first part (docs/lab-log). With a
GPU it lies there, and the process keeps the weights alone beside what CUDA takes.

Imports nothing, as the control plane asks.
"""

from collections.abc import Mapping
from typing import Any, Final

_COPIES: Final = 7  # numbers kept of a weight
_BASE_GB: Final = 0.5  # torch and MONAI themselves, and the photographs of a small set
_CUDA_GB: Final = 1.5  # what its libraries take of main memory
_USUAL_BATCH: Final = 16
_MADE_OF: Final = {  # millions of weights; bytes per pixel of a batch
    "small_cnn": (0.1, 500),
    "small_resnet": (2.8, 1500),
    "efficientnet_b0": (4.0, 2600),
    "efficientnet_b3": (10.7, 4700),
    "efficientnet_b5": (28.3, 9000),
    "resnet50": (23.5, 1900),
    "vit_base": (85.7, 2000),
}


def training_gb(params: Mapping[str, Any], gpu: bool) -> float:
    """GB of main memory for params of `fundus.classify`, rounded up to tenths; `gpu` says that one computes."""
    millions, pixel_bytes = _MADE_OF[params["model"]]
    weights_gb = _COPIES * 4 * millions / 1e3
    pixels = (params["batch_size"] or _USUAL_BATCH) * params["input_size"] ** 2
    rest_gb = _CUDA_GB if gpu else pixels * pixel_bytes / 1e9
    return -(-10 * (_BASE_GB + weights_gb + rest_gb) // 1) / 10
