"""Blobs: whole or not at all, and read only if they are what their name says."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Callable
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import cast

import pytest

from plumbing.errors import DigestMismatch, NotFound, PlumbingError, StoreError
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.exchange import Stream
from plumbing.store import Store
from tests.tools import ROOT, run

DATA = b"some bytes"
DIGEST = Digest.of(DATA)


def temporary(store: Store) -> list[str]:
    return [path.name for path in (store.path / "tmp").iterdir()]


def test_a_blob_is_a_file_that_nobody_may_write(store: Store) -> None:
    descriptor = store.put(DATA, mediatype.LAYER)
    path = store.path / "blobs" / "sha256" / hashlib.sha256(DATA).hexdigest()
    assert path.read_bytes() == DATA
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert descriptor == Descriptor.of(DATA, mediatype.LAYER)
    assert temporary(store) == []


def test_a_blob_has_its_name_only_when_it_is_whole(store: Store) -> None:
    with store.writer() as blob:
        blob.write(DATA[:4])
        assert (list(store.blobs), len(temporary(store))) == ([], 1)
        blob.write(memoryview(DATA)[4:])
        assert list(store.blobs) == []
        assert blob.commit() == DIGEST
    assert list(store.blobs) == [DIGEST]


def test_it_is_on_the_disk_before_it_has_its_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of system calls is what a power cut sees; nothing short of one can show it otherwise."""
    calls: list[str] = []

    def noting(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments, **options) -> object:
            folder = name == "fsync" and stat.S_ISDIR(os.fstat(arguments[0]).st_mode)
            calls.append("fsync folder" if folder else name)
            return real(*arguments, **options)

        return call

    for module, name in ((os, "fsync"), (os, "fchmod"), (Path, "replace")):
        monkeypatch.setattr(module, name, noting(name, getattr(module, name)))
    store.put(DATA, mediatype.LAYER)
    assert calls == ["fchmod", "fsync", "replace", "fsync folder"]


@pytest.mark.parametrize("how", ["an error", "no commit", "another digest", "another size"])
def test_what_was_not_committed_is_gone(how: str, store: Store) -> None:
    def write() -> None:
        with store.writer() as blob:
            blob.write(DATA)
            if how == "an error":
                raise KeyboardInterrupt
            if how == "another digest":
                blob.commit(Digest.of(b"other"))
            if how == "another size":
                blob.commit(DIGEST, 11)

    if how == "no commit":
        write()
    else:
        with pytest.raises(KeyboardInterrupt if how == "an error" else DigestMismatch):
            write()
    assert (list(store.blobs), temporary(store)) == ([], [])


def test_a_blob_that_is_there_is_not_written_again(store: Store) -> None:
    store.put(DATA, mediatype.LAYER)
    before = store.blobs.path(DIGEST).stat()
    with store.writer() as blob:
        blob.write(DATA)
        blob.commit()
    store.put(DATA, mediatype.LAYER)
    after = store.blobs.path(DIGEST).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert after.st_ctime_ns > before.st_ctime_ns, "gc must see that it was used"
    assert temporary(store) == []


def test_sha512(store: Store) -> None:
    digest = Digest("sha512", hashlib.sha512(DATA).hexdigest())
    with store.writer() as blob:
        blob.hash_with(digest)
        blob.write(DATA)
        assert blob.commit(digest) == digest
    assert (store.path / "blobs" / "sha512" / digest.hex).read_bytes() == DATA
    assert store.blobs.verify(digest) == len(DATA)
    assert list(store.blobs) == [digest]


def _flip(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"Some bytes")


def _truncate(path: Path) -> None:
    os.truncate(path, 4)


def _extend(path: Path) -> None:
    path.chmod(0o644)
    with path.open("ab") as file:
        file.write(b"\0")


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _in_place(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


def _link_to_itself_elsewhere(path: Path) -> None:
    elsewhere = path.parents[3] / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


DAMAGE: dict[str, tuple[Callable[[Path], None], type[PlumbingError]]] = {
    "a byte flipped": (_flip, DigestMismatch),
    "cut short": (_truncate, DigestMismatch),
    "longer": (_extend, DigestMismatch),
    "empty": (_empty, DigestMismatch),
    "gone": (lambda path: path.unlink(), NotFound),
    "a link to the right bytes": (_link_to_itself_elsewhere, StoreError),
    "a link to nothing": (_in_place(lambda path: path.symlink_to("nothing")), StoreError),
    "a fifo": (_in_place(os.mkfifo), StoreError),
    "a folder": (_in_place(Path.mkdir), StoreError),
}


@pytest.mark.parametrize(("damage", "error"), DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("way", ["read", "stream", "stream whole", "readinto", "verify"])
def test_a_damaged_blob_is_never_read_to_its_end(
    damage: Callable[[Path], None], error: type[PlumbingError], way: str, store: Store
) -> None:
    descriptor = store.put(DATA, mediatype.LAYER)
    damage(store.blobs.path(DIGEST))
    with pytest.raises(error, match=f"{DIGEST.hex}'"):  # noqa: PT012  (each way is one reading)
        if way == "read":
            store.read(descriptor)
        elif way == "verify":
            store.blobs.verify(DIGEST, trust=False)
        else:
            with store.open_blob(descriptor) as stream:
                if way == "stream whole":
                    stream.read()
                elif way == "stream":
                    while stream.read(3):
                        pass
                else:
                    while stream.readinto(bytearray(3)):
                        pass


@pytest.mark.parametrize(("damage", "error"), DAMAGE.values(), ids=DAMAGE)
def test_what_is_no_whole_blob_is_not_there(
    damage: Callable[[Path], None], error: type[PlumbingError], store: Store
) -> None:
    """By its size: a flipped byte shows when it is read."""
    descriptor = store.put(DATA, mediatype.LAYER)
    damage(store.blobs.path(DIGEST))
    assert store.has(descriptor) == (damage is _flip)


@pytest.mark.parametrize("name", [name for name in DAMAGE if name not in ("a byte flipped", "a folder")])
def test_writing_a_blob_again_mends_it(name: str, store: Store) -> None:
    descriptor = store.put(DATA, mediatype.LAYER)
    DAMAGE[name][0](store.blobs.path(DIGEST))
    assert store.put(DATA, mediatype.LAYER) == descriptor
    assert store.read(descriptor) == DATA
    assert not store.blobs.path(DIGEST).is_symlink()


def test_a_folder_in_the_place_of_a_blob_is_named(store: Store) -> None:
    path = store.blobs.path(DIGEST)
    path.mkdir()
    with pytest.raises(StoreError, match=f"^cannot write '{path}': a folder is in its place; remove it$"):
        store.put(DATA, mediatype.LAYER)
    assert temporary(store) == []


def test_a_stream_reads_as_any_other(store: Store) -> None:
    with store.open_blob(store.put(DATA, mediatype.LAYER)) as stream:
        assert stream.size == len(DATA)
        assert [stream.read(0), stream.read(4), stream.read(0), stream.read(100), stream.read(4)] == [
            *(b"", DATA[:4], b""),
            *(DATA[4:], b""),
        ]


def test_a_descriptor_with_another_size_is_refused(store: Store) -> None:
    store.put(DATA, mediatype.LAYER)
    wrong = Descriptor(media_type=mediatype.LAYER, digest=DIGEST, size=9)
    with pytest.raises(
        DigestMismatch, match=f"^corrupt blob '{DIGEST}' in '.*': found 10 bytes, expected 9; delete it"
    ):
        store.read(wrong)
    with pytest.raises(DigestMismatch):
        store.blobs.verify(DIGEST, 9)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_gibibyte_takes_no_memory(store: Store, tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(1 << 30)
    script = """
import sys
from pathlib import Path
from plumbing.commands.hash_blob import write_blob
from plumbing.store import Store
from plumbing.sync import copy

store, other = Store.create(Path(sys.argv[1])), Store.create(Path(sys.argv[2]))
with open(sys.argv[3], "rb") as stream:
    blob = write_blob(store, stream, media_type="application/octet-stream")
copy(store, other, blob)
other.blobs.verify(blob.digest, trust=False)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    done = run(sys.executable, "-c", script, store.path, tmp_path / "other", sparse, cwd=ROOT)
    assert int(done.stdout) < 64 << 10  # KiB


def test_a_damaged_blob_of_the_right_size_is_written_again(store: Store) -> None:
    raw = b'{"it":"is"}'
    descriptor = store.put(raw, mediatype.CONFIG)
    path = store.blobs.path(descriptor.digest)
    for write in (
        lambda: store.put(raw, mediatype.CONFIG),
        lambda: _commit(store, raw),
        lambda: store.take(descriptor, _Memory(raw)),
    ):
        path.unlink()
        path.write_bytes(raw.swapcase())
        write()
        assert path.read_bytes() == raw


def _commit(store: Store, raw: bytes) -> None:
    with store.writer() as blob:
        blob.write(raw)
        blob.commit()


class _Memory:
    """A source of one blob."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def read(self, descriptor: Descriptor) -> bytes:
        return self._raw

    def open_blob(self, descriptor: Descriptor) -> Stream:
        return cast(Stream, BytesIO(self._raw))

    def open_unverified(self, descriptor: Descriptor) -> Stream:
        return self.open_blob(descriptor)


@pytest.mark.parametrize("kinds", ["changing", "lasting", "changing lasting lasting small"])
def test_a_large_blob_is_hashed_and_synced_beside_its_writing(kinds: str, store: Store) -> None:
    piece, pieces = os.urandom(1 << 20), 40
    buffer = bytearray(piece)
    with store.writer() as writer:
        for number, kind in zip(range(pieces), cycle(kinds.split()), strict=False):
            buffer[0] = number
            if kind == "small":
                writer.write(bytes(buffer[:7]))
                writer.write(bytes(buffer[7:]))
            else:  # a buffer, whose bytes change before the next, or bytes that stay
                writer.write(memoryview(buffer) if kind == "changing" else bytes(buffer))
        digest = writer.commit()
    expected = b"".join(bytes([number]) + piece[1:] for number in range(pieces))
    assert digest == Digest.of(expected)
    assert store.blobs.path(digest).read_bytes() == expected
