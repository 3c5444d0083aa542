"""The commands that a Markdown document shows: finding them, running them, comparing what they print.

CONTRIBUTING.md tells the convention.
"""

from __future__ import annotations

import re
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

_FENCE = re.compile(r" *(?P<fence>```+)(?P<info>.*)")
_NO_RUN = "sh no-run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    line: int  # of its first fence
    last: int  # of its other fence
    info: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A block of commands, and what they should print if the document shows it."""

    line: int
    script: str
    shown: str | None


def blocks(document: Path) -> list[Block]:
    """Raises ValueError for a fence that is never closed."""
    found = []
    lines = document.read_text().splitlines()
    start, first = None, 0
    for line, text in enumerate(lines, start=1):
        if start and text.strip() == start["fence"]:
            body = textwrap.dedent("".join(f"{inner}\n" for inner in lines[first : line - 1]))
            found.append(Block(line=first, last=line, info=start["info"].strip(), text=body))
            start = None
        elif not start and (start := _FENCE.fullmatch(text)):
            first = line
    if start:
        raise ValueError(f"{document.name}:{first}: a block without an end")
    return found


def steps(document: Path) -> Iterator[Step]:
    """The blocks to run, in order. A `text` block after one, with nothing but empty lines between, is its output."""
    lines = document.read_text().splitlines()
    found = blocks(document)
    after = dict(pairwise(found))
    for block in found:
        if block.info == "sh":
            output = after.get(block)
            shows = output and output.info == "text" and not "".join(lines[block.last : output.line - 1]).strip()
            yield Step(line=block.line, script=block.text, shown=output.text if output and shows else None)


def not_run(document: Path) -> Iterator[tuple[Block, str]]:
    """The blocks of commands that no test can run, each with the reason that the document gives."""
    for block in blocks(document):
        if block.info.startswith(_NO_RUN):
            yield block, block.info.removeprefix(_NO_RUN).removeprefix(":").strip()


def follow(document: Path, scratch: Path) -> str | None:
    """Run the blocks of `document` in one shell, in order; say which was the first to go wrong, and how.

    One shell, so that what a block sets, later ones have. Each block's standard output goes to a file of its own.
    """
    outputs = scratch / ".outputs"
    outputs.mkdir()
    todo = list(steps(document))
    # The shell takes servers that a document starts with it.
    script = ["set -euo pipefail", "trap 'jobs -p | xargs kill 2>/dev/null || true' EXIT"]
    for step in todo:
        script += [f"exec >'{outputs / str(step.line)}'", step.script]
    errors = outputs / "errors"  # files, not pipes: nothing waits for a server that the document has left running
    with errors.open("wb") as stderr:
        done = subprocess.run(
            ["bash", "-c", "\n".join(script)],
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            check=False,
        )
    begun = [step for step in todo if (outputs / str(step.line)).exists()]
    for step in begun:
        printed = (outputs / str(step.line)).read_text()
        if step is begun[-1] and done.returncode:
            return f"{document.name}:{step.line}: exit {done.returncode}\n{printed}{errors.read_text()}"
        if step.shown is not None and not matches(step.shown, printed):
            return f"{document.name}:{step.line}: printed\n{printed}\nwhere the document shows\n{step.shown}"
    if begun != todo:
        return f"{document.name}:{begun[-1].line}: ended the shell before line {todo[len(begun)].line}"
    return None


def matches(shown: str, printed: str) -> bool:
    """`...` stands for anything within a line; alone on a line, for any lines or none."""
    pattern = "".join(
        r"(?:.*\n)*" if line.strip() == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
        for line in shown.splitlines()
    )
    ended = printed if not printed or printed.endswith("\n") else printed + "\n"
    return re.fullmatch(pattern, ended) is not None
