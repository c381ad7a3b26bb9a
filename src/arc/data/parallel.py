"""Parallel: one function over many files, on the threads that a job was given.

OpenCV, hashing and reading let go of the interpreter, so threads are enough and nothing is pickled. OpenCV's own threads
are off meanwhile: ten calls that each split themselves over the cores are slower than the cores with a call each.

Answers come in the order of the items whatever the order they were ready in, and so does the error: of two bad files the one
that is named is always the first.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final, TypeVar

import cv2

from arc.core.errors import Cancelled
from arc.core.ports import RunContext

_SAY_EVERY_S: Final = 0.3

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def each(
    ctx: RunContext, items: Sequence[Item], function: Callable[[Item], Answer], *, unit: str = "image", at_once: int = 1
) -> list[Answer]:
    """What `function` answers to each item, in order; its first error stops the rest, and so does Cancelled when asked to stop.

    `at_once` items go to a thread together: more than one where an item takes less time than handing it over.
    """
    own_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = ThreadPoolExecutor(max(1, ctx.threads))
    try:
        some = [items[at : at + at_once] for at in range(0, len(items), at_once)]
        return _followed(ctx, [pool.submit(lambda few: [function(item) for item in few], few) for few in some], len(items), unit)
    finally:
        pool.shutdown(cancel_futures=True)
        cv2.setNumThreads(own_threads)


def _followed(ctx: RunContext, futures: list[Future[list[Answer]]], of: int, unit: str) -> list[Answer]:
    answers: list[Answer] = []
    said = time.perf_counter()
    for future in futures:
        while not future.done():
            wait([future], timeout=_SAY_EVERY_S)
            said = _say(ctx, len(answers), of, unit, said)
        said = _say(ctx, len(answers), of, unit, said)
        answers += future.result()
    ctx.progress(len(answers), of, unit=unit)
    return answers


def _say(ctx: RunContext, done: int, of: int, unit: str, said: float) -> float:
    """Tell how far it is if that was last told a while ago; when it was."""
    if ctx.should_stop():
        raise Cancelled(f"asked to stop after {done} of {of}: {unit}")
    now = time.perf_counter()
    if now - said < _SAY_EVERY_S:
        return said
    ctx.progress(done, of, unit=unit)
    return now
