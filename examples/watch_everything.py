"""Print whatever happens in a control plane, one line an event, and stop after some.

Start a control plane first (`arc serve`), then: python examples/watch_everything.py --workspace arc-workspace
"""

import argparse
from pathlib import Path

from arc.client import Client

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--workspace", type=Path, default=Path("arc-workspace"))
parser.add_argument("--after", type=int, help="Go on after this event; from now on when not given.")
parser.add_argument("--events", type=int, default=100, help="Stop after so many.")
options = parser.parse_args()

with Client.of_workspace(options.workspace) as arc:
    left = options.events
    for update in arc.events(after=options.after):
        if update.event is None:
            continue
        print(f"{update.event.seq:6d}  {update.event.at:%H:%M:%S}  {update.event.kind:22}  {update.event.subject}")
        left -= 1
        if not left:
            break
