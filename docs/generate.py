"""Writes the pages of docs/reference that are tables of what the code says.

`python docs/generate.py` writes them, `--check` says which are out of date and exits 1. A page can so never
promise a setting, an event, a recipe, a route or a command that is not there, nor leave one out. Events alone
need words that no code holds; they stand below, and a kind without words (or words without a kind) is an error.
"""

import argparse
import ast
import inspect
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from arc.core.errors import ArcError, TemporaryError, all_errors
from arc.core.job import RetryPolicy
from arc.core.states import MOVES, JobStatus
from arc.jobs.failures import RULES
from arc.settings import Settings, table
from pages import code, commands_page, grid, recipes_page, routes_page

ROOT = Path(__file__).parents[1]
NOTE = "<!-- Written by docs/generate.py; edit the code instead. -->"

EVENTS = {
    "job.submitted": "A request was accepted; detail holds the recipe.",
    "job.ready": "Every job it needed is complete.",
    "job.started": "An attempt was claimed; detail holds its number.",
    "job.preempted": "A CRITICAL job waits for the place of this one, which is asked to checkpoint and leave; detail names it.",
    "job.requeued": "The attempt ended without a verdict (retry, pre-emption, a lost process); detail says why.",
    "job.completed": "The recipe is done and its artifacts are in place.",
    "job.copied": "The copies that were asked for lie in the folders that the detail holds.",
    "job.copies_missing": "The copies that were asked for could not be left; detail says why. The experiment's folder has everything.",
    "job.failed": "It will not be tried again; detail holds the failure class.",
    "job.cancelled": "Someone asked for its end, or the recipe itself did.",
    "job.resumed": "A new job continues this one; detail holds its id.",
    "job.held": "It will not start until it is released; a running one is asked to checkpoint and give its place up.",
    "job.released": "A hold was lifted.",
    "job.cleaned": "It is over for so long that its files went; its row and what it published stay.",
    "job.checkpoint_removed": "A checkpoint of a job that is over went: not the best, not pinned, and newer whole ones are there.",
    "job.cancel_requested": "A running job is asked to end; detail says whether it is rolled back.",
    "attempt.adopted": "A restarted control plane found the attempt alive and reads on.",
    "attempt.checkpoint": "A checkpoint was written; detail holds step and path.",
    "attempt.quarantined": "Nobody can prove that the process is gone, so its slot stays taken.",
    "attempt.warning": "A line of the journal could not be used, or the recipe warned.",
    "dataset.registered": "A dataset version exists; detail holds its digest and counts.",
    "dataset.tracked": "DVC keeps a version; detail holds the remote, whether it was pushed, and the commit.",
    "dataset.validated": "A version was validated; detail holds the verdict and the names of the checks that failed.",
    "validation.overridden": "Training starts on a dataset whose validation failed; detail names the checks that were accepted.",
    "sealed.processed": "A recipe that makes or checks datasets was given a sealed split; no ledger line.",
    "sealed.opened": "An evaluation was given a sealed split; the ledger has the same line.",
    "experiment.archived": "It is hidden from lists by default.",
    "experiment.pinned": "Its checkpoints are kept, whatever a clean-up would say; detail holds their steps.",
    "experiment.unpinned": "Its checkpoints are left to the rules of retention again.",
    "experiment.cleaned": "It was broken and went; detail holds the cause, the log tail and where its tombstone lies.",
    "experiment.deleted": "Its rows and its folder are gone.",
    "study.created": "A study was asked for; detail holds its recipe and its name.",
    "study.started": "The job that runs it was submitted; detail names it.",
    "study.paused": "Nothing is submitted into it; what runs goes on.",
    "study.resumed": "It goes on; detail names the job that runs it, which is a new one where the old one was over.",
    "study.stopped": "It ended for good, and what it ran was cancelled.",
    "study.recorded": "A step of it is durable; detail holds its key and its cycle.",
    "study.finished": "It said that it has its answer, or has used up its budget.",
    "study.failed": "It said that it cannot go on.",
    "study.proposed": "A person or an outside agent posted a proposal; detail names it.",
    "study.voted": "A person or an outside agent cast a ballot; detail names the proposal.",
    "study.approved": "A person let a proposal of a supervised study become a job; detail says why.",
    "study.rejected": "A person turned a proposal of a supervised study down; detail says why.",
    "lease.acquired": "Somebody holds a named lease; detail holds its owner and its fencing token. A renewal is no event.",
    "lease.released": "Its holder, or an admin, gave it back.",
    "lease.expired": "It was not renewed in time; what its holder still writes is refused.",
    "token.created": "A token was made; its secret is stored hashed.",
    "token.revoked": "A token is no longer accepted.",
    "token.rotated": "A token took the place of another with the same name and role.",
    "access.login": "A one-time code was exchanged for a browser session.",
    "store.cleaned": "A clean-up ended; detail says how many things of each kind went, and how many bytes.",
    "store.upkept": "The log of the database was folded in and free pages were given back.",
}


def settings_page() -> list[str]:
    """Every setting: variable, default, unit, reason."""
    rows = [
        (code(each.name), ", ".join(code(name) for name in each.env.split(", ")), code(each.default), each.unit, each.reason)
        for each in table(Settings(), {})
    ]
    intro = (
        "A value comes from the command line, else from the environment, else from `arc.toml` in the working folder, else from `arc.toml` "
        "in the workspace, else it is the default. `arc settings` prints each with its source."
    )
    return ["# Settings", "", intro, "", *grid(("Setting", "Environment", "Default", "Unit", "Why this default"), rows)]


def errors_page() -> list[str]:
    """Every class of the error tree with what doors and engine make of it."""

    def depth(cls: type[ArcError]) -> int:
        return len(cls.__mro__) - len(ArcError.__mro__)

    def ordered(cls: type[ArcError]) -> list[type[ArcError]]:
        below = [sub for sub in cls.__subclasses__() if sub.__module__ == ArcError.__module__]
        return [cls, *(item for sub in below for item in ordered(sub))]

    tree = ordered(ArcError)
    if len(tree) != len([cls for cls in all_errors() if cls.__module__ == ArcError.__module__]):
        raise SystemExit("the error tree has a class that the page would leave out")
    rows = []
    for cls in tree:
        answer = f"{cls.status}, `Retry-After`" if issubclass(cls, TemporaryError) else cls.status
        rows.append(("· " * depth(cls) + code(cls.__name__), answer, cls.exit_code, cls.decision, inspect.getdoc(cls)))
    intro = (
        "Errors are sorted by what the caller can do about them. Over HTTP each is an `application/problem+json` document (RFC 9457) whose "
        "`type` ends in the name of the class; on the command line it is the exit status; inside a job it decides whether the job is tried again."
    )
    return ["# Errors", "", intro, "", *grid(("Class", "HTTP status", "Exit status", "A job then", "Default message"), rows)]


def failures_page() -> list[str]:
    """Every class of failure: evidence, what the engine does, what a study is told."""
    rows = [(code(rule.failure_class.value), rule.evidence, rule.action.value, rule.blame.value) for rule in RULES.values()]
    intro = (
        "Each failed attempt has one class. It is derived from the journal's last line, from what the engine did to the attempt, and from how "
        "its reaper saw the process end; nothing is guessed from an exit code alone. Each row is provoked by a test in "
        "`tests/flows/test_failures.py`, `test_endings.py` or `test_preemption.py`."
    )
    policy = RetryPolicy()
    outro = (
        f"Retries: at most {policy.max_retries} (`max_retries`), fewer for a class with `max_retries_by_class`; the waits are {policy.delay_s:g} s "
        f"· 2^(n−1) with ±{policy.jitter:.0%} of chance, at most {policy.cap_s:g} s. A retry begins from the newest checkpoint whose digest holds "
        "unless the job was submitted with `auto_resume: false`. Smaller means that each batch is worked on in twice as many pieces after each such failure, with "
        "gradients accumulated: the effective batch stays what it was. An error that is permanent or the caller's own is never repeated."
    )
    return ["# Classes of failure", "", intro, "", *grid(("Class", "Evidence", "The engine then", "A study is told"), rows), "", outro]


def states_page() -> list[str]:
    """The states of a job, as a drawing and as a table."""
    moves = [(str(before.value) if before else "(new)", after.value, event) for (before, after), event in MOVES.items()]
    drawing = ["```", *(f"{before:<10} -> {after:<10}  {event}" for before, after, event in moves), "```"]
    left = {before for before, _ in MOVES}
    terminal = ", ".join(code(status.value) for status in JobStatus if status not in left)
    outro = (
        f"Terminal: {terminal}. A terminal job never changes; resuming one makes a new job. To cancel, to hold and to pre-empt are requests "
        "recorded on a job, not states."
    )
    return [
        "# States of a job",
        "",
        "These moves exist, each writes its event in the same transaction, and there are no others.",
        "",
        *drawing,
        "",
        outro,
    ]


def emitted() -> set[str]:
    """Every kind of event that the source names."""
    kinds = set(MOVES.values())
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            values: Iterable[ast.expr | None] = ()
            if isinstance(node, ast.Call):
                values = [keyword.value for keyword in node.keywords if keyword.arg == "kind"] + node.args
            elif isinstance(node, ast.arguments):
                values = [*node.defaults, *node.kw_defaults]
            for value in values:
                for part in ast.walk(value) if isinstance(value, ast.IfExp | ast.Constant) else ():
                    if isinstance(part, ast.Constant) and isinstance(part.value, str) and _is_kind(part.value):
                        kinds.add(part.value)
    return kinds


def _is_kind(text: str) -> bool:
    noun, dot, verb = text.partition(".")
    nouns = {kind.partition(".")[0] for kind in EVENTS}
    return (
        bool(dot)
        and noun in nouns
        and verb.replace("_", "").isalpha()
        and not verb.endswith(("csv", "html", "json", "jsonl", "log", "toml", "db", "lock"))
    )


def events_page() -> list[str]:
    """Every kind of event and what it tells."""
    kinds = emitted()
    if without := sorted(kinds - set(EVENTS)):
        raise SystemExit(f"docs/generate.py: no words for the events {without}")
    if unknown := sorted(set(EVENTS) - kinds):
        raise SystemExit(f"docs/generate.py: nothing writes the events {unknown}")
    intro = (
        "An event is written in the same transaction as the change it tells of, with a sequence number that has no gaps. `GET /jobs/{id}/events` "
        "streams those of a job. Metrics, progress and heartbeats are never events."
    )
    return ["# Events", "", intro, "", *grid(("Kind", "Tells"), ((code(kind), text) for kind, text in EVENTS.items()))]


PAGES: dict[str, Callable[[], list[str]]] = {
    "settings": settings_page,
    "recipes": recipes_page,
    "events": events_page,
    "errors": errors_page,
    "states": states_page,
    "failures": failures_page,
    "routes": routes_page,
    "commands": commands_page,
}


def main() -> int:
    """Write the pages, or with --check say which differ."""
    parser = argparse.ArgumentParser(description="Write the generated pages of docs/reference.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a page is out of date")
    parser.add_argument("pages", nargs="*", help="names of pages; all of them when none is given")
    given = parser.parse_args()
    stale = []
    for name in given.pages or PAGES:
        path = ROOT / "docs" / "reference" / f"{name}.md"
        text = "\n".join([NOTE, "", *PAGES[name]()]) + "\n"
        if path.is_file() and path.read_text() == text:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if not given.check:
            path.write_text(text)
    if stale:
        print(("out of date: " if given.check else "wrote ") + ", ".join(stale) + ("; run `make docs`" if given.check else ""))
    return 1 if stale and given.check else 0


if __name__ == "__main__":
    sys.exit(main())
