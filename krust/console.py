"""Console: words for people, on stderr. Data goes to stdout and is not its business. The only user of rich."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import rich.progress

    from plumbing.oci.descriptor import Descriptor
    from plumbing.oci.digest import Digest
    from plumbing.oci.exchange import Progress

_INTERVAL = 5.0
"""Seconds between two lines about a copy, where there is no terminal for a bar."""


class Console:
    """How much is said: quiet says errors alone; verbose 1 adds what is done, 2 every detail."""

    def __init__(self, *, color: bool = True, quiet: bool = False, verbose: int = 0) -> None:
        self.color = color
        self.quiet = quiet
        self.verbose = verbose
        self._display: _Lines | _Bars | None = None

    def say(self, text: str) -> None:
        """A line that everybody sees unless quiet."""
        if not self.quiet:
            self._write(text)

    def detail(self, level: int, line: Callable[[], str]) -> None:
        """A line for those who asked for more."""
        if self.verbose >= level:
            self._write(line())

    def progress(self) -> Progress | None:
        """Who is told how far a copy is: bars on a terminal, a line now and then elsewhere, nobody if quiet."""
        self.end()
        if not self.quiet:
            bars = sys.stderr.isatty() and not self.verbose  # lines and bars would fight for the screen
            self._display = _Bars(color=self.color) if bars else _Lines()
        return self._display

    def end(self) -> None:
        """Clear away what is still shown of a copy, for what comes next may be an error."""
        if self._display is not None:
            self._display.stop()
            self._display = None

    def _write(self, text: str) -> None:
        display = self._display
        if display is not None:
            display.write(f"krust: {text}")
        else:
            _write(f"krust: {text}")


class _Lines:
    """A line every few seconds; nothing for what is over before the first of them."""

    def __init__(self) -> None:
        import threading

        self._lock = threading.Lock()
        self._total = self._moved = 0
        self._began = self._last = time.monotonic()

    def plan(self, blobs: list[Descriptor]) -> None:
        self._total += sum(blob.size for blob in blobs)

    def advance(self, blob: Descriptor, count: int) -> None:
        with self._lock:
            self._moved += count
            now = time.monotonic()
            if now - self._last < _INTERVAL:
                return
            self._last = now
            rate = self._moved / (now - self._began)
        left = f", {(self._total - self._moved) / rate:.0f} s left" if rate > 0 else ""
        moved, total = _megabytes(self._moved), _megabytes(self._total)
        self.write(f"krust: moved {moved} of {total} MB, {_megabytes(rate)} MB/s{left}")

    def done(self, blob: Descriptor) -> None:
        pass

    def write(self, line: str) -> None:
        _write(line)

    def stop(self) -> None:
        pass


class _Bars:
    """A bar for each blob that is moved and one for all, with speed and time left; gone when all is done."""

    def __init__(self, *, color: bool) -> None:
        import threading

        self._color = color
        self._lock = threading.Lock()
        self._progress: rich.progress.Progress | None = None
        self._tasks: dict[Digest, rich.progress.TaskID] = {}
        self._left: set[Digest] = set()
        self._total: rich.progress.TaskID | None = None

    def plan(self, blobs: list[Descriptor]) -> None:
        from rich import progress  # felt, so only who has something to show pays for it
        from rich.console import Console as Terminal

        self._progress = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=Terminal(stderr=True, no_color=not self._color),
            transient=True,
        )
        self._left = {blob.digest for blob in blobs}
        self._total = self._progress.add_task("total", total=sum(blob.size for blob in blobs))
        self._progress.start()

    def advance(self, blob: Descriptor, count: int) -> None:
        if self._progress is None or self._total is None:
            return
        with self._lock:
            task = self._tasks.get(blob.digest)
            if task is None:
                task = self._tasks[blob.digest] = self._progress.add_task(blob.digest.hex[:12], total=blob.size)
        self._progress.advance(task, count)
        self._progress.advance(self._total, count)

    def done(self, blob: Descriptor) -> None:
        if self._progress is None or self._total is None:
            return
        with self._lock:
            self._left.discard(blob.digest)
            task = self._tasks.get(blob.digest)
            finished = not self._left
        if task is not None:
            self._progress.remove_task(task)
        else:
            self._progress.advance(self._total, blob.size)  # it was there already, or was mounted
        if finished:
            self.stop()

    def write(self, line: str) -> None:
        """Above the bars, which would cover it otherwise."""
        if self._progress is None:
            _write(line)
        else:
            self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()


def _write(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _megabytes(count: float) -> str:
    return f"{count / 1e6:.1f}"
