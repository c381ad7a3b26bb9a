"""A training script as a team has one: configured by Hydra, writing its metrics and checkpoints, knowing nothing of ARC.

By itself: python examples/acuvue_style/train_classification.py trainer.epochs=5
As a job:  arc script examples/acuvue_style/train_classification.py trainer.epochs=5 \\
               --resume 'trainer.resume_from={checkpoint}' --result 'checkpoints/best.npz'

The model is a logistic regression on drawn pictures, so that it runs in a second on any machine. Without Hydra it reads
the same file and the same overrides by a few lines of its own.
"""

import csv
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import yaml

HERE = Path(__file__).parent


def pictures(count: int, size_px: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright disc, large for label 1 and small for 0; (N, size_px²) and (N,)."""
    labels = rng.integers(0, 2, count)
    y, x = np.mgrid[:size_px, :size_px] - size_px / 2 + 0.5
    radius = np.where(labels == 1, 0.34, 0.24) * size_px
    discs = (x**2 + y**2)[None] < radius[:, None, None] ** 2
    return (discs + rng.normal(0, 1.0, discs.shape)).reshape(count, -1), labels


def train(cfg: Any) -> None:
    """Gradient descent, an epoch a step; the order of the batches depends on seed and epoch alone."""
    x, y = pictures(cfg.data.pictures, cfg.data.size_px, np.random.default_rng(cfg.seed))
    held = len(y) // 4
    weights, first, best = np.zeros(x.shape[1] + 1), 1, 0.0
    if cfg.trainer.resume_from:
        with np.load(cfg.trainer.resume_from) as state:
            weights, first, best = state["weights"], int(state["epoch"]) + 1, float(state["best"])
        print(f"resumed at epoch {first}")
    Path("checkpoints").mkdir(exist_ok=True)
    with Path("metrics.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["epoch", "train_loss", "val_accuracy"])
        for epoch in range(first, cfg.trainer.epochs + 1):
            for batch in np.array_split(np.random.default_rng((cfg.seed, epoch)).permutation(len(y) - held) + held, 8):
                slope = probability(weights, x[batch]) - y[batch]
                weights = weights - cfg.optimizer.lr / len(batch) * np.append(slope @ x[batch], slope.sum())
            p = np.clip(probability(weights, x[held:]), 1e-12, 1 - 1e-12)
            loss = float(-np.mean(np.where(y[held:] == 1, np.log(p), np.log(1 - p))))
            accuracy = float(np.mean((probability(weights, x[:held]) > 0.5) == y[:held]))
            table.writerow([epoch, loss, accuracy])
            file.flush()
            if accuracy > best:
                best = accuracy
                save(Path("checkpoints/best.npz"), weights, epoch, best)
            save(Path(f"checkpoints/epoch_{epoch:04d}.npz"), weights, epoch, best)
            print(f"epoch {epoch}: loss {loss:.4f}, accuracy {accuracy:.3f}")
            time.sleep(cfg.trainer.epoch_s)


def probability(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Of label 1, (N,)."""
    return 1 / (1 + np.exp(-np.clip(x @ weights[:-1] + weights[-1], -500, 500)))


def save(path: Path, weights: np.ndarray, epoch: int, best: float) -> None:
    """Under another name first, so that a reader finds all of it or nothing."""
    part = path.with_name(f"part-{path.name}")
    np.savez(part, weights=weights, epoch=epoch, best=best)
    part.replace(path)


def without_hydra() -> None:
    """config.yaml with the overrides of the command line."""
    config = yaml.safe_load((HERE / "conf/config.yaml").read_text())
    for text in sys.argv[1:]:
        key, _, value = text.partition("=")
        *groups, last = key.split(".")
        place = config
        for group in groups:
            place = place[group]
        place[last]  # KeyError for what is not there, as Hydra would say
        place[last] = yaml.safe_load(value)
    train(SimpleNamespace(**{name: SimpleNamespace(**value) if isinstance(value, dict) else value for name, value in config.items()}))


try:
    import hydra
except ImportError:
    hydra = None

if __name__ == "__main__":
    if hydra is None:
        without_hydra()
    else:
        hydra.main(version_base=None, config_path="conf", config_name="config")(train)()
