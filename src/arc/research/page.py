"""The page of a study: what it found, how sure that is, how it argued, and what it does not show."""

from collections.abc import Mapping, Sequence
from typing import Any

from arc.core.proposal import Observation, ProposalStatus
from arc.core.study import Study
from arc.kit import figures
from arc.kit.report import Block, Code, Facts, Figure, Number, Report, Section, Table, Text, Tone
from arc.research import generator
from arc.research.memory import Memory
from arc.research.model.calibration import Calibration
from arc.research.view import View

_TONES: dict[str, Tone] = {"better": "good", "not better": "plain", "not known yet": "plain"}
_MOST = 60  # rows of the longest tables


def compose(
    view: View,
    memory: Memory,
    summary: Mapping[str, Any],
    *,
    controls: Mapping[str, Sequence[float]],
    calibration: Calibration,
) -> Report:
    """The report of a study that has ended, or of one on its way."""
    study = memory.study
    incumbent = summary["incumbent"] or {}
    numbers = [
        Number(f"{view.metric} of the incumbent", incumbent.get("mean"), incumbent.get("low"), incumbent.get("high"), f"{incumbent.get('n', 0)} seeds"),
        Number("Noise (1 sd)", None if memory.noise is None else memory.noise.sd, digits=4, note="of the baseline over seeds"),
        Number("Best of all by luck alone", summary["inflation"], digits=4, note="how much better the best of equals would look"),
        Number("Experiments", len(view.observations), note=f"of {study.spec.budget.experiments}"),
    ]  # fmt: skip
    sections = [
        _progress(view, memory, controls),
        _evidence(memory, view),
        _world_model(calibration),
        _argument(memory),
        _learned(memory, summary),
        _costs(view, memory),
        _negative(view),
        _repeat(study),
    ]
    return Report(
        title=f"Study {study.spec.name}",
        verdict=_verdict(summary, view, memory),
        tone=_TONES[summary["verdict"]],
        subtitle=f"{study.spec.recipe}, {view.metric} ({study.spec.objective.direction}), {len(memory.directives)} cycles",
        numbers=numbers,
        sections=[section for section in sections if section.blocks],
        not_shown=_not_shown(study),
        footer=[f"study {study.id}", f"seed {study.spec.seed}"],
    )


def _verdict(summary: Mapping[str, Any], view: View, memory: Memory) -> str:
    simulated = "Simulated: " if view.spec.simulated else ""
    if summary["verdict"] == "better":
        gain = next(test["gain"] for test in reversed(memory.tests) if test["verdict"] == "better")
        return f"{simulated}Better: {view.metric} {summary['incumbent']['mean']:.4g}, {abs(gain):.4g} better than what it replaces, on fresh seeds."
    if summary["verdict"] == "not better":
        return f"{simulated}Not better: what looked best was tested on fresh seeds, and gains less than what counts."
    return f"{simulated}Not known yet: nothing that was tried can be called better than the baseline with what was spent."


def _progress(view: View, memory: Memory, controls: Mapping[str, Sequence[float]]) -> Section:
    sign = view.spec.objective.sign
    seen: list[float] = []
    best: list[float] = []
    for one in view.observations:
        value = one.value(view.metric)
        if value is not None and one.use != "confirm":
            seen.append(value)
            best.append(max(best[-1], sign * value) if best else sign * value)
    blocks: list[Block] = []
    if seen:
        at = list(range(1, len(seen) + 1))
        lines = [figures.Curve("each training", at, seen), figures.Curve("best so far", at, [sign * value for value in best])]
        drawn = figures.curves(lines, x_label="training", y_label=view.metric, name="progress")
        blocks.append(
            Figure(drawn, "What was measured", "The best so far is the best by luck as well; the table below says what survived a test.")
        )
    if controls:
        lines = [figures.Curve(name, list(range(1, len(values) + 1)), list(values)) for name, values in controls.items()]
        drawn = figures.curves(lines, x_label="configurations", y_label=f"expected {view.metric}", name="controls")
        blocks.append(
            Figure(
                drawn,
                "Against random search and TPE at equal budget (simulated)",
                "All three on the world model that was fitted on this study: no training was spent on controls.",
            )
        )
    return Section("How it went", blocks)


def _evidence(memory: Memory, view: View) -> Section:
    noise = memory.noise
    floor = (
        "The noise could not be measured."
        if noise is None
        else f"The baseline over {noise.n} seeds: {view.spec.objective.sign * noise.mean:.4g}, standard deviation {noise.sd:.3g} (at most {noise.sd_high:.3g} with 90 %)."
    )
    rows = [
        (test["proposal_id"], test["n"], test["gain"], test["low"], test["p"], test["level"], test["wanted"], test["verdict"])
        for test in memory.tests
    ]
    blocks: list[Block] = [Text(floor)]
    if rows:
        blocks.append(
            Table(
                ["challenger", "pairs", "gain", "lower bound", "p", "level", "wanted", "verdict"],
                rows,
                "Tests on fresh seeds, beside the incumbent on the same seeds",
                digits=4,
            )
        )
    else:
        blocks.append(Text("No challenger came as far as a test on fresh seeds."))
    blocks.append(
        Text(
            f"Of the study's alpha of {view.spec.evidence.alpha:g}, {memory.wealth.left:.4f} is left to spend on errors; a discovery earns some back."
        )
    )
    blocks.append(Text("The sealed test set was not read by this study."))
    return Section(
        "What may be called better", blocks, "Better takes all three: a bound above nothing, a p-value below its level, a gain that counts."
    )


def _world_model(calibration: Calibration) -> Section:
    if not calibration.points:
        return Section("The world model", [Text("Too few experiments came after the first ones for its forecasts to be judged.")])
    rows = [
        ("50 % intervals held in", calibration.coverage_50),
        ("90 % intervals held in", calibration.coverage_90),
        ("error with each left out, in standard deviations", calibration.rmse),
        ("the same of a constant", calibration.rmse_constant),
        ("later experiments", calibration.n),
    ]
    values = [(point.mean, point.value) for point in calibration.points]
    low, high = min(min(pair) for pair in values), max(max(pair) for pair in values)
    said = figures.Curve("forecast", list(range(1, len(values) + 1)), [point.mean for point in calibration.points])
    came = figures.Curve("measured", list(range(1, len(values) + 1)), [point.value for point in calibration.points])
    drawn = figures.curves([came, said], x_label="later experiment", y_label="objective", name="forecasts")
    caption = f"Each forecast was made from the experiments before it; values from {low:.3g} to {high:.3g}, more is better."
    return Section(
        "The world model", [Figure(drawn, "Forecast and measured", caption), Table(["on later experiments", ""], rows, digits=3)]
    )


def _argument(memory: Memory) -> Section:
    kinds = ("directive", "veto", "conflict", "race", "test", "incumbent", "constraint", "expired", "probe", "budget", "stop")
    rows = [
        (one.cycle, one.kind, one.proposal_id or "", ", ".join(one.rules), one.why[:300]) for one in memory.decisions if one.kind in kinds
    ]
    statuses = {status: sum(one.status is status for one in memory.proposals.values()) for status in ProposalStatus}
    counted = ", ".join(f"{number} {status.value}" for status, number in statuses.items() if number)
    return Section(
        "The argument",
        [Text(f"Proposals: {counted}."), Table(["cycle", "what", "proposal", "rule", "why"], rows[-_MOST:])]
        if rows
        else [Text(f"Proposals: {counted}.")],
    )


def _learned(memory: Memory, summary: Mapping[str, Any]) -> Section:
    blocks: list[Block] = []
    if memory.constraints:
        blocks.append(
            Table(
                ["region", "state"],
                [(generator.forbids(one), one.state) for one in memory.constraints.values()],
                "Constraints learned from failures",
            )
        )
    patterns = [
        (row["parameter"], row["value"], row["tried"], row["lift"], row["lift_low"], row["lift_high"]) for row in summary["patterns"][:12]
    ]
    if patterns:
        blocks.append(
            Table(
                ["parameter", "value", "tried", "lift", "low", "high"],
                patterns,
                "How often a value was among the better half, against a half",
                digits=2,
            )
        )
    return Section("What was learned", blocks)


def _costs(view: View, memory: Memory) -> Section:
    seconds = sum(one.duration_s for one in view.observations)
    accepted = sum(test["verdict"] == "better" for test in memory.tests)
    facts: list[tuple[str, Any]] = [("seconds of trainings and evaluations", round(seconds, 1)), ("accepted improvements", accepted)]
    if accepted:
        facts += [
            ("seconds for each accepted improvement", round(seconds / accepted, 1)),
            ("trainings for each", round(len(view.observations) / accepted, 1)),
        ]
    facts += [("tokens of language models", memory.tokens), ("calls of language models", memory.calls)]
    return Section("What it cost", [Facts(facts)])


def _negative(view: View) -> Section:
    failed = [
        (one.experiment_id, one.failure_class.value if one.failure_class else one.status, (one.failure or "")[:200])
        for one in view.observations
        if one.status != "completed"
    ]
    worse = _worse(view)
    blocks: list[Block] = []
    if worse:
        blocks.append(Table(["changes", view.metric, "seed"], worse, "Trained in full, and below the incumbent", digits=4))
    if failed:
        blocks.append(Table(["experiment", "class", "why"], failed[:_MOST], "Failed"))
    return Section("What did not work", blocks)


def _worse(view: View) -> list[tuple[str, float, int]]:
    sign, mean = view.spec.objective.sign, view.incumbent.mean
    rows = []
    for one in view.observations:
        value = one.value(view.metric)
        if value is not None and mean is not None and one.use == "search" and sign * value < sign * mean:
            rows.append((_changes(view, one), value, one.seed))
    return sorted(rows, key=lambda row: sign * row[1])[:_MOST]


def _changes(view: View, one: Observation) -> str:
    changed = {name: value for name, value in one.config.items() if view.baseline.get(name) != value}
    return (
        ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in changed.items())
        or "as the incumbent"
    )


def _repeat(study: Study) -> Section:
    asked = study.spec.model_dump_json(indent=1, exclude_none=True)
    how = "POST /studies with this body makes the study anew, and so does Client.studies.create(StudySpec.model_validate_json(TEXT)); then start it."
    return Section(
        "Repeat it", [Text(how), Code(asked), Text("The same seed gives the same decisions when the trainings give the same values.")]
    )


def _not_shown(study: Study) -> list[str]:
    said = ["Trainings were judged on validation data; what the winner is worth on the sealed patients is for its evaluation."]
    if study.spec.simulated:
        said.insert(0, "This study was simulated: none of its numbers may be compared with a measured one.")
    said.append("A configuration that was not tried may be better still.")
    said.append("One dataset and one machine; another of either may rank configurations differently.")
    return said
