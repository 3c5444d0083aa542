from __future__ import annotations

import contextlib
import struct
import sys
import tracemalloc
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krust.cargo import elf
from krust.cargo.targets import TARGETS, Target
from krust.errors import BinaryError
from plumbing.errors import Malformed

_REL, _EXEC, _DYN = 1, 2, 3
_LOAD, _DYNAMIC, _INTERP = 1, 2, 3
_X86_64 = TARGETS[0]


def program(
    target: Target = _X86_64,
    *,
    kind: int = _EXEC,
    interpreter: bytes | None = None,
    needed: bytes | None = None,
    entry: int = 0x1000,
    flags: int | None = None,
) -> bytes:
    """The smallest file that is an executable for `target` in a linker's eyes."""
    mark = "<" if target.order == "little" else ">"
    header = struct.calcsize("<" + elf._HEADERS[target.bits]) + 16
    segment = struct.calcsize("<" + elf._SEGMENT[target.bits])
    width = target.bits // 8
    bodies = [(_LOAD, b"")]
    if interpreter is not None:
        bodies.append((_INTERP, interpreter + b"\0"))
    start = header + 2 + segment * (len(bodies) + (needed is not None))
    if needed is not None:
        tags = [(1, 0), (5, start + sum(len(body) for _, body in bodies) + 6 * width), (0, 0)]
        form = mark + elf._DYNAMIC_ENTRY[target.bits]
        bodies.append((_DYNAMIC, b"".join(struct.pack(form, *tag) for tag in tags) + needed + b"\0"))
    segments, content = b"", b""
    for type_, body in bodies:
        at, size = (start + len(content), len(body)) if type_ != _LOAD else (0, 1 << 20)
        fields = (type_, 5, at, at, at, size, size, 1) if target.bits == 64 else (type_, at, at, at, size, size, 5, 1)
        segments += struct.pack(mark + elf._SEGMENT[target.bits], *fields)
        content += body
    identity = b"\x7fELF" + bytes([target.bits // 32, 1 if target.order == "little" else 2, 1]) + bytes(9)
    if flags is None:
        flags = target.abi.value if target.abi else 0
    facts = (kind, target.machine, 1, entry, header + 2, 0, flags, 0, segment, len(bodies), 0, 0, 0)
    fixed = struct.pack(mark + elf._HEADERS[target.bits], *facts)
    return identity + fixed + bytes(2) + segments + content


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_static_program_of_every_target_is_one(target: Target, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(program(target))
    assert elf.check(path, target).static


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_a_dynamic_program_is_refused_with_its_interpreter_and_libraries(target: Target, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(program(target, interpreter=b"/lib/ld-musl.so.1", needed=b"libc.so"))
    with pytest.raises(BinaryError, match=r"interpreter '/lib/ld-musl.so.1' with libc.so; remove"):
        elf.check(path, target)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no ELF programs")
def test_a_program_of_this_machine_needs_its_c_library() -> None:
    found = elf.parse(BytesIO(Path("/bin/sh").read_bytes()))
    assert not found.static
    assert any(name.startswith("libc.") for name in found.needed)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "0 bytes at 0"),
        (b"#!/bin/sh\nexec true\n", "7f454c46"),
        (program()[:40], "bytes of its header"),
        (program()[:70], "bytes of its program headers"),
        (program(kind=_REL), "type 1"),
        (program(entry=0), "not a library"),
        (program(TARGETS[1]), "it is for machine 183, 64 bits, little endian, and 'linux/amd64' is machine 62"),
    ],
)
def test_what_is_no_program_of_the_target_is_refused(content: bytes, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(content)
    with pytest.raises(BinaryError, match=fault):
        elf.check(path, _X86_64)


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BinaryError, match=r"cannot read '.*': no such file"):
        elf.check(tmp_path / "none", _X86_64)


@pytest.mark.parametrize("target", [target for target in TARGETS if target.abi], ids=str)
def test_a_program_of_another_abi_is_refused(target: Target, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(program(target, flags=0))
    with pytest.raises(BinaryError, match=r"its flags are 0x0, and 'linux/.*' is (hard-float|double-float|ELFv2)"):
        elf.check(path, target)


def test_a_dynamic_program_may_be_allowed(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(program(interpreter=b"/lib/ld-musl.so.1", needed=b"libc.so"))
    found = elf.check(path, _X86_64, allow_dynamic=True)
    assert (found.interpreter, found.needed) == ("/lib/ld-musl.so.1", ("libc.so",))


@pytest.mark.parametrize(("kind", "refused"), [(_EXEC, True), (_DYN, False)])
def test_fixed_addresses_are_refused_where_they_were_not_asked_for(kind: int, refused: bool, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(program(kind=kind))
    elf.check(path, _X86_64)
    raised = pytest.raises(BinaryError, match="its addresses are fixed") if refused else contextlib.nullcontext()
    with raised:
        elf.check(path, _X86_64, position_independent=True)


def test_each_fact_of_the_target_counts(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(program())
    for other in (replace(_X86_64, machine=3), replace(_X86_64, bits=32), replace(_X86_64, order="big")):
        with pytest.raises(BinaryError):
            elf.check(path, other)


@given(st.binary(max_size=2048))
def test_no_bytes_are_more_than_malformed(content: bytes) -> None:
    with pytest.raises(Malformed):
        elf.parse(BytesIO(content))


@given(
    st.sampled_from(TARGETS),
    st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
)
def test_a_damaged_program_is_read_or_refused(target: Target, damages: list[tuple[int, bytes]]) -> None:
    content = bytearray(program(target, interpreter=b"/lib/ld", needed=b"libc.so"))
    for at, damage in damages:
        content[at : at + len(damage)] = damage
    try:
        found = elf.parse(BytesIO(bytes(content)))
    except Malformed:
        return
    assert len(found.interpreter or "") <= 4096


def with_sections(target: Target, named: dict[bytes, bytes]) -> bytes:
    """A program with the sections `named`, and one more for their names."""
    content = bytearray(program(target))
    mark = "<" if target.order == "little" else ">"
    form = mark + elf._SECTION[target.bits]
    names, headers = bytearray(b"\0"), [struct.pack(form, *[0] * 10)]
    for name, body in {**named, b".shstrtab": b""}.items():
        at = len(names)
        names += name + b"\0"
        body = body or bytes(names)
        headers.append(struct.pack(form, at, 1, 0, 0, len(content), len(body), 0, 0, 1, 0))
        content += body
    facts = list(struct.unpack_from(mark + elf._HEADERS[target.bits], content, 16))
    facts[5], facts[10:] = len(content), [struct.calcsize(form), len(headers), len(headers) - 1]
    struct.pack_into(mark + elf._HEADERS[target.bits], content, 16, *facts)
    return bytes(content) + b"".join(headers)


def test_sections_that_share_a_long_name_take_little_memory() -> None:
    """Each of 10,000 has the same 5,000 bytes for its name."""
    content = bytearray(with_sections(_X86_64, {b"a" * 5000: b"x"}))
    table = struct.unpack_from("<" + elf._HEADERS[64], content, 16)[5]
    width = struct.calcsize("<" + elf._SECTION[64])
    more = 10_000 - (len(content) - table) // width
    content += content[table + width : table + 2 * width] * more
    struct.pack_into("<H", content, 60, 10_000)
    tracemalloc.start()
    found = elf.sections(BytesIO(bytes(content)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 9_999
    assert peak < 20 << 20


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_sections_are_found_by_name(target: Target) -> None:
    content = with_sections(target, {b".text": b"code", b".rodata": b"constants"})
    found = elf.sections(BytesIO(content))
    assert [each.name for each in found] == [".text", ".rodata", ".shstrtab"]
    assert [content[each.offset : each.offset + each.size] for each in found[:2]] == [b"code", b"constants"]
    assert elf.sections(BytesIO(program(target))) == ()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no ELF programs")
def test_a_program_of_this_machine_has_sections() -> None:
    assert {".text", ".rodata", ".dynamic"} <= {
        each.name for each in elf.sections(BytesIO(Path("/bin/sh").read_bytes()))
    }


@given(
    st.sampled_from(TARGETS),
    st.lists(st.tuples(st.integers(0, 600), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
)
def test_damaged_sections_are_read_or_refused(target: Target, damages: list[tuple[int, bytes]]) -> None:
    content = bytearray(with_sections(target, {b".text": b"code"}))
    for at, damage in damages:
        content[at : at + len(damage)] = damage
    with contextlib.suppress(Malformed):
        assert all(len(each.name) <= 4096 for each in elf.sections(BytesIO(bytes(content))))
