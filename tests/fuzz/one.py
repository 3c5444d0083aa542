"""Fuzz one target, in this process: python -m tests.fuzz.one TARGET FOLDER OPTION...

What is wrong with the target is kept in FOLDER/found, the shortest input of each fault beside what it led to; so are
the inputs that led to something new, in FOLDER/corpus, and the slowest one. OPTIONs are libFuzzer's: -max_total_time,
-runs, -seed.
"""

from __future__ import annotations

import random
import resource
import sys
import time
import traceback
from pathlib import Path

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

MEMORY = 256
"""MiB that an input may need, over what the process has before the first one."""

SLOW = 2.0
"""Seconds of the processor that an input may take. The code counts its own branches here, and is slow by that."""

_STUCK = 120
"""Seconds after which an input is taken for one that never ends. There may be other work on this machine."""


class Run:
    """The inputs that `target` gets, and what came of them."""

    def __init__(self, name: str, folder: Path) -> None:
        from tests.fuzz import targets

        self.target = targets.load(name)
        self._slowest = 0.05
        self._found = folder / "found"
        self._folder = folder
        self._lengths: dict[str, int] = {}
        self._found.mkdir(parents=True, exist_ok=True)

    def __call__(self, data: bytes) -> None:
        start = time.process_time()
        try:
            self.target.check(data)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what we look for)
            self._keep(_place(error), data, "".join(traceback.format_exception(error)))
        seconds = time.process_time() - start
        if seconds > self._slowest:
            self._slowest = seconds * 1.1
            (self._folder / "slowest").write_bytes(data)
            (self._folder / "slowest.txt").write_text(f"{seconds:.2f}\n")
        if seconds > SLOW:
            self._keep("slow", data, f"{seconds:.1f} s of the processor for {len(data)} bytes\n")

    def mutated(self, data: bytes, most: int, seed: int) -> bytes:
        """As libFuzzer does it; now and then a part of it again and again, for what grows faster than its input."""
        dice = random.Random(seed)
        if data and dice.random() < 1 / 512:
            start = dice.randrange(len(data))
            piece = data[start : start + dice.randint(1, 16)]
            times = dice.randint(1, max(1, (most - len(data)) // len(piece)))
            return (data[:start] + piece * times + data[start + len(piece) :])[:most]
        made: bytes = atheris.Mutate(data[: self.target.usual], min(most, self.target.usual))
        return made

    def _keep(self, fault: str, data: bytes, words: str) -> None:
        if len(data) < self._lengths.get(fault, sys.maxsize):
            self._lengths[fault] = len(data)
            (self._found / fault).write_bytes(data)
            (self._found / f"{fault}.txt").write_text(words, errors="backslashreplace")


def _place(error: BaseException) -> str:
    """A fault's name: its kind, and where in krust or in its target it came up, so that each is told once."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if "/site-packages/" not in each.filename]
    ours = [each for each in frames if any(f"/{part}/" in each.filename for part in ("krust", "plumbing", "tests"))]
    last = (ours or frames)[-1]
    return f"{type(error).__name__}-{Path(last.filename).stem}-{last.lineno}"


def main() -> None:
    name, place, *options = sys.argv[1:]
    folder = Path(place)
    with atheris.instrument_imports(include=["krust", "plumbing"]):
        run = Run(name, folder)
        run(b"")
        corpus = folder / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        words = folder / "words"
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in run.target.words))
        # ru_maxrss is in KiB
        limit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 + MEMORY
        given = [
            str(corpus),
            *([str(run.target.corpus)] if run.target.corpus.is_dir() else []),
            f"-artifact_prefix={folder / 'found'}/",
            f"-dict={words}",
            f"-max_len={run.target.longest}",
            f"-rss_limit_mb={limit}",
            f"-timeout={_STUCK}",
            "-len_control=0",
            "-print_final_stats=1",
            "-report_slow_units=600",  # by the clock, which says nothing where others work too
            *options,
        ]
        atheris.Setup([sys.argv[0], *given], run, custom_mutator=run.mutated)
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    """As libFuzzer's dictionaries have it."""
    return "".join(chr(c) if 32 <= c < 127 and c not in b'"\\' else f"\\x{c:02X}" for c in word)


if __name__ == "__main__":
    main()
