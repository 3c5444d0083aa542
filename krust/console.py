"""Console: words for people, on stderr. Data goes to stdout and is not its business."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plumbing.oci.exchange import Progress


@dataclass(slots=True, kw_only=True)
class Console:
    """How much is said: quiet says errors alone; verbose 1 adds what is done, 2 every detail."""

    color: bool = True
    quiet: bool = False
    verbose: int = 0

    def say(self, text: str) -> None:
        """A line that everybody sees unless quiet."""
        if not self.quiet:
            self._write(text)

    def detail(self, text: str, level: int = 1) -> None:
        """A line for those who asked for more."""
        if self.verbose >= level:
            self._write(text)

    def progress(self) -> Progress | None:
        """Who is told how far a copy is; None if nobody wants to know."""
        return None

    def _write(self, text: str) -> None:
        sys.stderr.write(f"krust: {text}\n")
        sys.stderr.flush()
