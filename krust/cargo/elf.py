"""What an executable is, from its own bytes: enough of ELF to tell a static one from one that needs a loader.

The file is whatever a build left behind, so no offset or count in it is believed: each read has a bound, and what lies
outside the file is Malformed. Source: the generic ABI, chapters "Object Files" and "Program Loading"; elf(5).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from krust.cargo.targets import Target
from krust.errors import BinaryError
from plumbing.errors import Malformed, shown, system_words

_EXEC, _DYN = 2, 3
_LOAD, _DYNAMIC, _INTERP = 1, 2, 3
_NEEDED, _STRTAB = 1, 5

_SEGMENTS = 4096
"""Program headers that are read. Linkers write about ten."""

_ENTRIES = 65536
"""Entries of the dynamic section that are read; a static-pie has about twenty."""

_SECTIONS = 65536
"""Section headers that are read. A program with a section for each function has thousands, and is not stripped."""

_NAME = 4096
_SHORT_NAME = 512  # of a section or library: there may be many, and all of them the same bytes of the file
_NULL, _NOBITS = 0, 8

_MARKS: Mapping[str, str] = {"little": "<", "big": ">"}

# Class and byte order decide the layout. Header after e_ident: type, machine, version, entry, phoff, shoff, flags,
# ehsize, phentsize, phnum, shentsize, shnum, shstrndx. Segments: 32 bits have p_flags near the end, 64 bits after
# p_type. Sections: name, type, flags, addr, offset, size, and what does not matter here.
_HEADERS = {32: "HHIIIIIHHHHHH", 64: "HHIQQQIHHHHHH"}
_SEGMENT = {32: "IIIIIIII", 64: "IIQQQQQQ"}
_SECTION = {32: "IIIIIIIIII", 64: "IIQQQQIIQQ"}
_DYNAMIC_ENTRY = {32: "iI", 64: "qQ"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Executable:
    """`interpreter` is the loader that the file asks for, None if it needs none. `needed` are its shared libraries.

    `flags` are e_flags, which each machine has its own meaning for.
    """

    machine: int
    bits: Literal[32, 64]
    order: Literal["little", "big"]
    flags: int = 0
    position_independent: bool
    interpreter: str | None = None
    needed: tuple[str, ...] = ()

    @property
    def static(self) -> bool:
        return self.interpreter is None and not self.needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Bytes of the file, by the name that the linker gave them."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    type: int
    offset: int
    address: int
    size: int


def check(
    path: Path,
    target: Target,
    *,
    allow_dynamic: bool = False,
    position_independent: bool = False,
    tell: Callable[[Sequence[str]], str | None] = lambda _: None,
) -> Executable:
    """What the file at `path` is: an executable for `target`, or else BinaryError, which says what to do.

    allow_dynamic         it may need a loader and libraries
    position_independent  it has to be
    tell                  words on where libraries come from, by their names in the file; None if that is not known
    """
    try:
        with path.open("rb") as file:
            found = parse(file)
    except OSError as error:
        raise BinaryError(f"cannot read '{path}': {system_words(error)}") from error
    except Malformed as error:
        raise BinaryError(f"cannot use '{path}': {error}; '{target.platform}' needs an ELF executable") from error
    if (found.machine, found.bits, found.order) != (target.machine, target.bits, target.order):
        is_for, wanted = (f"machine {each.machine}, {each.bits} bits, {each.order} endian" for each in (found, target))
        fault = f"it is for {is_for}, and '{target.platform}' is {wanted}"
        raise BinaryError(f"cannot use '{path}': {fault}; build it with --target {target}")
    if target.abi and not target.abi.is_of(found.flags):
        fault = f"its flags are {found.flags:#x}, and '{target.platform}' is {target.abi.name}"
        raise BinaryError(f"cannot use '{path}': {fault}; build it with --target {target}, and no other float ABI")
    if not (found.static or allow_dynamic):
        known = tell(found.needed)
        words = f"{_loading(found)}; {known}" if known else _loading(found)
        raise BinaryError(f"cannot use '{path}': it is dynamically linked, {words}; {_STATIC}")
    if position_independent and not found.position_independent:
        fault = "its addresses are fixed, and it was to be position-independent"
        raise BinaryError(f"cannot use '{path}': {fault}; {_PIE}")
    return found


_STATIC = (
    "remove -C target-feature=-crt-static and dynamic libraries from rustflags and build scripts, "
    "or allow it with '--allow-dynamic' and a base that has its loader and its libraries"
)
_PIE = "remove -no-pie from rustflags and build scripts, or set -C relocation-model=static to have it so"


def _loading(found: Executable) -> str:
    parts = []
    if found.interpreter is not None:
        parts.append(f"by the interpreter '{shown(found.interpreter)}'")
    if found.needed:
        parts.append(f"with {', '.join(shown(name) for name in found.needed[:10])}")
    return " ".join(parts)


def parse(file: BinaryIO) -> Executable:
    """Read an ELF executable; `file` is seekable. Raises Malformed for all else, whatever its bytes are."""
    bits, order, header = _header(file)
    kind, machine, _, entry, table, _, flags, _, width, count, *_ = header
    mark = _MARKS[order]
    if kind not in (_EXEC, _DYN):
        raise Malformed("executable", f"type {kind}", expected="type 2 (EXEC) or 3 (DYN)")
    segments = _segments(file, mark, bits, table, width, count)
    interpreter = next((_text(file, each.offset, each.size) for each in segments if each.type == _INTERP), None)
    dynamic = _dynamic(file, mark, bits, segments)
    if entry == 0:
        raise Malformed("executable", "no entry point", expected="a program, not a library")
    return Executable(
        machine=machine,
        bits=bits,
        order=order,
        flags=flags,
        position_independent=kind == _DYN,
        interpreter=interpreter,
        needed=_needed(file, segments, dynamic),
    )


def sections(file: BinaryIO) -> tuple[Section, ...]:
    """What of the file is in sections, in the order of their headers. A stripped program may have none.

    Raises Malformed for what is no ELF file, or has headers that lead out of it.
    """
    bits, order, header = _header(file)
    table, width, count, names = header[5], *header[10:]
    if not table or not count:
        return ()
    form = _MARKS[order] + _SECTION[bits]
    if width != struct.calcsize(form) or count > _SECTIONS or names >= count:
        expected = f"at most {_SECTIONS} of {struct.calcsize(form)} bytes"
        raise Malformed("executable", f"{count} section headers of {width} bytes", expected=expected)
    headers = list(struct.iter_unpack(form, _read(file, table, width * count, "section headers")))
    return tuple(
        Section(name=_text(file, headers[names][4] + name, _SHORT_NAME), offset=offset, size=size)
        for name, kind, _, _, offset, size, *_ in headers
        if kind not in (_NULL, _NOBITS)
    )


def _header(file: BinaryIO) -> tuple[Literal[32, 64], Literal["little", "big"], tuple[int, ...]]:
    identity = _read(file, 0, 16, "identification")
    if identity[:4] != b"\x7fELF":
        raise Malformed("executable", identity[:4].hex(), expected="7f454c46, which ELF files begin with")
    bits: Literal[32, 64] | None = {1: 32, 2: 64}.get(identity[4])  # type: ignore[assignment]
    order: Literal["little", "big"] | None = {1: "little", 2: "big"}.get(identity[5])  # type: ignore[assignment]
    if bits is None or order is None or identity[6] != 1:
        raise Malformed("executable", identity[4:7].hex(), expected="ELF of a known class, byte order and version")
    return bits, order, _unpack(file, 16, _MARKS[order] + _HEADERS[bits], "header")


def _segments(file: BinaryIO, mark: str, bits: int, table: int, width: int, count: int) -> list[_Segment]:
    form = mark + _SEGMENT[bits]
    if width != struct.calcsize(form) or not 0 < count <= _SEGMENTS:
        expected = f"1 to {_SEGMENTS} of {struct.calcsize(form)} bytes"
        raise Malformed("executable", f"{count} program headers of {width} bytes", expected=expected)
    raw = _read(file, table, width * count, "program headers")
    found = []
    for fields in struct.iter_unpack(form, raw):
        kind, *rest = fields
        offset, address, _, size = rest[1:5] if bits == 64 else rest[:4]
        found.append(_Segment(type=kind, offset=offset, address=address, size=size))
    return found


def _dynamic(file: BinaryIO, mark: str, bits: int, segments: list[_Segment]) -> list[tuple[int, int]]:
    """Tags and values of the dynamic section, up to DT_NULL; none where there is no such section."""
    form = mark + _DYNAMIC_ENTRY[bits]
    width = struct.calcsize(form)
    for segment in segments:
        if segment.type == _DYNAMIC:
            raw = _read(file, segment.offset, min(segment.size, _ENTRIES * width) // width * width, "dynamic section")
            entries = list(struct.iter_unpack(form, raw))
            end = next((at for at, (tag, _) in enumerate(entries) if tag == 0), len(entries))
            return entries[:end]
    return []


def _needed(file: BinaryIO, segments: list[_Segment], dynamic: list[tuple[int, int]]) -> tuple[str, ...]:
    """Names of shared libraries. A name that cannot be read is still a library that is needed, so it is '?'."""
    strings = next((value for tag, value in dynamic if tag == _STRTAB), None)
    return tuple(_name(file, segments, strings, value) for tag, value in dynamic if tag == _NEEDED)


def _name(file: BinaryIO, segments: list[_Segment], strings: int | None, at: int) -> str:
    for segment in segments:
        if strings is not None and segment.type == _LOAD and 0 <= strings - segment.address < segment.size:
            try:
                return _text(file, segment.offset + strings - segment.address + at, _SHORT_NAME) or "?"
            except Malformed:
                return "?"
    return "?"


def _text(file: BinaryIO, offset: int, size: int) -> str:
    if not 0 <= offset < 1 << 63:
        raise Malformed("executable", f"offset {offset}", expected="text inside the file")
    file.seek(offset)
    raw = file.read(min(size, _NAME))
    if not raw and size:
        raise Malformed("executable", f"offset {offset}", expected="text inside the file")
    return raw.partition(b"\0")[0].decode("utf-8", "replace")


def _unpack(file: BinaryIO, offset: int, form: str, what: str) -> tuple[int, ...]:
    return struct.unpack(form, _read(file, offset, struct.calcsize(form), what))


def _read(file: BinaryIO, offset: int, size: int, what: str) -> bytes:
    """`size` bytes at `offset`, all of them; sizes are bounded by the callers."""
    raw = b""
    if 0 <= offset < 1 << 63:
        file.seek(offset)
        raw = file.read(size)
    if len(raw) != size:
        raise Malformed("executable", f"{len(raw)} bytes at {offset}", expected=f"{size} bytes of its {what}")
    return raw
