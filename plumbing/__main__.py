"""python -m plumbing COMMAND: the plumbing without krust."""

from __future__ import annotations

import sys

from plumbing.commands import NAMES, TABLE
from plumbing.commands.group import Commands, leave, run

group = Commands(
    name="plumbing",
    help="Small commands over an OCI image layout, each of one verb and one noun.",
    sections={f"Commands that {kind}": names for kind, names in TABLE.items()},
    packages=dict.fromkeys(NAMES, "plumbing.commands"),
)

if __name__ == "__main__":
    leave(run(group, sys.argv[1:] or ["--help"], name="python -m plumbing"))
