"""Power: what may be on the disk after a cut, by what was made to last before it.

What is modelled: the bytes, mode and attributes of a file last once it is synced, and a name in a folder once the
folder is synced. What was not synced may be there or not, each name and each file for itself; bytes that were not
synced may be missing, cut short or garbage, of a file that has its name, its length and its attributes. So it is
stricter than most file systems are: ext4, xfs and btrfs keep more than this.

What is not modelled: a disk that forgets what it said it has; `sync_file_range`, `syncfs`, mapped memory, and writes by
other calls than those in shim.c (one that it notes and this does not know is an error); owners.
"""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.shim import Call

_NOTHING = ("open", "flock", "close", "utime", "chown")
"""Calls that change nothing of what is modelled."""


@dataclass(slots=True, eq=False)
class File:
    """A file now, and as it lasts. A link has its target for data, and lasts with its name."""

    mode: int
    data: bytes = b""
    attributes: dict[str, bytes] = field(default_factory=dict)
    mtime: int = 0
    kept: Kept | None = None

    def keep(self) -> None:
        self.kept = self.now()

    def now(self) -> Kept:
        return Kept(self.mode, self.data, tuple(sorted(self.attributes.items())), self.mtime)


@dataclass(slots=True, eq=False)
class Folder:
    """A folder: its names as they last, and what became of them since, in this order; None for one that was removed."""

    mode: int
    kept: dict[str, File | Folder] = field(default_factory=dict)
    since: list[tuple[str, File | Folder | None]] = field(default_factory=list)

    def names(self) -> dict[str, File | Folder]:
        """As a process sees them."""
        return _with(self.kept, self.since)

    def keep(self) -> None:
        self.kept, self.since = self.names(), []


@dataclass(frozen=True, slots=True)
class Kept:
    """What is at a path after a cut; `data` is None for a folder."""

    mode: int
    data: bytes | None
    attributes: tuple[tuple[str, bytes], ...] = ()
    mtime: int = 0


Left = Mapping[str, Kept]
"""All that is left, by path."""


class Disk:
    """What lies below a folder, which all lasts at first, and what calls made of it since."""

    def __init__(self, root: Path) -> None:
        self._things: dict[int, File | Folder] = {}
        self._root = self._read(root)

    def _read(self, path: Path) -> File | Folder:
        status = path.lstat()
        thing: File | Folder
        if stat.S_ISDIR(status.st_mode):
            thing = Folder(status.st_mode, {each.name: self._read(each) for each in path.iterdir()})
        elif stat.S_ISLNK(status.st_mode):
            thing = File(status.st_mode, os.fsencode(path.readlink()))
        else:
            attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
            thing = File(status.st_mode, path.read_bytes(), attributes, status.st_mtime_ns)
        if isinstance(thing, File):
            thing.keep()
        self._things[status.st_ino] = thing
        return thing

    def take(self, call: Call) -> None:
        """Do what `call` did, if it did anything."""
        if call.error or call.call in _NOTHING:
            return
        _DEEDS[call.call](self, call)
        thing = self._things.get(call.inode)
        if isinstance(thing, File) and stat.S_ISREG(call.mode):
            thing.mtime = call.mtime

    def _file(self, call: Call) -> File:
        file = self._things[call.inode]
        assert isinstance(file, File), call
        return file

    def _name(self, folder: int, path: str, thing: File | Folder | None) -> None:
        within = self._things[folder]
        assert isinstance(within, Folder), path
        within.since.append((Path(path).name, thing))

    def create(self, call: Call) -> None:
        self._things[call.inode] = File(call.mode, call.data)
        self._name(call.folder, call.path, self._things[call.inode])

    def mkdir(self, call: Call) -> None:
        self._things[call.inode] = Folder(call.mode or stat.S_IFDIR | 0o755)
        self._name(call.folder, call.path, self._things[call.inode])

    def write(self, call: Call) -> None:
        file = self._file(call)
        start = file.data[: call.offset].ljust(call.offset, b"\0")
        file.data = start + call.data + file.data[call.offset + len(call.data) :]

    def truncate(self, call: Call) -> None:
        file = self._file(call)
        file.data = file.data[: call.offset].ljust(call.offset, b"\0")

    def chmod(self, call: Call) -> None:
        self._things[call.inode].mode = call.mode or self._things[call.inode].mode

    def setxattr(self, call: Call) -> None:
        self._file(call).attributes[call.name] = call.data

    def fsync(self, call: Call) -> None:
        self._things[call.inode].keep()

    def rename(self, call: Call) -> None:
        self._name(call.folder, call.path, None)
        self._name(call.other_folder, call.other_path, self._things[call.inode])

    def link(self, call: Call) -> None:
        self._name(call.other_folder, call.other_path, self._things[call.inode])

    def unlink(self, call: Call) -> None:
        self._name(call.folder, call.path, None)

    # what a cut leaves

    def left(self, choose: Choice) -> Left:
        """What is there after a cut, as `choose` has it of what does not last."""
        return dict(_left("", self._root, choose))


@dataclass(frozen=True, slots=True)
class Choice:
    """What happens to that which does not last.

    names  of a folder's changes since it was synced, those that are there
    data   of a file that was changed since it was synced, what it is
    """

    names: Callable[[list[tuple[str, File | Folder | None]]], list[tuple[str, File | Folder | None]]]
    data: Callable[[File], Kept]


def _lost(file: File) -> Kept:
    return file.kept or Kept(file.mode, b"")


def _garbage(file: File) -> Kept:
    now = file.now()
    return Kept(now.mode, b"\xa5" * len(file.data) if _is_unwritten(file) else now.data, now.attributes, now.mtime)


def _is_unwritten(file: File) -> bool:
    return file.kept is None or file.kept.data != file.data


LEAST = Choice(lambda since: [], _lost)
"""Nothing but what lasts."""

NAMES = Choice(lambda since: since, _lost)
"""All names, and of files what lasts: those that never were synced are empty."""

GARBAGE = Choice(lambda since: since, _garbage)
"""All names, lengths, attributes and times, and garbage in what was not synced."""

DATA = Choice(lambda since: [], File.now)
"""All bytes, and of names what lasts."""


def mixed(chance: random.Random) -> Choice:
    """Anything."""

    def names(since: list[tuple[str, File | Folder | None]]) -> list[tuple[str, File | Folder | None]]:
        until = {name: chance.randint(0, sum(each == name for each, _ in since)) for name, _ in since}
        kept = []
        for name, thing in since:
            if until[name] > 0:
                until[name] -= 1
                kept.append((name, thing))
        return kept

    def data(file: File) -> Kept:
        now = file.now()
        if not _is_unwritten(file):
            return chance.choice([_lost(file), now])
        cut = Kept(now.mode, file.data[: chance.randint(0, len(file.data))], now.attributes, now.mtime)
        return chance.choice([_lost(file), _garbage(file), now, cut])

    return Choice(names, data)


def _with(kept: Mapping[str, File | Folder], since: list[tuple[str, File | Folder | None]]) -> dict[str, File | Folder]:
    names = dict(kept)
    for name, thing in since:
        if thing is None:
            names.pop(name, None)
        else:
            names[name] = thing
    return names


def _left(path: str, thing: File | Folder, choose: Choice) -> Iterator[tuple[str, Kept]]:
    if isinstance(thing, File):
        is_same = stat.S_ISLNK(thing.mode) or thing.kept == thing.now()
        yield path, thing.now() if is_same else choose.data(thing)
        return
    if path:
        yield path, Kept(thing.mode, None)
    for name, below in _with(thing.kept, choose.names(thing.since)).items():
        yield from _left(f"{path}/{name}".removeprefix("/"), below, choose)


def write(left: Left, root: Path) -> None:
    """Make `root`, which is an empty folder, hold what is `left`."""
    for path, kept in left.items():
        target = root / path
        if kept.data is None:
            target.mkdir()
        elif stat.S_ISLNK(kept.mode):
            target.symlink_to(os.fsdecode(kept.data))
        else:
            target.write_bytes(kept.data)
            for name, value in kept.attributes:
                os.setxattr(target, name, value)
            os.utime(target, ns=(kept.mtime, kept.mtime))
        if not stat.S_ISLNK(kept.mode):
            target.chmod(stat.S_IMODE(kept.mode))


_DEEDS: Mapping[str, Callable[[Disk, Call], None]] = {
    **{"create": Disk.create, "symlink": Disk.create, "empty": Disk.truncate, "truncate": Disk.truncate},
    **{"mkdir": Disk.mkdir, "write": Disk.write, "chmod": Disk.chmod, "setxattr": Disk.setxattr, "fsync": Disk.fsync},
    **{"rename": Disk.rename, "link": Disk.link, "unlink": Disk.unlink},
}
