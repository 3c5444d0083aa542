"""Facts and hints cost a computation where they are missing or wrong, and never an answer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import xattr

from plumbing.commands.write_config import diff_id
from plumbing.commands.write_layer import write_layer
from plumbing.errors import DigestMismatch
from plumbing.layer.entries import Source
from plumbing.oci.digest import Digest
from plumbing.store import Store, facts, hints
from plumbing.store.fsck import fsck
from plumbing.store.gc import gc
from tests.plumbing.store.test_gc import LATER
from tests.tools import require

SOURCES = [Source(src=b"hello", dest="/hello")]


@pytest.fixture
def attributes(store: Store) -> None:
    """Of a file system that has some."""
    probe = store.path / "probe"
    probe.touch()
    facts.note(probe, "user.krust.probe", "1")
    require(facts.noted(probe, "user.krust.probe") == "1", f"no extended attributes in '{store.path}'")
    probe.unlink()


def layer(store: Store) -> tuple[Path, Digest]:
    written = write_layer(store, SOURCES)
    return store.blobs.path(written.descriptor.digest), written.diff_id


@pytest.mark.usefixtures("attributes")
def test_a_layer_is_known_by_what_was_noted(store: Store) -> None:
    path, found = layer(store)
    assert facts.noted(path, facts.DIFF_ID) == str(found)
    assert facts.noted(path, facts.VERIFIED) == facts.verified_as(path.stat())
    assert store.diff_id(Digest("sha256", path.name)) == found


def _set(name: str, value: bytes) -> Callable[[Path], None]:
    return lambda path: xattr.setxattr(str(path), name, value)


def _remove(name: str) -> Callable[[Path], None]:
    return lambda path: xattr.removexattr(str(path), name)


WRONG: dict[str, Callable[[Path], None]] = {
    "no diff ID": _remove(facts.DIFF_ID),
    "never verified": _remove(facts.VERIFIED),
    "an empty diff ID": _set(facts.DIFF_ID, b""),
    "a diff ID that is none": _set(facts.DIFF_ID, b"sha256:../x"),
    "a diff ID that is no text": _set(facts.DIFF_ID, b"\xff\xfe"),
    "verified in another state": _set(facts.VERIFIED, b"1 2"),
    "verified as nothing": _set(facts.VERIFIED, b"\0"),
    "touched": lambda path: path.touch(),
}


@pytest.mark.usefixtures("attributes")
@pytest.mark.parametrize("damage", WRONG.values(), ids=WRONG)
def test_a_fact_that_cannot_be_is_computed_again(damage: Callable[[Path], None], store: Store) -> None:
    path, found = layer(store)
    damage(path)
    digest = Digest("sha256", path.name)
    assert store.diff_id(digest) is None
    assert diff_id(store, digest) == found
    assert store.diff_id(digest) == found, "and noted again"
    assert fsck(store, trust=True).problems == ()


@pytest.mark.usefixtures("attributes")
def test_a_fact_is_of_the_bytes_that_were_there(store: Store) -> None:
    path, _ = layer(store)
    path.chmod(0o644)
    path.write_bytes(b"x" * path.stat().st_size)
    digest = Digest("sha256", path.name)
    assert store.diff_id(digest) is None
    with pytest.raises(DigestMismatch):
        diff_id(store, digest)
    with pytest.raises(DigestMismatch):
        store.blobs.verify(digest, trust=True)


@pytest.mark.usefixtures("attributes")
def test_a_layer_that_was_stored_before_is_not_compressed_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_layer(store, SOURCES)
    before = store.blobs.path(first.descriptor.digest).stat()
    monkeypatch.setattr("plumbing.commands.write_layer.write_compressed", None)  # using it would be an error
    assert write_layer(store, SOURCES) == first
    assert store.blobs.path(first.descriptor.digest).stat().st_mtime_ns == before.st_mtime_ns


def _hints(store: Store) -> list[Path]:
    return [path for path in (store.path / hints.FOLDER).rglob("*") if path.is_symlink()]


def _repoint(store: Store, target: str) -> None:
    for link in _hints(store):
        link.unlink()
        link.symlink_to(target)


@pytest.mark.usefixtures("attributes")
@pytest.mark.parametrize(
    "target", ["nothing", "../../../index.json", "/etc/passwd", f"../../../blobs/sha256/{'0' * 64}", "another layer"]
)
def test_a_hint_that_leads_elsewhere_is_not_followed(target: str, store: Store) -> None:
    other = write_layer(store, [Source(src=b"other", dest="/hello")])
    first = write_layer(store, SOURCES)
    if target == "another layer":
        target = str(store.blobs.path(other.descriptor.digest))
    _repoint(store, target)
    assert write_layer(store, SOURCES) == first


def test_hints_of_deleted_blobs_are_cleared_away(store: Store) -> None:
    layer(store)
    assert len(_hints(store)) == 1
    gc(store, now=LATER)
    assert list((store.path / hints.FOLDER).glob("*/*")) == []
    assert list((store.path / hints.FOLDER).glob("*")) == []


@pytest.fixture
def without_attributes(tmp_path: Path) -> Iterator[Store]:
    """On ramfs, which has none."""
    require(os.geteuid() == 0 and Path("/proc/filesystems").exists(), "only root on Linux can mount a ramfs")
    folder = tmp_path / "ramfs"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "ramfs", "ramfs", folder], capture_output=True, check=False)
    require(mounted.returncode == 0, f"cannot mount a ramfs: {mounted.stderr.decode().strip()}")
    try:
        yield Store.create(folder / ".krust")
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_without_attributes_all_is_computed(without_attributes: Store, store: Store) -> None:
    written = write_layer(without_attributes, SOURCES)
    path = without_attributes.blobs.path(written.descriptor.digest)
    require(facts.noted(path, facts.DIFF_ID) is None, "this kernel's ramfs has extended attributes")
    assert written == write_layer(store, SOURCES)
    assert without_attributes.diff_id(written.descriptor.digest) is None
    assert diff_id(without_attributes, written.descriptor.digest) == written.diff_id
    assert write_layer(without_attributes, SOURCES) == written
    assert fsck(without_attributes, trust=True).problems == ()
