from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from krust.cargo import process
from krust.errors import CargoError, ToolchainError
from tests.tools import ROOT, require_tool, run

# A child with a child of its own that hears nothing of SIGTERM, as a compiler's linker may; both say who they are.
_FAMILY = """
echo $$
(trap '' TERM; echo $(exec sh -c 'echo $PPID'); while :; do sleep 1; done) &
while :; do sleep 1; done
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text() if sys.platform == "linux" else True


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, pids))


def start(line: Callable[[str], None], script: str = _FAMILY) -> None:
    process.run(["/bin/sh", "-c", script], cwd=Path("/"), env={"PATH": os.defpath}, failure="cannot x", line=line)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_child_with_its_children_and_is_an_interrupt(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    pids: list[int] = []

    def line(text: str) -> None:
        pids.append(int(text))
        if len(pids) == 2:
            signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt):
        start(line)
    assert gone(pids)
    assert signal.getsignal(number) is before


def test_what_the_reader_raises_ends_the_child_too() -> None:
    pids: list[int] = []

    def line(text: str) -> None:
        pids.append(int(text))
        if len(pids) == 2:
            raise ValueError(text)

    with pytest.raises(ValueError, match=r"\d+"):
        start(line)
    assert gone(pids)


def test_what_is_to_be_done_meanwhile_is_done_while_the_child_runs(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    said = process.output(
        ["cat", pipe],
        cwd=tmp_path,
        env={"PATH": os.defpath},
        failure="cannot x",
        meanwhile=lambda: pipe.write_text("now"),  # waits for who reads it
    )
    assert said == "now"


def test_a_handler_that_someone_has_set_is_left() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    try:
        start(lambda _: signal.raise_signal(signal.SIGTERM), "echo one")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]


def test_it_runs_outside_the_main_thread() -> None:
    lines: list[str] = []
    thread = threading.Thread(target=start, args=(lines.append, "echo one; echo two"))
    thread.start()
    thread.join()
    assert lines == ["one\n", "two\n"]


@pytest.mark.parametrize(
    ("script", "fault"), [("exit 3", "^cannot x$"), ("kill -9 $$", "^cannot x: stopped by SIGKILL$")]
)
def test_a_bad_end_is_an_error(script: str, fault: str) -> None:
    with pytest.raises(CargoError, match=fault):
        start(lambda _: None, script)


def test_its_words_go_where_ours_go(capfd: pytest.CaptureFixture[str]) -> None:
    start(lambda _: None, "echo words >&2")
    assert capfd.readouterr().err == "words\n"


@pytest.mark.skipif(sys.platform != "linux", reason="util-linux's script is on Linux alone")
def test_who_asks_on_the_terminal_fails_and_does_not_wait(tmp_path: Path) -> None:
    script = require_tool("script")
    child = "exec 2>/dev/null; read line </dev/tty && echo asked || echo failed"
    ask = (
        "from pathlib import Path; from krust.cargo import process;"
        f"process.run(['/bin/sh', '-c', {child!r}], cwd=Path('/'), env={{}}, failure='', line=print)"
    )
    command = shlex.join([sys.executable, "-c", ask])
    assert b"failed" in run(script, "-qec", command, tmp_path / "typescript", cwd=ROOT).stdout


def test_a_program_that_cannot_be_started_is_an_error_that_says_how(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match=r"cannot start '.*none': no such file or directory; install Rust"):
        process.output([tmp_path / "none"], cwd=tmp_path, env={}, failure="")
