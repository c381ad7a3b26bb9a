"""What the engine says of a job that fails once and then completes: one line for each step, with the ids, and the counts of it all."""

import asyncio
from pathlib import Path

from structlog.testing import capture_logs

from tests.flows.living import completed, living, probe


def test_each_step_of_a_job_is_a_line_with_its_ids_and_is_counted(tmp_path: Path) -> None:
    async def story() -> None:
        with capture_logs() as said:
            async with living(tmp_path / "ws") as app:
                job = await completed(app, probe(app, {"epochs": 1, "crash_at": 1, "attempts": 1}))
        ended, latencies = app.figures.attempts(), app.figures.latencies()
        lines = [line for line in said if line.get("job_id") == job.id]
        told = [(line["event"], line["attempt"]) for line in lines]
        assert told == [("claimed", 1), ("launched", 1), ("ended", 1), ("requeued", 1), ("claimed", 2), ("launched", 2), ("ended", 2)]
        assert (lines[2]["outcome"], lines[2]["failure_class"], lines[2]["status"]) == ("failed", "exception", "queued")
        assert (lines[6]["outcome"], lines[6]["failure_class"], lines[6]["status"]) == ("done", None, "completed")
        assert ended == {("failed", "exception"): 1, ("done", ""): 1}
        assert (latencies["claim"].up_to[-1], latencies["start"].up_to[-1]) == (1, 1)

    asyncio.run(story())
