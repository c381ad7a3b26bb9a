"""Launching: the command line, the environment and the process of a script.

The process stays in the attempt's process group, so that whatever ends the attempt ends it; its reaper ends the rest.
Its working folder is a fresh one in the staging folder. Nothing of that folder, of the dataset or of PYTHONPATH can be
imported: Python runs with -E and -s, and with -I where not even the modules beside the script are wanted.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from arc.core.errors import BadData, Forbidden, InvalidSpec
from arc.core.ports import RunContext
from arc.external.spec import ScriptParams

_TOKEN: Final = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True)
class Launch:
    """How the script is started."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]  # what is set for it, beside what the attempt has
    folder: Path


def prepare(ctx: RunContext, params: ScriptParams, *, work: Path, lines: Path, checkpoint: Path | None) -> Launch:
    """The command of this attempt; InvalidSpec, BadData or Forbidden naming what cannot be run."""
    words = _words(ctx, params, checkpoint)
    overrides = (*params.overrides, *(params.resume if checkpoint else ()))
    told = tuple(_filled(text, words) for text in (*params.argv, *overrides))
    set_ = {name: _filled(value, words) for name, value in params.environment.items()}
    set_ |= {"ARC_SCRIPT_LINES": str(lines), "ARC_SEED": str(ctx.seed), "ARC_SIMULATED": str(int(ctx.simulated))}
    if checkpoint:
        set_["ARC_RESUME"] = str(checkpoint)
    return Launch((_python(ctx), "-u", *_program(ctx, params), *told), set_, work)


def start(launch: Launch) -> subprocess.Popen[bytes]:
    """The process; what it prints goes where the attempt's own words go."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}  # noqa: TID251 - handed on, already scrubbed
    return subprocess.Popen(launch.argv, cwd=launch.folder, env={**own, **launch.environment}, stdin=subprocess.DEVNULL)


def _program(ctx: RunContext, params: ScriptParams) -> tuple[str, ...]:
    script = _given(ctx, "script")
    if (script is None) == (params.module is None):
        raise InvalidSpec("give a script (input `script`) or a module (`params.module`), one of the two", field="inputs.script")
    if script is None:
        return ("-I", "-m", str(params.module))
    if script.suffix != ".py" or not script.is_file():
        raise BadData(
            f"a script is a file whose name ends in .py, not {script.name[:120]!r}", field="inputs.script", value=script.name[:120]
        )
    workspace = ctx.folder("work").resolve().parents[4]  # <workspace>/experiments/<id>/attempts/<attempt>/work
    if script.is_relative_to(workspace) and not script.is_relative_to(workspace / "imports"):
        raise Forbidden("a script below the workspace lies in its folder imports, and nowhere else", field="inputs.script")
    return (*(("-E", "-s") if params.siblings else ("-I",)), str(script))


def _python(ctx: RunContext) -> str:
    venv = _given(ctx, "venv")
    if venv is None:
        return sys.executable
    python = venv / "bin" / "python"
    if not python.is_file() or not (venv / "pyvenv.cfg").is_file():
        raise BadData(
            f"{venv.name!r} is no virtual environment: it has no bin/python or no pyvenv.cfg", field="inputs.venv", value=venv.name
        )
    return str(python)


def _words(ctx: RunContext, params: ScriptParams, checkpoint: Path | None) -> dict[str, str]:
    """What each word in braces stands for in this attempt."""
    words = {"seed": str(ctx.seed), "threads": str(ctx.threads), "device": ctx.device}
    dataset = ctx.optional("dataset")
    if dataset is not None:
        words |= {"dataset": dataset.path} | {f"{split}_csv": path for split, path in dataset.splits.items() if split != "sealed"}
    return words | ({"checkpoint": str(checkpoint)} if checkpoint else {})


def _given(ctx: RunContext, name: str) -> Path | None:
    given = ctx.optional(name)
    return None if given is None else Path(given.path)


def _filled(text: str, words: Mapping[str, str]) -> str:
    def word(found: re.Match[str]) -> str:
        if found[1] not in words:
            raise InvalidSpec(f"{text!r}: there is no {found[1]} in this job", field="params", value=text)
        return words[found[1]]

    return _TOKEN.sub(word, text)
