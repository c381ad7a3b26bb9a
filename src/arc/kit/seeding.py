"""Seeds: where randomness comes from, and how its state is kept and put back.

Two kinds are kept apart. What decides *which data* is seen (order of samples, augmentation) is a pure
function of seed, epoch and position, so that it needs no state and does not depend on how many workers
load it. What happens *inside the model* (dropout) draws from torch's global generator, whose state goes into
every checkpoint together with those of Python and numpy.

Not covered: randomness of libraries with generators of their own, such as OpenCV's.
"""

import hashlib
import random
from typing import Any

import numpy as np
import torch

from arc.core.errors import BadData

_WORDS = 625  # Python's Mersenne twister: 624 words and a position


def derive(seed: int, *path: int | str) -> int:
    """A seed of 63 bits for the place `path` under `seed`: the same everywhere and always, unrelated to its neighbours."""
    text = ":".join(str(part) for part in (seed, *path))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def seed_all(seed: int) -> None:
    """Seed the global generators of Python, numpy and torch (all devices). Call before the model is built."""
    random.seed(derive(seed, "python"))
    np.random.seed(derive(seed, "numpy") % 2**32)
    torch.manual_seed(derive(seed, "torch"))


def generator(seed: int, *path: int | str) -> torch.Generator:
    """A torch generator of its own for the place `path`, for instance (epoch,) or ("init", "head")."""
    made = torch.Generator()
    made.manual_seed(derive(seed, *path))
    return made


def rng_state() -> dict[str, Any]:
    """The state of all global generators, as tensors and JSON values that `arc.kit.checkpoint` can keep."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": {"version": version, "words": torch.tensor(words, dtype=torch.int64), "gauss": gauss},
        "numpy": {
            "name": str(name),
            "keys": torch.from_numpy(np.asarray(keys, dtype=np.int64).copy()),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached": float(cached),
        },
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_rng(state: dict[str, Any]) -> None:
    """Put back what `rng_state` took; BadData when it is damaged.

    GPU states are restored for as many GPUs as both sides have: a run that moves to another machine is then
    no longer exact, and could not have been.
    """
    try:
        python, numpy = state["python"], state["numpy"]
        words = tuple(python["words"].tolist())
        if len(words) != _WORDS:
            raise ValueError(f"{len(words)} words instead of {_WORDS}")
        keys = numpy["keys"].numpy().astype(np.uint32)
        random.setstate((python["version"], words, python["gauss"]))
        np.random.set_state((numpy["name"], keys, numpy["position"], numpy["has_gauss"], numpy["cached"]))
        torch.set_rng_state(state["torch"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise BadData(f"the random state of the checkpoint cannot be used: {error}", field="rng") from None
    if torch.cuda.is_available():
        for index, one in enumerate(state.get("cuda", [])[: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(one, index)
