"""research.study and research.selftest, the run sides: carry a study on, then leave its page and its exports; test the rules.

The study's memory is in the store; this process may die at any moment and another goes on. Not covered: the decisions
(`arc.research.campaign`) and the budget, which the control plane counts.
"""

from typing import Any

from arc.client import Client
from arc.core.errors import PermanentError
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.kit import report
from arc.kit.documents import save_json, save_text
from arc.research import controls, exports, generator, page, summary
from arc.research.campaign import Campaign
from arc.research.http_desk import HttpDesk
from arc.research.language.endpoint import Endpoint
from arc.research.language.writer import Writer
from arc.research.learned import Model, trials
from arc.research.memory import Memory
from arc.research.model.calibration import calibration
from arc.research.selftest import selftest
from arc.research.spec import SelfTestParams, StudyParams
from arc.research.view import View


def run(ctx: RunContext, params: StudyParams) -> Done:
    """Run the study to its end, or one cycle of it; Done with its summary. Cancelled when it was paused or stopped: it goes on where it is."""
    if ctx.control_url is None:
        raise PermanentError("no control plane is served that this study could ask", field="control_url")
    ctx.phase("study")
    with Client(ctx.control_url, ctx.secret) as arc:
        desk = HttpDesk(
            arc, params.study, asked_to_stop=ctx.should_stop, told=lambda done, of: ctx.progress(done, of, unit="experiment")
        )  # fmt: skip
        campaign = begin(desk)
        if params.cycles is None:
            campaign.run()
        else:
            campaign.some(params.cycles, decide_only=params.decide_only)
        ctx.phase("report")
        view = campaign.view()
        told = summary.of(view, campaign.memory)
        _leave(ctx, view, campaign.memory, told)
    incumbent = told["incumbent"] or {}
    metrics = {view.metric: incumbent.get("mean"), f"{view.metric}_low": incumbent.get("low"), f"{view.metric}_high": incumbent.get("high")}
    return Done(metrics=metrics | {"experiments": told["experiments"]}, result=told)


def begin(desk: HttpDesk) -> Campaign:
    """The campaign of a study at a desk, as far as its records go."""
    study = desk.study()
    space = study.spec.space
    assert space is not None  # a study that was made has one
    start = generator.searched(space, study.spec.baseline)
    asked = study.spec.language_model
    language = Writer(Endpoint(asked)) if asked is not None else None
    return Campaign(desk, Memory.of(study, space, start), study.spec.baseline, learn=Model, language=language)


def test_rules(ctx: RunContext, params: SelfTestParams) -> Done:
    """Rehearse studies with nothing to find and with an effect of two sigma; Done with both rates."""
    found = selftest(
        studies=params.studies, experiments=params.experiments, seed=ctx.seed, tell=lambda done, of: ctx.progress(done, of, unit="study")
    ).as_dict()  # fmt: skip
    save_json(ctx, "selftest.json", "result", found)
    return Done(metrics={name: found[name] for name in ("aa_false_winners", "power_2sigma")}, result=found)


def _leave(ctx: RunContext, view: View, memory: Memory, told: dict[str, Any]) -> None:
    spec, space = memory.study.spec, memory.space
    made = page.compose(
        view,
        memory,
        told,
        controls=controls.curves(view),
        calibration=calibration(view.space, trials(view), seed=spec.seed),
    )
    ctx.save("study.html", "report", lambda path: report.write(path, made))
    save_json(ctx, "training_history.json", "result", exports.training_history(view.observations, memory.proposals, spec.objective))
    save_json(ctx, "constraints.json", "result", exports.constraints(list(memory.constraints.values())))
    save_text(ctx, "decisions.jsonl", "result", exports.decisions(memory.decisions))
    text = exports.table(view.observations, space, view.metric)
    save_text(ctx, "experiments.csv", "result", text)
    ctx.save("experiments.parquet", "result", lambda path: exports.parquet(path, text))
    ctx.save("optuna.db", "result", lambda path: exports.optuna_study(path, view.observations, space, spec.objective, memory.study.id))
