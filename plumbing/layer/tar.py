"""tar: entries in, one deterministic archive out. POSIX.1-2008, pax(1): ustar format, pax header block."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from io import BytesIO, FileIO

from plumbing.errors import Malformed
from plumbing.layer.blocks import Compressor
from plumbing.layer.capability import ATTRIBUTE
from plumbing.layer.entries import Entry, changed, contents, unreadable

BLOCK = 512
PAX_CAPABILITY = f"SCHILY.xattr.{ATTRIBUTE}"

# name, mode, uid, gid, size, mtime, checksum, type, linkname, magic and version, uname, gname, device numbers, prefix
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12x")
_CHECKSUM = slice(148, 156)
_TYPES = {"file": b"0", "directory": b"5", "symlink": b"2"}
_NAME, _PREFIX = 100, 155
_OCTAL_7, _OCTAL_11 = 8**7, 8**11  # the first number that does not fit into a field of 8, of 12 bytes


def write_tar(entries: Iterable[Entry], *, mtime: int, out: Compressor) -> None:
    """Write `entries` as one tar (USTAR, PAX where a field needs it). Constant memory.

    entries  sorted by path, none twice
    mtime    seconds since 1970-01-01 UTC, for every entry; SOURCE_DATE_EPOCH is the caller's to read
    out      left open; receives a multiple of 512 bytes
    raises   Malformed for a path out of order, SourceError for a file that cannot be read, or has another size than its
             entry; what `out` holds is then no archive
    source   image-spec 1.1: layer.md "Distributable Format"
    """
    last = ""
    for entry in entries:
        if entry.path <= last:
            raise Malformed("layer", entry.path, expected=f"entries sorted by path, each once, none after '{last}'")
        last = entry.path
        out.write(headers(entry, mtime))
        if entry.kind == "file":
            _write_contents(entry, out)
    out.write(bytes(2 * BLOCK))


def headers(entry: Entry, mtime: int) -> bytes:
    """The blocks before an entry's contents: one, or with a PAX extended header three or more."""
    path = entry.path + "/" if entry.kind == "directory" else entry.path
    target = entry.target or ""
    pax: dict[str, bytes] = {}
    split = _split(path)
    if split is None:
        pax["path"] = path.encode()
    if len(target) > _NAME or not target.isascii():
        pax["linkpath"] = target.encode()
    numbers = (("uid", entry.uid, _OCTAL_7), ("gid", entry.gid, _OCTAL_7), ("size", entry.size, _OCTAL_11))
    pax |= {field: b"%d" % number for field, number, limit in numbers if number >= limit}
    if not 0 <= mtime < _OCTAL_11:
        pax["mtime"] = b"%d" % mtime
    if entry.capability is not None:
        pax[PAX_CAPABILITY] = entry.capability
    prefix, name = split or ("", path)
    header = _header(
        name=_ascii(name),
        prefix=prefix.encode(),
        mode=entry.mode,
        uid=0 if "uid" in pax else entry.uid,
        gid=0 if "gid" in pax else entry.gid,
        size=0 if "size" in pax else entry.size,
        mtime=0 if "mtime" in pax else mtime,
        type=_TYPES[entry.kind],
        target=_ascii(target),
    )
    if not pax:
        return header
    records = b"".join(_record(key.encode(), value) for key, value in sorted(pax.items()))
    extended = _header(
        name=_ascii("PaxHeaders.0/" + entry.path.rpartition("/")[2]),
        mode=0o644,
        size=len(records),
        mtime=0 if "mtime" in pax else mtime,
        type=b"x",
    )
    return extended + records + bytes(-len(records) % BLOCK) + header


def _header(
    *,
    name: bytes,
    mode: int,
    size: int,
    mtime: int,
    type: bytes,
    uid: int = 0,
    gid: int = 0,
    target: bytes = b"",
    prefix: bytes = b"",
) -> bytes:
    header = _HEADER.pack(
        name,
        b"%07o\0" % mode,
        b"%07o\0" % uid,
        b"%07o\0" % gid,
        b"%011o\0" % size,
        b"%011o\0" % mtime,
        b" " * 8,
        type,
        target,
        b"ustar\x0000",
        b"",
        b"",
        b"%07o\0" % 0,
        b"%07o\0" % 0,
        prefix,
    )
    return b"%s%06o\0 %s" % (header[: _CHECKSUM.start], sum(header), header[_CHECKSUM.stop :])


def _split(path: str) -> tuple[str, str] | None:
    """(prefix, name) for the header, as long a name as fits; None if the path fits in no way."""
    if not path.isascii():
        return None
    if len(path) <= _NAME:
        return "", path
    cut = path.find("/", len(path) - _NAME - 1)
    if not 0 < cut <= _PREFIX or cut == len(path) - 1:
        return None
    return path[:cut], path[cut + 1 :]


def _ascii(text: str) -> bytes:
    """What stands in a field whose true value is in the PAX header, for readers that know no PAX."""
    return text.encode("ascii", "replace")[:_NAME]


def _record(key: bytes, value: bytes) -> bytes:
    """`<length> <key>=<value>\\n`, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _write_contents(entry: Entry, out: Compressor) -> None:
    """Padded to whole blocks."""
    left = entry.size
    with contents(entry) as file:
        while left:
            count = _read(file, out.room()[:left], entry)
            if not count:
                raise changed(entry)
            left -= count
            out.advance(count)
        if _read(file, memoryview(bytearray(1)), entry):
            raise changed(entry)
    out.write(bytes(-entry.size % BLOCK))


def _read(file: FileIO | BytesIO, room: memoryview, entry: Entry) -> int:
    try:
        return file.readinto(room) or 0
    except OSError as error:
        raise unreadable(str(entry.source), error) from error
