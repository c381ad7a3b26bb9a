"""Optimisers of studies beside their peers: regret, crashes, duplicates, calibration; the same problems, seeds and budget.

    python benchmarks/bench_optimiser.py run FILE --method arc --seeds 3
    python benchmarks/bench_optimiser.py run FILE --method tpe --seeds 3 --peers /tmp/peers/bin/python
    python benchmarks/bench_optimiser.py report FILE --method arc random tpe gp smac
    python benchmarks/bench_optimiser.py speed

`run` adds one line of JSON for each method, problem and seed to FILE and skips those that are there. Peers live in an
environment of their own (`pip install optuna==5.0.0 ax-platform==1.3.1 smac==2.4.1`, torch for the processor). What a peer
that crashed is told stands in `peers/optimiser_rig.py`; what a problem is in `optimiser_problems.py`. A training is measured
once, with noise; regret is of the best true value among the configurations tried, whichever looked best.
"""

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from optimiser_problems import Problem, network, problems

from arc.core.space import Config, digest
from arc.research.model.calibration import left_out
from arc.research.model.encode import Encoder
from arc.research.model.optimiser import suggest
from arc.research.model.trial import Trial
from arc.research.model.world_model import WorldModel

METHODS = ("arc", "random", "tpe", "tpe-fail", "gp", "ax", "smac")
RIG = Path(__file__).parent / "peers" / "optimiser_rig.py"
BUDGET = 50
Ask = Callable[[], Config]
Tell = Callable[[Config, float | None], None]


def by_arc(problem: Problem, seed: int, said: list[Any]) -> tuple[Ask, Tell]:
    """Our own: a fresh fit for each suggestion; what it expected goes to `said`."""
    trials: list[Trial] = []

    def ask() -> Config:
        [one] = suggest(problem.space, trials, count=1, seed=seed)
        said.append((one.mean, one.sd, one.p_failure))
        return one.config

    return ask, lambda config, value: trials.append(Trial(dict(config), value, failed=value is None))


def by_peer(python: str, name: str, problem: Problem, seed: int) -> tuple[Ask, Tell]:
    """A peer in its own process, by lines."""
    process = subprocess.Popen(
        [python, RIG, name, str(seed), str(BUDGET)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    source, sink = process.stdout, process.stdin

    def say(what: str) -> None:
        sink.write(what + "\n")
        sink.flush()

    def ask() -> Config:
        line = source.readline()
        while line and not line.startswith("@"):
            line = source.readline()
        if not line:
            raise RuntimeError(f"{name} has died on {problem.name}")
        return dict(json.loads(line[1:]))

    say(problem.space.model_dump_json())
    return ask, lambda _, value: say(json.dumps(value))


def played(problem: Problem, ask: Ask, tell: Tell, seed: int) -> dict[str, Any]:
    """One search of BUDGET trainings."""
    began, true, measured, met, repeated = time.perf_counter(), [], [], set(), 0
    for number in range(BUDGET):
        config = ask()
        named = digest({name: config[name] for name in problem.space.active(config)})
        repeated += named in met
        met.add(named)
        true.append(problem.true(config))
        measured.append(problem.measured(config, seed=seed, number=number))
        tell(config, measured[-1])
    tried = [value for value in true if value is not None]
    regret = problem.regret(max(tried)) if tried else 1.0
    return {
        "regret": regret,
        "crashed": true.count(None) / BUDGET,
        "repeated": repeated,
        "took_s": time.perf_counter() - began,
        "true": true,
        "measured": measured,
    }


def run(path: Path, method: str, seeds: Sequence[int], names: Sequence[str], python: str | None) -> None:
    """Play what is not in the file yet."""
    there = {(one["method"], one["problem"], one["seed"]) for one in read(path)}
    for seed in seeds:
        for problem in problems():
            if (method, problem.name, seed) in there or (names and not any(name in problem.name for name in names)):
                continue
            said: list[Any] = []
            ask, tell = by_arc(problem, seed, said) if method == "arc" else by_peer(str(python), method, problem, seed)
            try:
                found = played(problem, ask, tell, seed)
            except RuntimeError as error:
                print(error)
                continue
            with path.open("a") as file:
                file.write(json.dumps({"method": method, "problem": problem.name, "seed": seed, **found, "said": said}) + "\n")
            print(
                f"{method:9} {problem.name:46} seed {seed} regret {found['regret']:.4f} crashed {found['crashed']:.2f} in {found['took_s']:.0f} s",
                flush=True,
            )


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def report(path: Path, methods: Sequence[str]) -> None:
    """Tables of what the file holds of these methods, over the problems and seeds that all of them have."""
    cells = {(line["method"], line["problem"], line["seed"]): line for line in read(path)}
    names = dict.fromkeys(name for _, name, _ in cells)
    seeds = {name: [seed for seed in range(100) if all((method, name, seed) in cells for method in methods)] for name in names}

    def over(name: str, what: str) -> dict[str, float]:
        return {method: statistics.mean(cells[method, name, seed][what] for seed in seeds[name]) for method in methods}

    def row(title: str, values: dict[str, float]) -> None:
        print(f"{title:58} " + " ".join(f"{values[method]:9.4f}" for method in methods))

    def mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
        return {method: statistics.mean(one[method] for one in rows) for method in methods}

    print(f"{'mean normalised regret after ' + str(BUDGET):58} " + " ".join(f"{method:>9}" for method in methods))
    regret = {name: over(name, "regret") for name in names if seeds[name]}
    for name, values in regret.items():
        row(f"{name} ({len(seeds[name])} seeds)", values)
    row("mean", mean(list(regret.values())))
    crashing = [shares for name in regret if any((shares := over(name, "crashed")).values())]
    row(f"share that crashed, of {len(crashing)} problems that do", mean(crashing))
    row("repeated configurations a run", mean([over(name, "repeated") for name in regret]))
    peers = [method for method in methods if method != "arc"]
    if "arc" in methods and peers:
        held = [name for name, values in regret.items() if values["arc"] <= min(values[peer] for peer in peers) + 1e-9]
        print(f"arc is not worse than the best of them on {len(held)} of {len(regret)}: {'; '.join(held)}")


def judge(lines: Sequence[dict[str, Any]]) -> None:
    """Coverage of what was expected one step ahead, from the first suggestion by the model on; leave-one-out beside a constant."""
    spaces = {problem.name: problem for problem in problems()}
    inside: dict[float, list[bool]] = {0.674: [], 1.645: []}
    errors = []
    for line in lines:
        problem = spaces[line["problem"]]
        for number, ((mean, sd, _), value) in enumerate(zip(line["said"], line["measured"], strict=True)):
            if mean is not None and value is not None and number >= 10:
                for width, hits in inside.items():
                    hits.append(abs(value - mean) <= width * sd + 1e-12)
    for problem in spaces.values():
        encoder = Encoder(problem.space)
        configs = encoder.configs(encoder.spread(np.random.default_rng(7).random((50, len(encoder.names)))))
        values = [problem.measured(config, seed=7, number=number) for number, config in enumerate(configs)]
        trials = [Trial(config, value, failed=value is None) for config, value in zip(configs, values, strict=True)]
        error, constant = left_out(WorldModel.fit(problem.space, trials, seed=0))
        errors.append(error / constant)
        print(f"leave-one-out error over a constant's, 50 random trials, {problem.name:46} {error / constant:.2f}")
    print(
        f"coverage of later trials: 50 % {statistics.mean(inside[0.674]):.3f}, 90 % {statistics.mean(inside[1.645]):.3f}, n {len(inside[0.674])}"
    )
    print(
        f"leave-one-out below a constant on {sum(ratio < 1 for ratio in errors)} of {len(errors)}, mean ratio {statistics.mean(errors):.2f}"
    )


def speed() -> None:
    """`suggest` with a fitted model three trials old, in eight mixed dimensions; wall and processor time, the fit apart."""
    problem = network()
    encoder = Encoder(problem.space)
    for count in (200, 1000):
        configs = encoder.configs(encoder.spread(np.random.default_rng(0).random((count, 8))))
        values = [problem.measured(config, seed=0, number=number) for number, config in enumerate(configs)]
        trials = [Trial(config, value, failed=value is None, cost_s=60.0) for config, value in zip(configs, values, strict=True)]
        began, busy = time.perf_counter(), time.process_time()
        model = WorldModel.fit(problem.space, trials[:-3], seed=0)
        print(
            f"{count} trials: fit {time.perf_counter() - began:.2f} s wall, {time.process_time() - busy:.2f} s of processor; weight of the process {model.weight}"
        )
        wall, work = [], []
        for number in range(40):
            began, busy = time.perf_counter(), time.process_time()
            suggest(problem.space, trials, count=1, seed=number, model=model)
            wall.append(1000 * (time.perf_counter() - began))
            work.append(1000 * (time.process_time() - busy))
        print(
            f"  suggest wall p50 {np.median(wall):.0f} ms p95 {np.quantile(wall, 0.95):.0f} ms; processor p50 {np.median(work):.0f} ms p95 {np.quantile(work, 0.95):.0f} ms"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="optimisers beside their peers")
    parser.add_argument("do", choices=["run", "report", "speed"])
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--method", choices=METHODS, default=["arc"], nargs="+", help="the first is run; all are reported")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--problems", nargs="*", default=[], help="parts of their names")
    parser.add_argument("--peers", help="the interpreter of the peers")
    given = parser.parse_args()
    if given.do == "speed":
        speed()
    elif given.do == "run":
        run(given.file, given.method[0], range(given.seeds), given.problems, given.peers)
    else:
        report(given.file, given.method)
        judge([line for line in read(given.file) if line["method"] == "arc"])


if __name__ == "__main__":
    main()
