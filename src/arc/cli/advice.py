"""Advice: the line below an error that says what to do next.

Most errors of the house name the remedy themselves; these are the cases where the command line knows more
than the place that raised: which command lists the parameters, which one starts the control plane.
"""

from arc.core.errors import ArcError, Forbidden, ServiceDown, Unauthorized


def next_step(error: ArcError) -> str | None:
    """What to do about `error`, or None when its own message says it."""
    field = error.field or ""
    if isinstance(error, ServiceDown):
        return "Start it again with arc serve; work that was accepted is kept and goes on."
    if isinstance(error, Unauthorized):
        return "The token is read from secrets/token in the workspace; for a control plane elsewhere put one of its tokens there."
    if isinstance(error, Forbidden) and "data roots" in error.message:
        return (
            "Allow the folder where the jobs run: ARC_DATA_ROOTS=FOLDER before arc serve, or data_roots in the arc.toml of the workspace."
        )
    if field.startswith(("params", "inputs")):
        return "arc recipes show NAME lists the parameters and inputs of a recipe."
    if field == "recipe":
        return "arc recipes lists what there is."
    if field == "job_id":
        return "arc jobs list shows the jobs and their states."
    if field == "experiment_id":
        return "arc experiments list shows the experiments."
    return None
