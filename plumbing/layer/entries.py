"""Entries: what goes into a layer, and how the files of this machine become it. image-spec 1.1, layer.md."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from io import BytesIO, FileIO
from pathlib import Path
from typing import Literal

from plumbing.errors import Malformed, SourceError, system_words

Kind = Literal["file", "directory", "symlink"]

_PART = re.compile(r"(?!\.{1,2}(?:/|$))(?!\.wh\.)[^/\0]+")
_PATH = re.compile(rf"{_PART.pattern}(?:/{_PART.pattern})*")
_PATH_FORM = "a path below '/', in UTF-8, no '.' or '..' in it, and no name that begins with '.wh.' (it would delete)"
_LONGEST = 4094  # bytes: PATH_MAX is 4096, with the '/' before and the zero byte after it
_DIRECTORY_MODE = 0o755
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One path of a layer.

    path        relative to the root of the image; parts joined by '/', no '.', no '..', UTF-8
    mode        permission bits, 0 to 0o7777
    size        bytes; 0 unless it is a file
    source      a file's contents: where they are read from, or themselves; None for anything but a file
    target      what a symlink points to, as it stands in the link; None for anything but a symlink
    capability  the raw value of the attribute `security.capability`; files only
    """

    path: str
    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    source: Path | bytes | None = None
    target: str | None = None
    capability: bytes | None = None

    def __post_init__(self) -> None:
        if not _PATH.fullmatch(self.path) or not _is_utf8(self.path):
            raise Malformed("path", self.path, expected=_PATH_FORM)
        if len(self.path.encode()) > _LONGEST:
            raise Malformed("path", self.path, expected=f"at most {_LONGEST} bytes, which is what Linux takes")
        if not 0 <= self.mode <= 0o7777:
            raise Malformed("mode", oct(self.mode), expected="permission bits, 0 to 0o7777", where=self.path)
        if not 0 <= self.uid < 1 << 32 or not 0 <= self.gid < 1 << 32:
            raise Malformed("owner", f"{self.uid}:{self.gid}", expected="uid and gid from 0 to 2^32-1", where=self.path)
        if not 0 <= self.size < 1 << 63:
            raise Malformed("size", self.size, expected="an integer from 0 to 2^63-1", where=self.path)
        fits = {
            "file": self.source is not None and self.target is None,
            "directory": self.source is None and self.target is None and not self.size and self.capability is None,
            "symlink": self.source is None and bool(self.target) and not self.size and self.capability is None,
        }
        if not fits.get(self.kind):
            raise Malformed("entry", self.path, expected="contents for a file alone, a target for a symlink alone")
        if self.target is not None and ("\0" in self.target or not _is_utf8(self.target)):
            raise Malformed("symlink target", self.target, expected="UTF-8 without a zero byte", where=self.path)
        if isinstance(self.source, bytes) and len(self.source) != self.size:
            raise Malformed("size", self.size, expected=f"{len(self.source)}, the length of the contents")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What to put where. See `collect`.

    src         a file or directory, followed if it is a symlink; the contents of a file; None: an empty directory
    dest        the path in the image, absolute or relative to its root; for a file, `dir/` means `dir/<name of src>`;
                for a directory, '/' spreads it over the root
    mode        of each file, or of the empty directory; None: 0755 for what anyone may execute, else 0644
    uid, gid    of everything that comes from `src`, though not of the parents of `dest`
    capability  as in Entry; `src` is one file then
    """

    src: Path | bytes | None
    dest: str
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    capability: bytes | None = None


def collect(sources: Iterable[Source], *, exclude: Collection[str] = (), present: Collection[str] = ()) -> list[Entry]:
    """The entries for `sources`, sorted by path, each path once, with the directories that lead to them (0755, 0:0).

    exclude  glob patterns for what is left out of a directory: of a name, or of a path below the directory
    present  paths that the image has already; no directory is written for them, unless a Source asks for an empty one
    raises   SourceError for what cannot be read, is a device, socket or fifo, changes, or is there twice and differs;
             Malformed for a path that no image can have
    source   image-spec 1.1: layer.md "File Types", "File Attributes"; symlinks stay what they are
    """
    asked: dict[str, Entry] = {}
    implied: dict[str, Entry] = {}
    for source in sources:
        for entry in _entries_of(source, exclude):
            weak = entry.kind == "directory" and source.src is not None
            into = implied if weak else asked
            before = into.setdefault(entry.path, entry)
            if before is not entry and not weak and not _same(before, entry):
                two = f"{_origin(before)} and {_origin(entry)}"
                raise SourceError(f"cannot write '/{entry.path}' twice: {two} differ; leave one out")
    for path in [*asked, *implied]:
        for parent in parents(path):
            implied.setdefault(parent, Entry(path=parent, kind="directory", mode=_DIRECTORY_MODE))
    skipped = {path.strip("/") for path in present}
    for path, entry in implied.items():
        if asked.get(path, entry).kind != "directory":
            raise SourceError(f"cannot write '/{path}': it is a {asked[path].kind} and a directory; leave one out")
        if path not in skipped:
            asked.setdefault(path, entry)
    return sorted(asked.values(), key=lambda entry: entry.path)


def parents(path: str) -> Iterator[str]:
    """The directories that lead to `path`, the nearest first, without the root."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def unreadable(path: Path | str, error: OSError) -> SourceError:
    """What to say of a file of this machine that could not be opened or read."""
    match error:
        case FileNotFoundError():
            said = "no such file; check the path, or build it first"
        case PermissionError():
            said = "permission denied; make it readable"
        case _:
            said = system_words(error)
    return SourceError(f"cannot read '{path}': {said}")


def contents(entry: Entry) -> FileIO | BytesIO:
    """A file's contents, unbuffered; the caller closes. Raises SourceError, also for a size that is not the entry's."""
    if not isinstance(entry.source, Path):
        return BytesIO(entry.source or b"")
    try:
        file = open(entry.source, "rb", buffering=0, opener=_open)  # noqa: SIM115 - the caller closes
    except OSError as error:
        raise unreadable(entry.source, error) from error
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
        file.close()
        raise changed(entry)
    return file


def changed(entry: Entry) -> SourceError:
    """What to say of a file whose size is no longer that of its entry."""
    said = "it changed while it was read; wait for what writes it, then try again"
    return SourceError(f"cannot read {_origin(entry)}: {said}")


def _entries_of(source: Source, exclude: Collection[str]) -> Iterator[Entry]:
    dest = source.dest[1:] if source.dest.startswith("/") else source.dest
    if source.src is None:
        mode = _DIRECTORY_MODE if source.mode is None else source.mode
        yield Entry(path=dest.removesuffix("/"), kind="directory", mode=mode, uid=source.uid, gid=source.gid)
    elif isinstance(source.src, bytes):
        yield _file(source, dest, source.src, len(source.src), 0o644)
    else:
        try:
            status = source.src.stat()
        except OSError as error:
            raise unreadable(source.src, error) from error
        if stat.S_ISREG(status.st_mode):
            path = dest + source.src.name if dest.endswith("/") or not dest else dest
            yield _file(source, path, source.src, status.st_size, status.st_mode)
        elif not stat.S_ISDIR(status.st_mode):
            raise _refused(source.src, status.st_mode)
        elif source.capability is not None:
            raise SourceError(f"cannot give capabilities to '{source.src}': it is a directory; name the file in it")
        else:
            yield from _tree(source, source.src, dest.removesuffix("/"), exclude)


def _tree(source: Source, root: Path, dest: str, exclude: Collection[str]) -> Iterator[Entry]:
    """`root` and what is in it, in no order. Symlinks are not followed, so that there are no circles."""
    if dest:
        yield Entry(path=dest, kind="directory", mode=_DIRECTORY_MODE, uid=source.uid, gid=source.gid)
    waiting = [""]
    while waiting:
        below = waiting.pop()
        for item in _scan(root / below):
            relative = f"{below}/{item.name}" if below else item.name
            if any(fnmatchcase(item.name, pattern) or fnmatchcase(relative, pattern) for pattern in exclude):
                continue
            path = f"{dest}/{relative}" if dest else relative
            local = root / relative
            try:
                status = item.stat(follow_symlinks=False)
                target = str(local.readlink()) if stat.S_ISLNK(status.st_mode) else None
            except OSError as error:
                raise unreadable(local, error) from error
            if target is not None:
                yield Entry(path=path, kind="symlink", mode=0o777, uid=source.uid, gid=source.gid, target=target)
            elif stat.S_ISDIR(status.st_mode):
                yield Entry(path=path, kind="directory", mode=_DIRECTORY_MODE, uid=source.uid, gid=source.gid)
                waiting.append(relative)
            elif stat.S_ISREG(status.st_mode):
                yield _file(source, path, local, status.st_size, status.st_mode)
            else:
                raise _refused(local, status.st_mode)


def _scan(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as items:
            return list(items)
    except OSError as error:
        raise unreadable(directory, error) from error


def _file(source: Source, path: str, contents: Path | bytes, size: int, st_mode: int) -> Entry:
    mode = source.mode
    if mode is None:
        mode = 0o755 if st_mode & 0o111 else 0o644
    return Entry(
        path=path,
        kind="file",
        mode=mode,
        uid=source.uid,
        gid=source.gid,
        size=size,
        source=contents,
        capability=source.capability,
    )


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # or a fifo that has come in the file's place blocks for ever


def _refused(path: Path, st_mode: int) -> SourceError:
    what = "a socket" if stat.S_ISSOCK(st_mode) else "a fifo" if stat.S_ISFIFO(st_mode) else "a device"
    return SourceError(f"cannot put '{path}' into a layer: it is {what}; leave it out")


def _same(one: Entry, other: Entry) -> bool:
    """Whether it makes no difference which of the two is written."""
    if one == other:
        return True
    if {one.kind, other.kind} != {"file"} or one.size != other.size or replace(one, source=other.source) != other:
        return False
    with contents(one) as a, contents(other) as b:
        while chunk := a.read(_CHUNK):
            if chunk != b.read(_CHUNK):
                return False
    return True


def _origin(entry: Entry) -> str:
    return f"'{entry.source}'" if isinstance(entry.source, Path) else f"a {entry.kind} made up"


def _is_utf8(text: str) -> bool:
    """False for what the file system gave as bytes that are no UTF-8; they come as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
