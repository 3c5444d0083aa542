"""Files that come to their place whole or not at all; and what those leave who are killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from plumbing.files import BEFORE, replacing, staging

_WRITING = """
import sys, time
from pathlib import Path
from plumbing.files import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("begun", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    with replacing(path, mode=mode) as file:
        file.write(content)


def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path, mode=0o751) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o751 & ~umask
    assert names(tmp_path) == ["file"]


def test_a_name_may_be_as_long_as_names_can_be(tmp_path: Path) -> None:
    write(tmp_path / ("n" * 255), b"new")
    assert names(tmp_path) == ["n" * 255]


def test_a_folder_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    write(tmp_path / "link" / "file", b"new")
    assert names(tmp_path / "folder") == ["file"]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/file")
    for content in (b"new", b"newer"):
        write(tmp_path / "link", content)
        assert (tmp_path / "folder/file").read_bytes() == content
    assert (tmp_path / "link").readlink() == Path("folder/file")
    assert names(tmp_path / "folder") == ["file"]


@pytest.mark.parametrize("name", ["pipe", "link"])
def test_a_pipe_is_written_to_and_not_replaced(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with open(os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        write(tmp_path / name, b"new")
        assert reader.read() == b"new"
    assert (tmp_path / "pipe").is_fifo()
    assert names(tmp_path) == ["link", "pipe"]


def test_a_fault_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with suppress(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@pytest.fixture
def writing(tmp_path: Path) -> Callable[[], subprocess.Popen[bytes]]:
    """Starts a process that has begun to write a file in `tmp_path`."""

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-c", _WRITING, tmp_path / "other"], stdout=subprocess.PIPE)
        assert process.stdout
        assert process.stdout.readline() == b"begun\n"
        return process

    return start


def test_what_the_killed_leave_is_cleared_by_the_next_and_what_the_living_write_is_not(
    tmp_path: Path, writing: Callable[[], subprocess.Popen[bytes]]
) -> None:
    with writing() as dead, writing() as living:
        both = names(tmp_path)
        dead.kill()
        dead.wait()
        assert len(both) == 2
        assert names(tmp_path) == both
        write(tmp_path / "file", b"new")
        (kept, _) = names(tmp_path)
        assert kept in both
        living.send_signal(signal.SIGINT)
        living.wait()
    assert names(tmp_path) == ["file"]


def test_what_stood_at_a_place_is_not_cleared(tmp_path: Path) -> None:
    with staging(tmp_path) as folder:
        (folder / BEFORE).write_bytes(b"old")
    write(tmp_path / "file", b"new")
    assert (folder / BEFORE).read_bytes() == b"old"


@pytest.mark.parametrize("name", [".krust", ".krust.mine", ".krust.0123456789abcdef.old"])
def test_what_has_another_name_is_not_touched(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    write(tmp_path / "file", b"new")
    assert names(tmp_path) == [name, "file"]


def test_a_link_by_such_a_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").write_bytes(b"mine")
    (tmp_path / ".krust.0123456789abcdef").symlink_to("mine")
    write(tmp_path / "file", b"new")
    assert (tmp_path / "mine/file").read_bytes() == b"mine"


def test_an_open_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w+") as file:
        file.write("old")
        file.flush()
        for folder in ("/dev/fd", "/proc/self/fd"):
            write(Path(folder) / str(file.fileno()), b"new")
        file.seek(0)
        assert file.read() == "oldnewnew"
    assert names(tmp_path) == ["open"]
