"""Every choice of a training of fundus.classify beside every other: it trains, stops, resumes to the identical curve, and is loaded again.

Every pair of two choices (a loss with an optimiser, a schedule with a sampler, and so on) occurs with the small network; each large
network is trained once with everything on that could make a resume inexact. The full product would be 71,680 trainings.
"""

import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.numerics.classify_runs import comes_back
from tests.numerics.fundus_dataset import made

CHOICES: dict[str, list[dict[str, Any]]] = {
    "optimiser": [
        {"optimizer": "adam"},
        {"optimizer": "adamw"},
        {"optimizer": "sgd", "backbone_lr_factor": 0.1},
        {"optimizer": "rmsprop", "lr": 1e-4},
        {"optimizer": "muon"},
    ],
    "loss": [
        {"loss": "focal", "focal_alpha": 0.7},
        {"loss": "cross_entropy", "label_smoothing": 0.1},
        {"loss": "weighted_bce", "positive_weight": 2.0},
        {"loss": "compound", "loss_weights": {"focal": 0.5, "cross_entropy": 1.0}},
    ],
    "schedule": [
        {"schedule": "cosine", "warmup_share": 0.3},
        {"schedule": "step", "schedule_epochs": 1},
        {"schedule": "plateau", "schedule_epochs": 1},
        {"schedule": "constant"},
    ],
    "sampling": [
        {"weighted_sampling": False},
        {"weighted_sampling": True},
        {"weighted_sampling": False, "balanced_sites": True},
        {"weighted_sampling": True, "balanced_sites": True},
    ],
    "precision": [{"precision": "bf16"}, {"precision": "fp32"}],
    "ema": [{"ema_decay": 0.9}, {"ema_decay": 0.0}],
    "augmentation": [{"augment": True}, {"augment": False}],
    "accumulation": [{"accumulate": 2}, {"accumulate": 1}],
    "folds": [{"folds": 0}, {"folds": 3, "fold": 1}],
}
SMALL = {"model": "small_cnn", "input_size": 32, "epochs": 3, "batch_size": 6, "dropout": 0.2}
EVERYTHING = {
    "input_size": 32, "epochs": 1, "batch_size": 5, "accumulate": 2, "precision": "bf16", "ema_decay": 0.9, "dropout": 0.3,
    "augment": True, "weighted_sampling": True, "balanced_sites": True, "backbone_lr_factor": 0.5, "clip_norm": 1.0,
}  # fmt: skip
LARGE = {
    "small_resnet": {"optimizer": "muon", "schedule": "plateau", "loss": "focal", "focal_alpha": 0.7},
    "efficientnet_b0": {"optimizer": "adamw", "schedule": "cosine", "loss": "focal"},
    "efficientnet_b3": {"optimizer": "rmsprop", "lr": 1e-4, "schedule": "plateau", "loss": "cross_entropy", "label_smoothing": 0.1},
    "efficientnet_b5": {"optimizer": "sgd", "schedule": "step", "loss": "weighted_bce"},
    "resnet50": {"optimizer": "adam", "schedule": "cosine", "loss": "compound", "loss_weights": {"focal": 1.0, "weighted_bce": 0.5}},
    "vit_base": {"optimizer": "sgd", "lr": 1e-3, "schedule": "constant", "loss": "cross_entropy"},
}


def pairwise(counts: dict[str, int]) -> list[dict[str, int]]:
    """Few rows in which every pair of values of two names occurs: each row begins with a missing pair and takes what covers most."""
    missing = {
        ((one, a), (other, b)) for one, other in combinations(sorted(counts), 2) for a in range(counts[one]) for b in range(counts[other])
    }
    rows = []
    while missing:
        row = dict(min(missing))
        for name in sorted(counts, key=lambda name: -counts[name]):
            if name not in row:
                row[name] = max(range(counts[name]), key=lambda value: sum(pair in missing for pair in _pairs(row | {name: value})))
        missing -= _pairs(row)
        rows.append(row)
    return rows


def _pairs(row: dict[str, int]) -> set[tuple[tuple[str, int], tuple[str, int]]]:
    return set(combinations(sorted(row.items()), 2))


ROWS = pairwise({name: len(values) for name, values in CHOICES.items()})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("dataset"), patients=16)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "".join(str(row[name]) for name in CHOICES))
def test_every_pair_of_choices_comes_back(tmp_path: Path, folder: Path, row: dict[str, int]) -> None:
    params = dict(SMALL)
    for name, value in row.items():
        params |= CHOICES[name][value]
    comes_back(tmp_path, folder, params)


@pytest.mark.parametrize("model", LARGE)
def test_every_large_network_comes_back_with_everything_on(tmp_path: Path, folder: Path, model: str) -> None:
    comes_back(tmp_path, folder, EVERYTHING | {"model": model} | LARGE[model], stop_at=1)
    shutil.rmtree(tmp_path)  # gigabytes, which pytest would keep
