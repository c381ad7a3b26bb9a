"""RQ with torch imported in its forking worker: `start_rig.py PORT`; a turn enqueues jobs one at a time, idle between."""

import multiprocessing
import sys
import time

import redis
import rq
from rigs import serve


def first_line() -> float:
    """What a job sees first."""
    return time.perf_counter()


def worker(port: int) -> None:
    """A worker that has imported torch and MONAI before it forks."""
    import monai.networks.nets
    import torch

    print("imported", torch.__version__, monai.__name__, file=sys.stderr)
    rq.Worker(["default"], connection=redis.Redis(port=port)).work(logging_level="ERROR")


def main() -> None:
    """Work in turns."""
    port = int(sys.argv[1])
    process = multiprocessing.get_context("spawn").Process(target=worker, args=(port,))
    process.start()
    queue = rq.Queue(connection=redis.Redis(port=port))

    def turn(count: int) -> list[float]:
        took = []
        for _ in range(count):
            began = time.perf_counter()
            job = queue.enqueue("start_rig.first_line")
            while (at := job.return_value(refresh=True)) is None:
                time.sleep(0.002)
            took.append((at - began) * 1000)
        return took

    turn(3)
    serve(turn)
    process.terminate()
    process.join()


if __name__ == "__main__":
    main()
