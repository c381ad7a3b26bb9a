"""Precision: which numbers a forward pass is computed in, and the flags that make it repeatable.

On a GPU the default is bf16, or fp16 with a gradient scaler where bf16 is not supported; on a CPU it is
fp32, because the exact resume that the house promises is a promise about fp32 on a CPU.

Not covered: fp8, and models whose parameters themselves are kept in half precision.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from arc.core.errors import InvalidSpec

_NOTHING = nullcontext()
_DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Precision:
    """A choice made for one device."""

    name: str  # fp32, bf16 or fp16
    device_type: str
    dtype: torch.dtype | None  # of the forward pass; None leaves it alone

    @property
    def scaled(self) -> bool:
        """Whether gradients need a scaler to stay above the smallest fp16."""
        return self.dtype is torch.float16

    def autocast(self) -> AbstractContextManager[object]:
        """A context for the forward pass and the loss; costs nothing in fp32."""
        if self.dtype is None:
            return _NOTHING
        return torch.autocast(self.device_type, dtype=self.dtype)

    def scaler(self) -> torch.amp.GradScaler | None:
        """A new gradient scaler when the precision needs one."""
        return torch.amp.GradScaler(self.device_type) if self.scaled else None


def choose(name: str, device: torch.device) -> Precision:
    """The precision for a device; InvalidSpec for an unknown name or for fp16 on a CPU (slower there, and less exact)."""
    if name == "auto":
        name = "fp32" if device.type != "cuda" else ("bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16")
    if name not in _DTYPES:
        raise InvalidSpec(f"precision {name[:60]!r} is not auto, fp32, bf16 or fp16", field="precision", value=name[:60])
    if name == "fp16" and device.type != "cuda":
        raise InvalidSpec("precision fp16 needs a GPU; use fp32 or bf16 on a CPU", field="precision", value=name)
    return Precision(name, device.type, _DTYPES[name])


def repeatable(enabled: bool = True, *, strict: bool = False) -> None:
    """Ask torch for algorithms that give the same bits each time (or stop asking).

    On a CPU with a fixed thread count the usual layers are repeatable anyway. On a GPU some operations have no
    repeatable form: with `strict` they raise, else they warn once. Matrix products on a GPU are repeatable only
    when CUBLAS_WORKSPACE_CONFIG was set before the process started, which is for the launcher to do.
    """
    torch.use_deterministic_algorithms(enabled, warn_only=not strict)
    torch.backends.cudnn.deterministic = enabled
    torch.backends.cudnn.benchmark = not enabled and torch.cuda.is_available()
