"""What `arc serve` costs when nothing is asked of it: CPU and memory of the control plane, without the warm server.

Lower bound beside it: a Python process that only sleeps. `python benchmarks/bench_idle.py [SECONDS]`
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

SETTLE_S = 20.0
SLEEPER = "import time; time.sleep(3600)"


def cost(process: psutil.Process, seconds: float) -> tuple[float, float]:
    """Share of a core over the next seconds, and private memory in MB at the end."""
    before = process.cpu_times()
    started = time.perf_counter()
    time.sleep(seconds)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return used / (time.perf_counter() - started), process.memory_full_info().rss / (1 << 20)


def main() -> None:
    """Start a control plane on an empty workspace, let it settle, measure it."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "arc", "--workspace", str(Path(folder) / "ws"), "serve", "--port", "0"]
        serve = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        bound = subprocess.Popen([sys.executable, "-c", SLEEPER])
        try:
            time.sleep(SETTLE_S)
            share, rss_mb = cost(psutil.Process(serve.pid), seconds)
            bound_share, bound_rss_mb = cost(psutil.Process(bound.pid), 5.0)
            print(f"arc serve, idle for {seconds:.0f} s: {share:.2%} of a core, {rss_mb:.0f} MB resident")
            print(f"a sleeping Python: {bound_share:.2%} of a core, {bound_rss_mb:.0f} MB resident")
        finally:
            serve.terminate()
            bound.kill()
            serve.wait(30)


if __name__ == "__main__":
    main()
