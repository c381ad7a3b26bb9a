"""`make chaos`: the whole suite, seeded and bounded. Prints the report; the exit status says whether everything held.

python -m tests.chaos --seed 7 --attempt-kills 100 --plane-kills 50 --minutes 25 --report FILE
"""

import argparse
import contextlib
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos import troubles
from tests.chaos.plane import Plane
from tests.chaos.report import markdown
from tests.chaos.run import Result, Story, tell

STORIES = ("processes", "database", "disk")


def main(argv: list[str]) -> int:
    """Tell the stories that were asked for; 0 when everything held."""
    asked = _parse(argv)
    folder = Path(asked.keep or tempfile.mkdtemp(prefix="arc-chaos-"))
    print(f"seed {asked.seed}, workspaces in {folder}", flush=True)
    results: list[Result] = []
    skipped: dict[str, str] = {}
    tellers = {"processes": processes, "database": database, "disk": disk}
    for name in asked.stories:
        told = tellers[name](folder / name, asked)
        if isinstance(told, str):
            skipped[name] = told
            continue
        results.append(told)
        print(f"{name}: {told.took_s:.0f} s, {len(told.broken)} broken", flush=True)
    report = markdown(results, skipped, seed=asked.seed, command=f'make chaos CHAOS="{" ".join(argv or ["--seed", str(asked.seed)])}"')
    print(report)
    if asked.report:
        Path(asked.report).write_text(report)
    held = not any(result.broken for result in results)
    if held and not asked.keep:
        shutil.rmtree(folder)
    return 0 if held else 1


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.chaos", description="Kill everything at random moments and check that nothing was lost.")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="what to do and when; drawn when not given")
    parser.add_argument("--attempt-kills", type=int, default=100)
    parser.add_argument("--plane-kills", type=int, default=50)
    parser.add_argument("--pauses", type=int, default=40)
    parser.add_argument("--database-restarts", type=int, default=10)
    parser.add_argument("--disk-fills", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=25.0, help="for all stories together, about")
    parser.add_argument("--stories", nargs="+", choices=STORIES, default=list(STORIES))
    parser.add_argument("--report", help="write the report to this file")
    parser.add_argument("--keep", help="leave the workspaces in this folder")
    return parser.parse_args(argv)


def processes(folder: Path, asked: argparse.Namespace) -> Result:
    """Attempts, control planes, warm servers and reapers are killed and paused, over SQLite."""
    attempts = asked.attempt_kills
    counts = {"attempt": attempts - attempts // 10, "both": attempts // 10, "plane": asked.plane_kills, "pause": asked.pauses}
    counts |= {"reaper": attempts // 10, "warm": attempts // 10, "stop": asked.plane_kills // 10}
    return tell(Story("Killed processes, SQLite", counts, asked.seed, agent_s=asked.minutes * 60 * 0.6), Plane(folder))


def database(folder: Path, asked: argparse.Namespace) -> Result | str:
    """A PostgreSQL server is restarted and loses processes, while the others are killed too."""
    found = troubles.database()
    if found is None:
        return troubles.NO_DATABASE
    restarts = asked.database_restarts
    counts = {"database": restarts, "backend": restarts // 2, "attempt": restarts, "plane": restarts // 2, "pause": restarts // 2}
    acts = {"database": found.restart, "backend": found.lose_a_process}
    story = Story("Restarted database, PostgreSQL", counts, asked.seed, agent_s=asked.minutes * 60 * 0.15, classify=False, troubles=acts)
    return tell(story, Plane(folder, settings={"DATABASE_URL": found.url}, may_refuse=troubles.AWAY))


def disk(folder: Path, asked: argparse.Namespace) -> Result | str:
    """The disk of the workspace is full to its last byte again and again."""
    with contextlib.ExitStack() as stack:
        found = stack.enter_context(troubles.small_disk(folder / "disk"))
        if found is None:
            return troubles.NO_DISK
        fills = asked.disk_fills
        counts = {"disk": fills, "attempt": fills, "plane": fills // 2}
        story = Story(
            "Full disk, SQLite",
            counts,
            asked.seed,
            agent_s=asked.minutes * 60 * 0.1,
            classify=False,
            troubles={"disk": found.fill},
            open_jobs=24,
        )
        told = tell(story, Plane(folder, workspace=found.workspace, may_refuse=troubles.FULL))
        if told.broken:  # what is looked at later must outlive the small disk
            shutil.copytree(found.workspace, folder / "workspace", symlinks=True)
        return told


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
