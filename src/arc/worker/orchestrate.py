"""probe.orchestrate, the run side: submits jobs with the capability of its attempt, and waits until they are over.

A job that waits for jobs must hold no slot that they need: its role is `orchestrator`. Each child has an idempotency key made
of the job's id and its number, so that an attempt that was killed and comes again finds its children instead of making
more. The work column may not import the client; two requests need none.
"""

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

from arc.core.errors import Cancelled, PermanentError, ServiceDown
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.core.states import TERMINAL
from arc.worker.probe_spec import OrchestrateParams

_LOOK_S = 0.1
_PATIENCE_S = 60.0  # a control plane that restarts is away for a while
_TIMEOUT_S = 10.0


def run(ctx: RunContext, params: OrchestrateParams) -> Done:
    """Submit the children and wait for them; Done with the status of each."""
    body = {"recipe": "probe.faults", "params": {"faults": params.faults.model_dump()}, "retry_delay_seconds": 0.0}
    children = [str(ask(ctx, "POST", "/jobs", body=body, key=f"{ctx.job_id}.{n}")["job_id"]) for n in range(params.children)]
    ended: dict[str, str] = {}
    while len(ended) < len(children):
        for child in [child for child in children if child not in ended]:
            status = str(ask(ctx, "GET", f"/jobs/status/{child}")["status"])
            if status in TERMINAL:
                ended[child] = status
                ctx.progress(len(ended), len(children), unit="job")
        if ctx.should_stop():
            raise Cancelled("it was asked to stop")
        time.sleep(_LOOK_S)
    return Done(metrics={"completed": sum(status == "completed" for status in ended.values())}, result={"children": ended})


def ask(ctx: RunContext, method: str, path: str, *, body: dict[str, Any] | None = None, key: str = "") -> dict[str, Any]:
    """One answer of the control plane, asked for again while it is away; PermanentError when it refuses, ServiceDown when it stays away."""
    end = time.perf_counter() + _PATIENCE_S
    while True:
        try:
            status, answer = _request(ctx, method, path, body, key)
        except (OSError, http.client.HTTPException) as error:
            if time.perf_counter() > end or ctx.should_stop():
                raise ServiceDown(f"the control plane at {ctx.control_url} does not answer: {error}") from error
            time.sleep(_LOOK_S)
            continue
        if status >= 400:
            raise PermanentError(f"{method} {path} was refused: {status} {answer.get('detail', '')}")
        return answer


def _request(ctx: RunContext, method: str, path: str, body: dict[str, Any] | None, key: str) -> tuple[int, dict[str, Any]]:
    if ctx.control_url is None:
        raise PermanentError("no control plane is served that this job could ask")
    address = urlsplit(ctx.control_url)
    headers = {"Authorization": f"Bearer {ctx.secret}"} | ({"Content-Type": "application/json"} if body is not None else {})
    headers |= {"Idempotency-Key": key} if key else {}
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_TIMEOUT_S)
    try:
        connection.request(method, path, body=json.dumps(body) if body is not None else None, headers=headers)
        response = connection.getresponse()
        found: dict[str, Any] = json.loads(response.read() or b"{}")
        return response.status, found
    finally:
        connection.close()
