"""`GET /jobs/list` over HTTP with many jobs: the first page and one far down, with and without filters.

The store is filled at once below the verbs, and read by the server that `arc serve` starts (without its engine, which
would begin to run the jobs), over one kept connection. A page is 50 jobs of some 1.2 kB each. For comparison the same
requests go to a store of 100 jobs. Warm: each request is made some times before it is timed.

    python benchmarks/bench_list.py [JOBS ...]
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy import text

from arc.core.clock import SystemClock
from arc.store import jobs, tables
from arc.store.engine import Store
from arc.store.nouns import encode_cursor
from arc.testing.store_values import job

QUEUED = (100, 100_000, 1_000_000)
WARM, TIMED = 20, 200
SERVE = """
import sys
from pathlib import Path
from arc.api.control import ControlPlane
from arc.app import build
from arc.settings import Settings
ControlPlane(build(Settings(workspace=Path(sys.argv[1]), port=0)), engine=False).run()
"""


def fill(workspace: Path, count: int) -> None:
    """Copies of one job: one in ten is completed, one in a hundred of another recipe, one in a thousand failed."""
    workspace.mkdir()
    store = Store.open(f"sqlite:///{workspace / 'arc.db'}", clock=SystemClock())
    changed = {
        "id": "printf('job_%08d', i)",
        "status": "CASE WHEN i % 1000 = 7 THEN 'failed' WHEN i % 10 = 1 THEN 'completed' ELSE 'queued' END",
        "recipe": "CASE WHEN i % 100 = 3 THEN 'fundus.report' ELSE recipe END",
        "experiment_id": "CASE WHEN i % 50 = 0 THEN printf('exp_%d', i / 5000) END",
    }
    names = [column.name for column in tables.jobs.columns]
    chosen = ", ".join(changed.get(name, name) for name in names)
    with store.write() as tx:
        jobs.insert(tx, job("job_model"))
        tx.conn.execute(
            text(
                "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :count - 1) "
                f"INSERT INTO jobs ({', '.join(names)}) SELECT {chosen} FROM n, jobs WHERE jobs.id = 'job_model'"
            ),
            {"count": count},
        )
        tx.conn.execute(text("DELETE FROM jobs WHERE id = 'job_model'"))
    store.upkeep()
    store.close()


def asked(count: int) -> dict[str, dict[str, str]]:
    """What is asked for, by name; the far page is in the middle of all."""
    middle = encode_cursor(f"job_{count // 2:08}")
    return {
        "first page": {},
        "page far down": {"cursor": middle},
        "first page of status=queued": {"status": "queued"},
        "page far down of status=queued": {"status": "queued", "cursor": middle},
        "first page of status=failed (1 in 1,000)": {"status": "failed"},
        "first page of recipe=fundus.report": {"recipe": "fundus.report"},
        "page far down of recipe=fundus.report": {"recipe": "fundus.report", "cursor": middle},
        "first page of recipe=... and status=failed (none)": {"recipe": "fundus.report", "status": "failed"},
        "first page of an experiment": {"experiment": f"exp_{count // 10_000}"},
    }


class Server:
    """The control plane of a workspace, in a process of its own."""

    def __init__(self, workspace: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[1:])}
        self._process = subprocess.Popen([sys.executable, "-c", SERVE, workspace], stderr=subprocess.PIPE, text=True, env=environment)
        assert self._process.stderr is not None
        line = next(line for line in self._process.stderr if "serving" in line)
        port = int(line.split("http://127.0.0.1:")[1].split('"')[0].split()[0])
        self._client = HTTPConnection("127.0.0.1", port)
        self._headers = {"Authorization": f"Bearer {(workspace / 'secrets' / 'token').read_text().strip()}"}

    def took(self, query: dict[str, str]) -> tuple[float, int]:
        """Milliseconds of a request, and how many jobs came."""
        began = time.perf_counter()
        self._client.request("GET", f"/jobs/list?{urlencode(query)}", headers=self._headers)
        answer = self._client.getresponse()
        body = answer.read()
        took_ms = (time.perf_counter() - began) * 1000
        assert answer.status == 200, body
        return took_ms, len(json.loads(body)["items"])

    def close(self) -> None:
        """End it."""
        self._client.close()
        self._process.terminate()
        self._process.communicate()


def main() -> None:
    """Fill, serve and ask, in a folder that is deleted afterwards."""
    counts = [int(word) for word in sys.argv[1:]] or list(QUEUED)
    with tempfile.TemporaryDirectory() as name:
        for count in counts:
            workspace = Path(name) / str(count)
            fill(workspace, count)
            with closing(Server(workspace)) as server:
                for what, query in asked(count).items():
                    for _ in range(WARM):
                        server.took(query)
                    took, found = zip(*(server.took(query) for _ in range(TIMED)), strict=True)
                    p95 = statistics.quantiles(took, n=20)[-1]
                    print(f"{count:9,} jobs, {what:50} {found[0]:3} shown   p50 {statistics.median(took):7.2f} ms   p95 {p95:7.2f} ms")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
