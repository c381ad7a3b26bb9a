"""One attempt in one process: the warm server that forks it, the reaper that sees its end, the context it is given.

`warm` forks `reaper`, which forks the attempt: `attempt` confines the process (`limits`), loads the recipe through
the catalog, runs it with a `context` that writes the `journal`, and says how it went (`outcomes`).
"""
