"""Durable enqueue: our verb beside a bare SQLite commit, RQ (Redis syncs every write) and Procrastinate.

First one client, then eight threads of one process at once, which is how a server meets it. Then over HTTP, by one
connection and by eight: `POST /jobs` beside a FastAPI route that inserts one row into SQLite. Everything syncs every
commit on the same disk; no worker is up. Turns of 25, of 200 with eight. See rigs.py for how the peers are installed.

    python benchmarks/peers/bench_enqueue.py [PYTHON_OF_THE_PEERS] [ROUNDS]
"""

import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

from rigs import HERE, Rig, free_port, load, peers_python, postgres, redis, spread, wait_for_port

TURN = 25
MANY = 8


def verbs(folder: Path, rounds: int, threads: int) -> None:
    """In process, by so many threads."""
    folder.mkdir()
    python = peers_python()
    with ExitStack() as stack:
        rigs = []
        for kind, who in (("arc", sys.executable), ("bare", sys.executable)):
            (folder / kind).mkdir()
            rigs.append(Rig(kind, [who, HERE / "enqueue_rig.py", kind, folder / kind, str(threads)]))
        if python is not None:
            for kind, where in (("rq", stack.enter_context(redis(folder / "redis"))), ("procrastinate", stack.enter_context(postgres()))):
                if where is not None:
                    rigs.append(Rig(kind, [python, HERE / "enqueue_rig.py", kind, str(where), str(threads)]))
        for number in range(rounds + 1):
            for rig in rigs:
                rig.turn(TURN * threads)
                if number == 0:
                    rig.said.clear()  # warm now
        for rig in rigs:
            rig.end()
        print(f"in process, {threads} at once (times and rates of each):")
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


def routes(folder: Path, rounds: int, connections: int) -> None:
    """Over so many kept connections."""
    turns: dict[str, list[list[float]]] = {"arc": [], "bare route": []}
    folder.mkdir()
    servers = []
    clients = {}
    for name, kind in (("arc", "arc"), ("bare route", "bare")):
        port = free_port()
        servers.append(Rig(name, [sys.executable, HERE / "http_rig.py", kind, folder, str(port)]))
        wait_for_port(port)
        clients[name] = [HTTPConnection("127.0.0.1", port) for _ in range(connections)]
    secret = (folder / "arc" / "secrets" / "token").read_text().strip()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {secret}"}
    with ThreadPoolExecutor(connections) as threads:
        for number in range(rounds + 1):
            for name, many in clients.items():
                took = [one for some in threads.map(lambda client: posts(client, headers), many) for one in some]
                if number:
                    turns[name].append(took)
    for server in servers:
        server.end()
    print(f"over HTTP, {connections} connections (times and rates of each):")
    report(turns)


def posts(client: HTTPConnection, headers: dict[str, str]) -> list[float]:
    """A turn of one connection: milliseconds of each request."""
    body = json.dumps({"recipe": "probe.faults", "params": {"faults": {"epochs": 0}}})
    took = []
    for _ in range(TURN):
        began = time.perf_counter()
        client.request("POST", "/jobs", body, headers)
        answer = client.getresponse()
        answer.read()
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status in (200, 202), answer.status
    return took


def main() -> None:
    """Run all in a folder that is deleted afterwards."""
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    with tempfile.TemporaryDirectory() as name:
        for many in (1, MANY):
            verbs(Path(name) / f"verbs{many}", rounds, many)
            routes(Path(name) / f"web{many}", rounds, many)
    print(load())


if __name__ == "__main__":
    main()
