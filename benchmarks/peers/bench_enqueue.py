"""Durable enqueue, one client: our verb beside a bare SQLite commit, RQ (Redis syncs every write) and Procrastinate.

Then over HTTP: `POST /jobs` beside a FastAPI route that inserts one row into SQLite. Everything syncs every commit on
the same disk; no worker is up. Turns of 25. See rigs.py for how the peers are installed.

    python benchmarks/peers/bench_enqueue.py [PYTHON_OF_THE_PEERS] [ROUNDS]
"""

import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

from rigs import HERE, Rig, free_port, load, peers_python, postgres, redis, spread, wait_for_port

TURN = 25


def verbs(folder: Path, rounds: int) -> None:
    """In process."""
    python = peers_python()
    with ExitStack() as stack:
        rigs = []
        for kind, who in (("arc", sys.executable), ("bare", sys.executable)):
            (folder / kind).mkdir()
            rigs.append(Rig(kind, [who, HERE / "enqueue_rig.py", kind, folder / kind]))
        if python is not None:
            for kind, where in (("rq", stack.enter_context(redis(folder / "redis"))), ("procrastinate", stack.enter_context(postgres()))):
                if where is not None:
                    rigs.append(Rig(kind, [python, HERE / "enqueue_rig.py", kind, str(where)]))
        for number in range(rounds + 1):
            for rig in rigs:
                rig.turn(TURN)
                if number == 0:
                    rig.said.clear()  # warm now
        for rig in rigs:
            rig.end()
        report({rig.name: rig.said for rig in rigs})


def report(turns: dict[str, list[list[float]]]) -> None:
    """Spreads, and the rate of ours over each other: the median over the turns, which went beside one another."""
    for name, said in turns.items():
        print(f"{name:14} {spread([one for turn in said for one in turn])}")
    ours = turns["arc"]
    for name in list(turns)[1:]:
        ratios = [sum(theirs) / sum(mine) for mine, theirs in zip(ours, turns[name], strict=True)]
        of_p50 = _p50(turns[name]) / _p50(ours)
        print(f"    our rate over {name}: median of turns {statistics.median(ratios):.2f}, of the p50 {of_p50:.2f}")


def _p50(turns: list[list[float]]) -> float:
    return statistics.median(one for turn in turns for one in turn)


def routes(folder: Path, rounds: int) -> None:
    """Over one kept connection."""
    turns: dict[str, list[list[float]]] = {"arc": [], "bare route": []}
    (folder / "web").mkdir()
    servers = []
    clients = {}
    for name, kind in (("arc", "arc"), ("bare route", "bare")):
        port = free_port()
        servers.append(Rig(name, [sys.executable, HERE / "http_rig.py", kind, folder / "web", str(port)]))
        wait_for_port(port)
        clients[name] = HTTPConnection("127.0.0.1", port)
    secret = (folder / "web" / "arc" / "secrets" / "token").read_text().strip()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}
    body = json.dumps({"recipe": "probe.faults", "params": {"faults": {"epochs": 0}}})
    for number in range(rounds + 1):
        for name, client in clients.items():
            took = []
            for _ in range(TURN):
                began = time.perf_counter()
                client.request("POST", "/jobs", body, headers)
                answer = client.getresponse()
                answer.read()
                took.append((time.perf_counter() - began) * 1000)
                assert answer.status in (200, 202), answer.status
            if number:
                turns[name].append(took)
    for server in servers:
        server.end()
    print("over HTTP, one connection:")
    report(turns)


def main() -> None:
    """Run both in a folder that is deleted afterwards."""
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    with tempfile.TemporaryDirectory() as name:
        verbs(Path(name), rounds)
        routes(Path(name), rounds)
    print(load())


if __name__ == "__main__":
    main()
