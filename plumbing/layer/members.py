"""Members: what is in an archive that someone else may have written. Nothing is extracted, and nothing is believed.

POSIX.1-2008, pax(1), "ustar Interchange Format", "pax Extended Header"; tar(5) of libarchive for what GNU tar adds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NoReturn

from plumbing.errors import Malformed
from plumbing.layer.streams import Readable
from plumbing.layer.tar import BLOCK, PAX_CAPABILITY

MemberKind = Literal["file", "directory", "symlink", "hardlink", "character", "block", "fifo"]

_KINDS: dict[bytes, MemberKind] = {
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "character",
    b"4": "block",
    b"5": "directory",
    b"6": "fifo",
}
_KEYS = frozenset(
    {"path", "linkpath", "size", "uid", "gid", "mtime", "GNU.sparse.name", "GNU.sparse.realsize", PAX_CAPABILITY}
)
_MOST_ENTRIES = 1 << 22
_LONGEST_EXTRA = 1 << 20  # a PAX header or a GNU long name; Go's reader has the same bound
_LONGEST_PATH = 1 << 16
_LONGEST_NUMBER = 20
_SKIP = 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member, as the archive has it.

    path    without './' or '/' before it and '/' after it, '.' for the root; not to be trusted: it may hold '..' and
            control characters, and what is not UTF-8 stands in it as lone surrogates
    size    bytes of contents; 0 unless it is a file
    target  of a symlink or hardlink, in the same way, though untrimmed
    mtime   seconds since 1970-01-01 UTC
    """

    path: str
    kind: MemberKind
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: str | None = None
    capability: bytes | None = None


def read_tar(stream: Readable, *, most: int = _MOST_ENTRIES) -> Iterator[Member]:
    """The members of the tar in `stream`, in its order; then the rest of `stream` is read, and left open.

    Constant memory. USTAR, PAX, GNU tar and what came before them.
    most    how many headers there may be
    raises  Malformed, from the iteration, for what is no tar, is cut short, or goes beyond a bound
    """
    for member, _ in read_files(stream, most=most):
        yield member


def read_files(stream: Readable, *, most: int = _MOST_ENTRIES) -> Iterator[tuple[Member, Readable]]:
    """As `read_tar`, each member with what reads its contents, until the next member is asked for."""
    shared: dict[str, bytes] = {}
    own: dict[str, bytes] = {}
    for _ in range(most):
        header = _header(stream)
        if header is None:
            _drain(stream)
            return
        kind = header[156:157]
        size = _number(header, 124, 136, "size")
        if kind == b"g":
            shared |= _records(_extra(stream, size))
        elif kind == b"x":
            own = _records(_extra(stream, size))
        elif kind in (b"L", b"K"):
            own["path" if kind == b"L" else "linkpath"] = _extra(stream, size).split(b"\0", 1)[0]
        else:
            member, stored = _member(header, {key: value for key, value in (shared | own).items() if value})
            if kind == b"S":
                _skip_sparse_map(stream, header)
            own = {}
            contents = _Contents(stream, stored)
            yield member, contents
            _skip(stream, contents.left + -stored % BLOCK)
    raise Malformed("tar", f"more than {most} headers", expected="fewer; it may be made to exhaust whoever reads it")


class _Contents:
    """The bytes of one member, out of the stream that has them all."""

    def __init__(self, stream: Readable, size: int) -> None:
        self._stream = stream
        self.left = size

    def read(self, size: int = -1, /) -> bytes:
        data = _exactly(self._stream, min(self.left, _SKIP if size < 0 else size))
        self.left -= len(data)
        return data


def _member(header: bytes, pax: dict[str, bytes]) -> tuple[Member, int]:
    """What a header says, and how many bytes of contents follow it."""
    name = _text(header, 0, 100)
    if header[257:263] == b"ustar\0" and header[345]:  # GNU tar, "ustar ", keeps other things where the prefix is
        name = _text(header, 345, 500) + b"/" + name
    path = _path(pax.get("GNU.sparse.name") or pax.get("path") or name)
    flag = header[156:157]
    kind = _KINDS.get(flag, "file")
    if kind == "file" and path.endswith("/"):
        kind = "directory"  # before USTAR there was no type for it
    size = _number_of(pax, "size", _number(header, 124, 136, "size"))
    stored = size if flag not in _KINDS else 0
    if flag == b"S":
        size = _number(header, 483, 495, "real size")
    size = _number_of(pax, "GNU.sparse.realsize", size)
    links = kind in ("symlink", "hardlink")
    member = Member(
        path=_trimmed(path),
        kind=kind,
        mode=_number(header, 100, 108, "mode") & 0o7777,
        uid=_number_of(pax, "uid", _number(header, 108, 116, "uid")),
        gid=_number_of(pax, "gid", _number(header, 116, 124, "gid")),
        size=size if kind == "file" else 0,
        mtime=_number_of(pax, "mtime", _number(header, 136, 148, "mtime", signed=True), signed=True),
        target=_path(pax.get("linkpath") or _text(header, 157, 257)) if links else None,
        capability=pax.get(PAX_CAPABILITY),
    )
    return member, stored


def _header(stream: Readable) -> bytes | None:
    """The next header with a good checksum; None at the end, which is two empty blocks, or where the stream ends."""
    header = _exactly(stream, BLOCK, or_nothing=True)
    if not header:
        return None
    if not any(header):
        if any(_exactly(stream, BLOCK, or_nothing=True)):
            _refuse("an empty block between two members")
        return None
    blank = header[:148] + b" " * 8 + header[156:]
    excess = sum(blank) - _number(header, 148, 156, "checksum")
    # some old writers summed signed bytes
    if excess and excess != 256 * sum(byte > 127 for byte in blank):
        _refuse("a header with a wrong checksum")
    return header


def _records(data: bytes) -> dict[str, bytes]:
    """`<length> <key>=<value>\\n`, again and again; the keys that matter here."""
    records: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + _LONGEST_NUMBER)
        digits = data[at:space]
        if space < 0 or not digits.isdigit():
            _refuse("a PAX record without a length")
        end = at + int(digits)
        equals = data.find(b"=", space + 1, end)
        if end > len(data) or equals < 0 or data[end - 1 : end] != b"\n":
            _refuse("a PAX record with a wrong length")
        key = data[space + 1 : equals].decode("utf-8", "replace")
        if key in _KEYS:
            records[key] = data[equals + 1 : end - 1]
        at = end
    return records


def _number(header: bytes, start: int, end: int, what: str, *, signed: bool = False) -> int:
    """Octal digits, or with the first bit set a big-endian number, as GNU tar writes what needs more room."""
    field = header[start:end]
    if field[0] & 0x80:
        number = int.from_bytes(field, "big", signed=True) if field[0] == 0xFF else int.from_bytes(field, "big")
        number = number if field[0] == 0xFF else number & ~(0x80 << 8 * (len(field) - 1))
    else:
        digits = field.split(b"\0", 1)[0].strip(b" ")
        if digits.strip(b"01234567"):
            _refuse(f"a {what} that is no number")
        number = int(digits or b"0", 8)
    return _bounded(number, what, signed=signed)


def _number_of(pax: dict[str, bytes], key: str, otherwise: int, *, signed: bool = False) -> int:
    """Decimal digits; of a time with a fraction the whole seconds."""
    if key not in pax:
        return otherwise
    digits, _, fraction = pax[key].partition(b".")
    whole = digits[1:] if signed and digits.startswith(b"-") else digits
    if not whole.isdigit() or len(whole) > _LONGEST_NUMBER or (fraction and not (signed and fraction.isdigit())):
        _refuse(f"a {key} that is no number")
    return _bounded(int(digits), key, signed=signed)


def _bounded(number: int, what: str, *, signed: bool) -> int:
    if not (-(1 << 63) if signed else 0) <= number < 1 << 63:
        _refuse(f"a {what} out of range")
    return number


def _text(header: bytes, start: int, end: int) -> bytes:
    return header[start:end].split(b"\0", 1)[0]


def _path(raw: bytes) -> str:
    if len(raw) > _LONGEST_PATH or b"\0" in raw:
        _refuse(f"a path with a zero byte, or of more than {_LONGEST_PATH} bytes")
    return raw.decode("utf-8", "surrogateescape")


def _trimmed(path: str) -> str:
    path = path.strip("/")
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return path or "."


def _extra(stream: Readable, size: int) -> bytes:
    if size > _LONGEST_EXTRA:
        _refuse(f"a PAX header or long name of more than {_LONGEST_EXTRA} bytes")
    return _exactly(stream, size + -size % BLOCK)[:size]


def _skip_sparse_map(stream: Readable, header: bytes) -> None:
    more = header[482]
    while more:
        more = _exactly(stream, BLOCK)[504]


def _skip(stream: Readable, count: int) -> None:
    while count:
        count -= len(_exactly(stream, min(count, _SKIP)))


def _drain(stream: Readable) -> None:
    """To the end, so that a decompressor below comes to its checksum."""
    while stream.read(_SKIP):
        pass


def _exactly(stream: Readable, count: int, *, or_nothing: bool = False) -> bytes:
    data = stream.read(count)
    while len(data) < count:
        more = stream.read(count - len(data))
        if not more:
            if or_nothing and not data:
                return b""
            _refuse("cut short")
        data += more
    return data


def _refuse(fault: str) -> NoReturn:
    raise Malformed("tar", fault, expected="an archive that tar(1) reads; write or fetch the layer again")
