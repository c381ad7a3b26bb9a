"""Servers of bench_enqueue: `http_rig.py arc|bare FOLDER PORT`, until stdin ends."""

import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from rigs import serve

from arc.api.control import ControlPlane
from arc.app import build
from arc.settings import Settings
from arc.telemetry import logs


class Wanted(BaseModel):
    """What the bare route takes."""

    recipe: str
    params: dict[str, Any]


def bare(folder: Path, port: int) -> None:
    """A route that validates, inserts a row durably, and answers with its id."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, content TEXT)")
    lock = threading.Lock()
    web = FastAPI()

    @web.post("/jobs", status_code=202)
    def submit(wanted: Wanted) -> dict[str, int]:
        with lock:
            row = connection.execute("INSERT INTO jobs (content) VALUES (?) RETURNING id", (wanted.model_dump_json() + "x" * 800,))
            (number,) = row.fetchone()
        return {"job_id": number}

    threading.Thread(target=lambda: uvicorn.run(web, port=port, log_level="error", access_log=False), daemon=True).start()


def arc(folder: Path, port: int) -> ControlPlane:
    """Our server, without its engine."""
    app = build(Settings(workspace=folder / "arc", allow_fault_jobs=True, port=port))
    plane = ControlPlane(app, "127.0.0.1", port, engine=False)
    plane.start_background()
    return plane


def main() -> None:
    """Serve until stdin ends."""
    logs.configure(stream=sys.stderr)
    (bare if sys.argv[1] == "bare" else arc)(Path(sys.argv[2]), int(sys.argv[3]))
    serve(lambda count: [count])


if __name__ == "__main__":
    main()
