"""Routes of studies: ask for one, start, pause, resume and stop it, and read and write what it remembers."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from arc.api.routing import ArcRoute, Asker, Cursor, House, Limit, StudyId, operator, viewer
from arc.api.strict import strictly
from arc.core.journal import finite
from arc.core.proposal import Constraint, Decision, Observation, Proposal, ProposalStatus
from arc.core.study import Record, Study, StudySpec

router = APIRouter(route_class=ArcRoute, tags=["studies"])
Cycle = Annotated[int | None, Query(ge=0, lt=2**31, description="Only of this cycle.")]


class StudyList(BaseModel):
    """A page of studies, newest first."""

    items: list[Study]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class RecordList(BaseModel):
    """Every step of a study, first to last."""

    items: list[Record]


class Recorded(BaseModel):
    """A step is durable."""

    key: str
    new: bool = Field(description="False when this very step was recorded before; nothing was written then.")


class ObservationList(BaseModel):
    """What the experiments of a study gave, first to last."""

    items: list[Observation]


class ProposalList(BaseModel):
    """The proposals of a study, first to last."""

    items: list[Proposal]


class DecisionList(BaseModel):
    """The argument of a study, first line to last."""

    items: list[Decision]


class ConstraintList(BaseModel):
    """The regions that failed again and again, in the order in which they were learned."""

    items: list[Constraint]


class Summary(BaseModel):
    """What a study says of itself."""

    model_config = ConfigDict(extra="forbid", strict=True)

    summary: dict[str, Any]


class Said(BaseModel):
    """A part of the summary of a study, as its job said last; null before it has said anything of the kind."""

    study_id: str
    cycle: int = Field(description="The newest cycle that was begun.")
    value: Any


class CyclesWanted(BaseModel):
    """How much of a study is run."""

    model_config = ConfigDict(extra="forbid", strict=True)

    cycles: int = Field(1, ge=1, le=10_000, description="Cycles, at most.")
    decide_only: bool = Field(False, description="Decide the next cycle (directive, proposals, ballots) and train nothing of it.")


@router.post("/studies", **operator)
def create_study(wanted: Annotated[StudySpec, strictly(StudySpec)], house: House, asker: Asker) -> Study:
    """Ask for a study. It is checked and frozen, and begins when it is started."""
    return _clean(house.studies.create(wanted, actor=asker.name))


@router.get("/studies", **viewer)
def list_studies(
    house: House,
    recipe: Annotated[str | None, Query(min_length=1, max_length=128, description="Only of this recipe.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> StudyList:
    """A page of studies, newest first."""
    page = house.studies.page(recipe=recipe, limit=limit, cursor=cursor)
    return StudyList(items=[_clean(one) for one in page.items], next_cursor=page.next_cursor)


@router.get("/studies/{study_id}", **viewer)
def show_study(study_id: StudyId, house: House) -> Study:
    """One study: what was asked for, where it is, and what it has used up."""
    return _clean(house.studies.get(study_id))


@router.post("/studies/{study_id}/start", **operator)
def start_study(
    study_id: StudyId,
    house: House,
    asker: Asker,
    by_hand: Annotated[bool, Query(description="Submit no job: a program of yours decides, step by step.")] = False,
) -> Study:
    """Submit the job that runs the study; a study that runs already goes on."""
    return _clean(house.studies.start(study_id, actor=asker.name, by_hand=by_hand))


@router.post("/studies/{study_id}/cycles", **operator)
def run_cycles(study_id: StudyId, wanted: CyclesWanted, house: House, asker: Asker) -> Study:
    """Run some cycles of a study that does not run, or decide the next one and train nothing of it; its job is `job_id`."""
    return _clean(house.studies.some(study_id, cycles=wanted.cycles, decide_only=wanted.decide_only, actor=asker.name))


@router.post("/studies/{study_id}/pause", **operator)
def pause_study(study_id: StudyId, house: House, asker: Asker) -> Study:
    """Submit nothing more, and hold the trainings that have not begun; those that run go on and are judged."""
    return _clean(house.studies.pause(study_id, actor=asker.name))


@router.post("/studies/{study_id}/resume", **operator)
def resume_study(study_id: StudyId, house: House, asker: Asker) -> Study:
    """Go on where it was paused, or where it failed; no step that was recorded is taken again."""
    return _clean(house.studies.resume(study_id, actor=asker.name))


@router.post("/studies/{study_id}/stop", **operator)
def stop_study(study_id: StudyId, house: House, asker: Asker) -> Study:
    """End the study for good, and cancel what it runs."""
    return _clean(house.studies.stop(study_id, actor=asker.name))


@router.get("/studies/{study_id}/records", **viewer)
def list_records(study_id: StudyId, house: House) -> RecordList:
    """Every step that was recorded, first to last."""
    return RecordList(items=[Record(**finite(one.model_dump(mode="json"))) for one in house.studies.records(study_id)])


@router.post("/studies/{study_id}/records", **operator)
def add_record(study_id: StudyId, wanted: Annotated[Record, strictly(Record)], house: House, asker: Asker) -> Recorded:
    """Write all that one step decided, in one transaction; a repeated step is answered as the first one. The study's own job does this."""
    return Recorded(key=wanted.key, new=house.studies.record(study_id, wanted, actor=asker.name))


@router.post("/studies/{study_id}/summary", **operator)
def tell_summary(study_id: StudyId, wanted: Summary, house: House, asker: Asker) -> Study:
    """Say how far the study is, for people who watch. The study's own job does this."""
    return _clean(house.studies.tell(study_id, wanted.summary, actor=asker.name))


@router.get("/studies/{study_id}/history", **viewer)
def study_history(study_id: StudyId, house: House) -> ObservationList:
    """What each experiment gave: its configuration, what the evaluation measured, or why it failed."""
    found = house.studies.history(study_id)
    return ObservationList(items=[one.model_copy(update={"metrics": finite(one.metrics)}) for one in found])


@router.get("/studies/{study_id}/proposals", **viewer)
def list_proposals(
    study_id: StudyId, house: House, status: Annotated[ProposalStatus | None, Query(description="Only in this state.")] = None
) -> ProposalList:
    """What was proposed, by whom, and what became of it."""
    return ProposalList(items=house.studies.proposals(study_id, status=status))


@router.get("/studies/{study_id}/decisions", **viewer)
def list_decisions(study_id: StudyId, house: House, cycle: Cycle = None) -> DecisionList:
    """What was decided, by which rule, by whom and why."""
    return DecisionList(items=house.studies.decisions(study_id, cycle=cycle))


@router.get("/studies/{study_id}/constraints", **viewer)
def list_constraints(study_id: StudyId, house: House) -> ConstraintList:
    """The regions that a study does not enter, because what was tried there failed."""
    return ConstraintList(items=house.studies.constraints(study_id))


@router.get("/studies/{study_id}/trend", **viewer)
def study_trend(study_id: StudyId, house: House) -> Said:
    """How the objective went over the last experiments."""
    return _said(house.studies.get(study_id), "trend")


@router.get("/studies/{study_id}/patterns", **viewer)
def study_patterns(study_id: StudyId, house: House) -> Said:
    """Which values go along with good results, against how often they were tried."""
    return _said(house.studies.get(study_id), "patterns")


@router.get("/studies/{study_id}/frontier", **viewer)
def study_frontier(study_id: StudyId, house: House) -> Said:
    """The configurations that no other one beats in every objective."""
    return _said(house.studies.get(study_id), "frontier")


def _said(study: Study, name: str) -> Said:
    return Said(study_id=study.id, cycle=study.cycle, value=finite(study.summary.get(name)))


def _clean(study: Study) -> Study:
    return study.model_copy(update={"summary": finite(study.summary)})
