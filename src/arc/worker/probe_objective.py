"""probe.objective and probe.judge, the run sides: a training that leaves its parameters as its model, and who scores them.

The score is 1 − (x − 0.3)² − (y − 0.7)², what the kind does, less a quarter over the epochs, and noise that the
seed of the training and its parameters draw: the same training always has the same score. The judge works it out from the
artifact alone; what the training prints is the score without noise, so that the two can be told apart.
"""

import json
import random
import time
from pathlib import Path
from statistics import NormalDist

from arc.core.errors import BadData, Cancelled
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.worker.probe_objective_spec import JudgeParams, ObjectiveParams

_KINDS = {"plain": 0.0, "good": 0.1, "bad": -0.2}
_SLICE_S = 0.02  # how long it does not notice that it should stop


def run(ctx: RunContext, params: ObjectiveParams) -> Done:
    """Pass the epochs, then leave the parameters and the seed as `model.json`."""
    ctx.phase("train")
    for epoch in range(1, params.epochs + 1):
        _pass_time(ctx, params.sleep_s)
        if params.fail_above is not None and params.x > params.fail_above:
            raise FloatingPointError(f"the loss is not a number at epoch {epoch}")
        ctx.report(epoch, {"score": mean_score(params.model_copy(update={"epochs": epoch}))})
        ctx.progress(epoch, params.epochs, unit="epoch")
    model = json.dumps({"params": params.model_dump(mode="json"), "seed": ctx.seed})
    ctx.save("model.json", "model", lambda path: _write(path, model))
    return Done(metrics={"score": mean_score(params)})


def judge(ctx: RunContext, params: JudgeParams) -> Done:
    """Score the model that was given, with the interval that its noise makes."""
    trained, seed = _read(Path(ctx.input("model").path))
    half = trained.noise * NormalDist().inv_cdf(0.5 + params.confidence / 2)
    found = score(trained, seed)
    return Done(metrics={"score": found, "score_low": found - half, "score_high": found + half})


def mean_score(params: ObjectiveParams) -> float:
    """The score without noise."""
    return 1.0 - (params.x - 0.3) ** 2 - (params.y - 0.7) ** 2 + _KINDS[params.kind] - 0.25 / params.epochs


def score(params: ObjectiveParams, seed: int) -> float:
    """The score of a training with a seed."""
    dice = random.Random(f"{seed}/{params.x}/{params.y}/{params.kind}/{params.epochs}")  # noqa: S311 - dice and no secret
    return mean_score(params) + params.noise * dice.gauss(0.0, 1.0)


def _read(path: Path) -> tuple[ObjectiveParams, int]:
    try:
        model = json.loads(path.read_text())
        return ObjectiveParams.model_validate(model["params"]), int(model["seed"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadData(f"this is no model.json of probe.objective: {error}", field="inputs.model") from None


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _pass_time(ctx: RunContext, seconds: float) -> None:
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        if ctx.should_stop():
            raise Cancelled
        time.sleep(min(left, _SLICE_S))
