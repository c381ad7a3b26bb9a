"""Evaluation of stored predictions with all intervals, on one core.

1,000 photographs of 500 patients, four sites and two eyes, a temperature: what `arc.fundus.stored.again` computes, from the
text of predictions.csv to evaluation.json. The lower bound in the same run is the same resampling with one number alone, the mean
of the labels; the peer is scikit-learn's `roc_auc_score` called for each of 2,000 draws, which gives one interval.
Prints the median of the rounds and their range, in processor time and by the clock.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/bench_evaluate.py --rounds 5
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from arc.data.manifest import Row
from arc.fundus import card, stored
from arc.stats import resample

CLASSES = ("normal", "glaucoma")


def predictions(photographs: int) -> str:
    """The text of a predictions.csv: two eyes a patient, alike as the eyes of one person are."""
    random = np.random.default_rng(0)
    illness = np.repeat(random.integers(0, 2, photographs // 2), 2)
    odds = 2 * illness - 1 + np.repeat(random.normal(size=photographs // 2), 2) + random.normal(size=photographs)
    rows = [
        Row(file=f"{n}.jpg", label=CLASSES[label], index=label, patient=f"P{n // 2}", eye="LR"[n % 2],
            site=f"S{n // 2 % 4}", sha256="0" * 64, bytes=1)
        for n, label in enumerate(illness.tolist())
    ]  # fmt: skip
    scaled, unscaled = ((1 / (1 + np.exp(-heat * odds))).tolist() for heat in (1.0, 2.0))
    return stored.table(rows, scaled, unscaled, threshold=0.5)


def evaluation(text: str) -> dict[str, Any]:
    """A first evaluation, as `fundus.evaluate` leaves it."""
    told: dict[str, Any] = {
        "threshold": 0.5, "confidence": 0.95, "seed": 0, "temperature": {"value": 2.0, "from": "the model"}, "patients_known": True,
        "operating_points": {"val_specificity_85": 0.6, "val_specificity_95": 0.8},
    }  # fmt: skip
    judged = stored.read(text, patients_known=True)
    found = told | stored.measured(judged, told)
    return found | {"card": card.facts(judged, found, sites_elsewhere=()) | {"not_shown": []}}


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds of processor and clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - cpu, time.perf_counter() - wall


def one_interval(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The peer: an interval of one number, by patient."""
    random, pairs = np.random.default_rng(0), np.arange(len(labels)).reshape(-1, 2)
    drawn = (pairs[random.integers(0, len(pairs), len(pairs))].ravel() for _ in range(2000))
    return np.quantile([roc_auc_score(labels[rows], scores[rows]) for rows in drawn], [0.025, 0.975])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    text = predictions(args.photographs)
    first = evaluation(text)
    judged = stored.read(text, patients_known=True)
    labels, scores = np.array([one.label for one in judged]), np.array([one.probability for one in judged])
    patients = np.arange(len(judged)) // 2
    calls: dict[str, Callable[[], object]] = {
        "all figures, all intervals": lambda: stored.again(text, first),
        "bound: one mean, resampled": lambda: resample(
            lambda w: w @ labels[:, None] / w.sum(axis=1)[:, None], len(labels), groups=patients
        ),
        "peer: roc_auc_score 2,000 times": lambda: one_interval(labels, scores),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(args.rounds):
        for name, call in calls.items():
            found[name].append(timed(call))
    intervals = str(first).count("'low'")
    print(f"{args.photographs} photographs, {intervals} intervals, {args.rounds} rounds in turns")
    for name, times in found.items():
        cpu, wall = (sorted(column) for column in zip(*times, strict=True))
        print(
            f"{name}: processor {statistics.median(cpu):.2f} s [{cpu[0]:.2f}-{cpu[-1]:.2f}], clock {statistics.median(wall):.2f} s [{wall[0]:.2f}-{wall[-1]:.2f}]"
        )


if __name__ == "__main__":
    main()
