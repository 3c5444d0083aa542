"""Watch: hears what krust lets out in every test, and fails the test in which a secret was among it.

What is heard: both outputs of every process that a test starts; what is printed in the test's own process; the texts of
errors, with their causes; log lines that a test collects. And of krust, in whatever process: the words of each program
that it starts, and each file that it writes, but for docker's config.json, if nobody else may read that.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from plumbing.errors import PlumbingError
from tests.secrets import LONGEST, leaks
from tests.secrets.site.sitecustomize import listen

_SITE = Path(__file__).with_name("site")
_READ = 1 << 20
"""Bytes of each file that are searched."""

found: list[str] = []
"""The leaks of the test that runs, with their places."""

counts: Counter[str] = Counter()
"""What was searched: kinds of things, and bytes."""


class Stream:
    """Bytes that come in pieces, a secret maybe in two of them."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.count = 0
        self._end = b""

    def take(self, data: str | bytes | None) -> None:
        if not data:
            return
        raw = data.encode(errors="surrogateescape") if isinstance(data, str) else data
        self.count += len(raw)
        counts["bytes"] += len(raw)
        places = leaks(self._end + raw)
        found.extend(f"{self.where}: …{text}…" for text in places)
        self._end = b"" if places else (self._end + raw)[-LONGEST:]


def saw(where: str, data: str | bytes | None) -> None:
    """Search `data`, which krust let out at `where`. For tests that read what is not heard by itself: a terminal."""
    if data:
        counts[where] += 1
        Stream(where).take(data)


class _Output:
    """A pipe from a process, as `subprocess` makes it; what is read from it is heard."""

    def __init__(self, pipe: Any, stream: Stream) -> None:
        self._pipe = pipe
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._pipe, name)
        if not name.startswith("read") or name == "readable":
            return value

        def read(*arguments: Any) -> Any:
            data = value(*arguments)
            if isinstance(data, str | bytes):
                self._stream.take(data)
            elif isinstance(data, list):
                self._stream.take((b"" if data and isinstance(data[0], bytes) else "").join(data))
            return data

        return read

    def __iter__(self) -> Iterator[Any]:
        for line in self._pipe:
            self._stream.take(line)
            yield line

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()


class _Process(subprocess.Popen[Any]):
    """A process whose outputs are heard, if a test starts it; those of what krust starts are krust's own affair."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._streams: dict[str, Stream] = {}
        super().__init__(*args, **options)
        if _starter().startswith(("krust.", "plumbing.")):
            return
        counts["processes"] += 1
        for name in ("stdout", "stderr"):
            pipe, said = getattr(self, name), options.get(name)
            if pipe is not None:
                self._streams[name] = Stream(name)
                setattr(self, name, _Output(pipe, self._streams[name]))
            elif isinstance(path := getattr(said, "name", None), str):
                _logs.setdefault(path, Stream(name))

    def communicate(self, *args: Any, **options: Any) -> Any:
        """It reads the pipes' descriptors, or a single pipe by its `read`."""
        before = {name: stream.count for name, stream in self._streams.items()}
        both = super().communicate(*args, **options)
        for name, data in zip(("stdout", "stderr"), both, strict=True):
            if name in self._streams and self._streams[name].count == before[name]:
                self._streams[name].take(data)
        return both


_logs: dict[str, Stream] = {}
"""Files that processes write to; each was read as far as its stream counts."""


def _starter() -> str:
    """The module that starts a process."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__") in (__name__, "subprocess"):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__"))


def _in_krust() -> bool:
    """Whether it is krust that does what is done now in this process."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(("krust.", "plumbing.")):
            return True
        frame = frame.f_back
    return False


_wrote: set[str] = set()


def _told(kind: str, text: str) -> None:
    if kind == "argv":
        saw("argv", text)
    else:
        _wrote.add(text)


class Watch:
    """The plugin: one for each process of pytest's."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._total: Counter[str] = Counter()
        self._folder = Path(tempfile.mkdtemp(prefix="krust-watch-"))
        self._undo = pytest.MonkeyPatch()
        self._undo.setattr(subprocess, "Popen", _Process)
        self._undo.setattr(pytest.CaptureFixture, "readouterr", _heard(pytest.CaptureFixture.readouterr))
        self._undo.setattr(PlumbingError, "__init__", _said(PlumbingError.__init__))
        self._undo.setattr(pytest.RaisesExc, "__exit__", _caught(pytest.RaisesExc.__exit__))
        listen(_told, _in_krust)

    @pytest.fixture(autouse=True)
    def _watched(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is measured is not watched from within."""
        if request.node.get_closest_marker("alone") is None:
            monkeypatch.setenv("PYTHONPATH", str(_SITE), prepend=os.pathsep)
            monkeypatch.setenv("TESTS_WATCH", str(self._folder))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        report = yield
        for name, text in report.sections:
            saw("captured", text if call.when in name else "")
        self._collect()
        if found:
            if report.outcome == "passed":
                report.outcome = "failed"
                report.longrepr = "a secret came out:\n" + "\n".join(found)
            found.clear()
        return report

    def _collect(self) -> None:
        for told in self._folder.iterdir():
            counts["processes of krust that told of themselves"] += 1
            raw = told.read_bytes()
            told.unlink()
            for line in raw.decode(errors="surrogateescape").splitlines():
                kind, _, text = line.partition("\0")
                _told(kind, text)
        for name, stream in list(_logs.items()):
            with contextlib.suppress(OSError), open(name, "rb") as file:
                file.seek(stream.count)
                stream.take(file.read())
        for path in map(Path, set(_wrote)):
            with contextlib.suppress(OSError):
                if path.is_file():  # no device, no pipe
                    with path.open("rb") as file:
                        private = not os.fstat(file.fileno()).st_mode & 0o077
                        data = file.read(_READ)
                    if not (private and b'"auths"' in data):  # made to keep credentials, and its owner's alone
                        saw("file", data)
        _wrote.clear()

    # the count at the end, with xdist's workers' as well

    def pytest_sessionfinish(self) -> None:
        self._total += counts
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["watched"] = dict(self._total)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._total += Counter(getattr(node, "workeroutput", {}).get("watched", {}))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        parts = [f"{count:,} {name}" for name, count in sorted(self._total.items()) if name != "bytes"]
        size = self._total["bytes"] / 1e6
        terminalreporter.write_line(f"searched for planted secrets: {', '.join(parts)}; {size:.1f} MB")

    def pytest_unconfigure(self) -> None:
        self._undo.undo()
        shutil.rmtree(self._folder, ignore_errors=True)


def _heard(readouterr: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def heard(self: Any) -> Any:
        result = readouterr(self)
        for data in result:
            saw("captured", data)
        return result

    return heard


def _said(init: Callable[..., None]) -> Callable[..., None]:
    def said(self: PlumbingError, *args: Any, **fields: Any) -> None:
        init(self, *args, **fields)
        saw("error", " ".join(map(str, self.args)))

    return said


def _caught(leave: Callable[..., bool]) -> Callable[..., bool]:
    """All that led to an error which a test expected: with -v each cause is shown."""

    def caught(self: Any, kind: Any, error: BaseException | None, trace: Any) -> bool:
        cause = error
        while cause is not None:
            saw("error", str(cause))
            cause = cause.__cause__
        return leave(self, kind, error, trace)

    return caught
