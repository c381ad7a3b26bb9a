"""The child's side of the MATLAB fuzz test: many mutated files in one limited child, a fork for each."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from arc.core.errors import CallerError
from arc.data import matlab5, matlab73, matlab_rows  # noqa: F401 - imported once, not in each fork
from arc.data.matlab import read_version_5, read_version_73


def read_each(folder: str, version: str, limits: dict[str, Any]) -> list[str]:
    """What becomes of each file of the folder, in order: read, refused, memory, signal N, or what else it raised."""
    return [_forked(path, version, limits) for path in sorted(Path(folder).glob("*.mat"))]


def _forked(path: Path, version: str, limits: dict[str, Any]) -> str:
    """The crash of a reader ends the fork alone."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(send, _read(path, version, limits).encode()[:2000])
        os._exit(0)
    os.close(send)
    with os.fdopen(receive) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else said


def _read(path: Path, version: str, limits: dict[str, Any]) -> str:
    into = path.with_suffix("")
    for name in ("images", "masks"):
        (into / name).mkdir(parents=True)
    try:
        answer = (read_version_5 if version == "5" else read_version_73)(str(path), str(into), {}, limits)
        written = len(list((into / "images").iterdir()))
        json.dumps(answer, allow_nan=False)
    except CallerError:
        return "refused"
    except MemoryError:
        return "memory"
    except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
        return f"raised {type(error).__name__}: {error}"
    finally:
        shutil.rmtree(into)
    return "read" if written == len(answer["stems"]) else f"wrote {written} pictures for {len(answer['stems'])}"
