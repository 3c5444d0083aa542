"""Disk: each call fails in turn. It is said in a line, nothing is left half, and the next run works."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.faults.deeds import DEEDS, STAGING, Deed, World, deed
from tests.faults.shim import CHANGING, READING, Call, Done, Shim
from tests.tools import EXAMPLES, KRUST, require_tool, run

pytestmark = pytest.mark.slow

_ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS)
_HINTS = ("setxattr", "utime", "symlink", "link", "chown", "mkdir", "unlink")
"""Calls without which a command may be done all the same: attributes, hints, hard links in the place of which there is
a copy, clearing away, folders that are there."""

READERS = [
    deed("cat-blob {layer}"),
    deed("cat-manifest a:1"),
    deed("cat-config b:1 --platform linux/amd64"),
    deed("ls-tree b:1"),
    deed("ls-layer {tar}"),
    deed("ls-refs"),
    deed("rev-parse a:1"),
    deed("verify"),
    deed("push .krust:a:1 {registry}/pushed:1"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("disk")
    with World.built(folder, Shim.built(folder)) as world:
        yield world


@pytest.mark.parametrize("deed", DEEDS, ids=str)
def test_each_call_that_fails(deed: Deed, world: World, rounds, count) -> None:
    """With each errno, for once or for all that follow, as of a disk that the kernel takes for broken."""
    _fail_each(deed, world, rounds, count)


def test_each_call_of_a_build_that_fails(world: World, tmp_path: Path, rounds, count) -> None:
    """Of krust's own: cargo has done its work before, elsewhere, and is not hindered."""
    require_tool(os.environ.get("CARGO", "cargo"))
    ignore = shutil.ignore_patterns("target", ".krust")
    project = shutil.copytree(EXAMPLES / "hello-krust", tmp_path / "hello-krust", ignore=ignore)
    run(KRUST, "build", "--no-push", "--store", tmp_path / "first", project)
    _fail_each(deed(f"build --no-push -q --base scratch {project}"), world, rounds, count)


def _fail_each(deed: Deed, world: World, rounds, count) -> None:
    calls = world.tell(deed).calls
    faults = [
        (number, error, onward) for number in range(1, len(calls) + 1) for error in _ERRORS for onward in (False, True)
    ]
    wrong: list[str] = []
    for number, error, onward in _some(faults, rounds(10, len(faults))):
        wrong += _wrong(world, deed, number, error, onward=onward)
        count(calls_that_failed=1)
    assert not wrong, "\n".join(wrong)


def test_a_disk_that_does_not_take_a_large_blob(world: World, tmp_path: Path, count) -> None:
    """Which it was given to write while more of it came. Linux says what went wrong then to the sync at the end."""
    (tmp_path / "large").write_bytes(bytes(40 << 20))
    large = deed(f"hash-blob -w {tmp_path / 'large'}")
    world.tell(large)
    world.renew()
    assert [call.path.split("/")[-2] for call in world.run(large, calls=("fsync",)).calls] == ["tmp", "blobs"]
    world.renew()
    done = world.run(large, calls=("fsync",), at=1, fault=errno.EIO)
    count(calls_that_failed=1)
    assert list(_wrong_words(done)) == []
    assert (done.code, world.problems(), world.half_written(large)) == (1, [], [])


def _some(all_of_them: Sequence[tuple[int, int, bool]], number: int) -> Iterator[tuple[int, int, bool]]:
    """`number` of them at most, from the first to the last. The step is odd: errnos and the like take turns."""
    step = max(1, len(all_of_them) // number) | 1
    return iter(all_of_them[::step])


def _wrong(world: World, deed: Deed, number: int, error: int, *, onward: bool) -> list[str]:
    """What is not as it should be when the call `number` of `deed` fails."""
    world.renew()
    done = world.run(deed, at=number, fault=error, onward=onward)
    if len(done.calls) < number:  # several threads make them, and not always as many
        return [] if (done.code, world.is_done(deed)) == (0, True) else [f"{deed}: exit {done.code}, {done.err}"]
    call = done.calls[number - 1]
    wrong = list(_wrong_words(done))
    if problems := world.problems():
        wrong.append(f"not clean: {problems}")
    if left := world.half_written(deed, apart_from=STAGING if onward or call.call == "unlink" else ()):
        wrong.append(f"left: {left}")
    if done.code == 0:
        if not world.is_done(deed) or not (onward or _is_needless(call, done.calls[number:])):
            wrong.append("said to be done, and is not")
    else:
        was_done = world.is_done(deed)
        again = world.run(deed)
        if not (world.is_done(deed) and (again.code == 0 or was_done)):
            wrong.append(f"again: exit {again.code}, {again.err}")
    what = f"{deed}, call {number} ({call}) with {os.strerror(error)}{', and all after it' if onward else ''}"
    return [f"{what}: {each}" for each in wrong]


def _is_needless(call: Call, later: Sequence[Call]) -> bool:
    """Whether a command may be done although this call failed: see _HINTS, or a folder that is synced again."""
    synced = any((after.call, after.path, after.error) == ("fsync", call.path, 0) for after in later)
    beside = any(part in call.path for part in ("/home/", "/.krust."))  # where a folder without locks is left to others
    return call.call in _HINTS or (call.call == "flock" and beside) or (call.call == "fsync" and synced)


def _wrong_words(done: Done) -> Iterator[str]:
    """A line for each fault: what, the subject in quotes, why, and what to do."""
    lines = done.err.splitlines()
    if done.code == 0:
        return
    if done.code != 1 or done.out or "Traceback" in done.err:
        yield f"exit {done.code}, {done.out!r}, {done.err}"
    elif not lines or not all(re.fullmatch(r"krust: cannot [^;]* '[^';]+': [^;]+; .+", line) for line in lines):
        yield done.err


@pytest.mark.parametrize("deed", DEEDS, ids=str)
def test_less_written_than_was_asked_is_written_on(deed: Deed, world: World, count) -> None:
    world.tell(deed)
    world.renew()
    done = world.run(deed, calls=("write",), at=0, fault="short")
    count(short_writes=len(done.calls))
    assert done.code == 0, done.err
    assert world.is_done(deed)


@pytest.mark.parametrize("deed", DEEDS, ids=str)
def test_calls_that_a_signal_interrupts_are_made_again(deed: Deed, world: World, rounds, count) -> None:
    calls = ("open", "write", "fsync", "flock")
    world.tell(deed)
    world.renew()
    number = len(world.run(deed, calls=calls).calls)
    for at in range(1, number + 1, max(1, number // rounds(4, 40))):
        world.renew()
        done = world.run(deed, calls=calls, at=at, fault=errno.EINTR)
        assert (done.code, world.is_done(deed)) == (0, True), (at, done.err)
        count(interrupted_calls=1)


@pytest.mark.parametrize("deed", DEEDS, ids=str)
def test_a_close_that_fails(deed: Deed, world: World, rounds, count) -> None:
    """As NFS has it, which writes late. What was synced before is written; what was not must not be named."""
    world.tell(deed)
    world.renew()
    number = len(world.run(deed, calls=("close",)).calls)
    for at in range(1, number + 1, max(1, number // rounds(4, 40))):
        world.renew()
        done = world.run(deed, calls=("close",), at=at, fault=errno.EIO)
        wrong = [*_wrong_words(done), *world.problems(), *world.half_written(deed)]
        assert not wrong, (at, done.calls[at - 1], wrong)
        assert done.code == 1 or world.is_done(deed)
        count(closes_that_failed=1)


@pytest.mark.parametrize("deed", [*READERS, *DEEDS], ids=str)
@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES], ids=os.strerror)
def test_what_cannot_be_read(deed: Deed, error: int, world: World, rounds, count) -> None:
    told = world.tell(deed)
    world.renew()
    number = len(world.run(deed, calls=READING).calls)
    assert number > 1
    for at in range(1, number + 1, max(1, number // rounds(4, 1000))):
        world.renew()
        done = world.run(deed, calls=READING, at=at, fault=error)
        count(reads_that_failed=1)
        if deed.name == "verify" and done.code == 1:  # what is wrong with a store is what it prints
            said = done.out.decode() or done.err
            assert os.strerror(error).lower() in said
        elif deed.name in ("cat-blob", "ls-tree", "ls-layer") and done.out:  # it is on its way when the fault comes
            assert done.code == 1
            assert told.out.startswith(done.out)
        else:
            last = done.err.splitlines()[-1] if done.err else ""
            assert done.code == 0 or re.match(r"krust: cannot [^;]* '[^';]+': [^;]+", last), (at, done.err)
            assert (done.code, done.out) in ((1, b""), (0, told.out))
            assert done.code == 1 or deed in READERS or world.is_done(deed)
        assert world.problems() == []


# file systems that lack something


@pytest.mark.parametrize("deed", DEEDS, ids=str)
def test_a_file_system_without_attributes_hard_links_and_owners(deed: Deed, world: World, count) -> None:
    world.tell(deed)
    world.renew()
    done = world.run(deed, calls=("setxattr", "link", "chown", "utime"), at=0, fault=errno.EPERM)
    count(refused_calls=len(done.calls))
    assert (done.code, world.is_done(deed)) == (0, True), done.err
    assert world.problems() == []


@pytest.mark.parametrize("deed", DEEDS, ids=str)
@pytest.mark.parametrize("error", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP], ids=os.strerror)
def test_a_file_system_without_locks(deed: Deed, error: int, world: World, count) -> None:
    """As NFS may be: whatever has to write into a store says so, and nothing is written."""
    world.tell(deed)
    world.renew()
    done = world.run(deed, calls=("flock",), at=0, fault=error)
    count(refused_locks=len(done.calls))
    assert not list(_wrong_words(done)), done.err
    assert world.half_written(deed) == []
    assert done.code == 1 or world.is_done(deed)


def test_the_shim_sees_all_that_a_command_does_to_files(world: World) -> None:
    """Else nothing above would say anything."""
    world.tell(DEEDS[0])
    world.renew()
    calls = {call.call for call in world.run(DEEDS[0], calls=(*CHANGING, *READING, "close")).calls}
    assert calls == {
        "open-read",
        "mkdir",
        "create",
        "flock",
        "write",
        "setxattr",
        "chmod",
        "fsync",
        "rename",
        "close",
        "read",
    }
