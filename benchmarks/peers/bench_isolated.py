"""Isolated no-op jobs a second with two workers, first submit to last record: ours beside RQ, which forks per job, without and with torch.

Both sync every write on the same disk. Turns of so many jobs each. See rigs.py for how RQ is installed.

    python benchmarks/peers/bench_isolated.py [PYTHON_OF_THE_PEERS] [ROUNDS] [JOBS]
"""

import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rigs import HERE, Rig, load, peers_python, redis


def main() -> None:
    """In turns, in a folder that is deleted afterwards."""
    python = peers_python()
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 6
    jobs = int(sys.argv[3]) if len(sys.argv) > 3 else 60
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        rigs = [Rig("arc", [sys.executable, HERE / "isolated_rig.py", "arc", f"{name}/arc"])]
        for kind in ("rq", "rq-torch") if python is not None else ():
            port = stack.enter_context(redis(Path(name) / kind))
            if port is not None:
                rigs.append(Rig(kind, [python, HERE / "isolated_rig.py", kind, str(port)]))
        for _ in range(rounds):
            for rig in rigs:
                rig.turn(jobs)
        for rig in rigs:
            rig.end()
        rates = {rig.name: [rate for said in rig.said for rate in said] for rig in rigs}
    for kind, found in rates.items():
        print(f"{kind:9} {statistics.median(found):6.1f} jobs/s [{min(found):.1f}-{max(found):.1f}]")
    for kind in list(rates)[1:]:
        ratios = [mine / theirs for mine, theirs in zip(rates["arc"], rates[kind], strict=True)]
        print(f"    our rate over {kind}, median of turns: {statistics.median(ratios):.2f}")
    print(load())


if __name__ == "__main__":
    main()
