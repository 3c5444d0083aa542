"""gc: what no ref needs goes, and nothing else, whoever writes meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plumbing.errors import DigestMismatch, NotFound, PlumbingError, StoreError
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.store import Store
from plumbing.store.fsck import fsck
from plumbing.store.gc import GRACE, gc
from tests.plumbing.store.images import put_image, put_images
from tests.tools import ROOT

LATER = time.time() + 10 * GRACE
"""Nothing that a test writes is young then: a change time cannot be set back."""


def below(store: Store, root: Descriptor) -> set[Digest]:
    return {blob.digest for blob in store.walk(root)}


def test_what_no_ref_needs_is_deleted(store: Store) -> None:
    kept, gone = put_images(store), put_image(store, "shared", "gone")
    store.update_ref("kept:1", kept)
    garbage = gc(store, now=LATER)
    expected = below(store, kept)
    assert set(store.blobs) == expected
    assert len(garbage) == 3
    assert {gone.digest, Digest.of(b"gone")} < {item.digest for item in garbage}
    assert [item.digest for item in garbage] == sorted((item.digest for item in garbage), key=str)
    assert fsck(store).problems == ()


def test_a_dry_run_deletes_nothing_and_says_the_same(store: Store) -> None:
    put_image(store, "gone")
    (store.path / "tmp" / "left").touch()
    said = gc(store, now=LATER, dry_run=True)
    assert len(list(store.blobs)) == 3
    assert (store.path / "tmp" / "left").exists()
    assert [item.size for item in said] == [store.blobs.size(item.digest) for item in said]
    assert gc(store, now=LATER) == said
    assert list(store.blobs) == []


def test_the_young_are_kept_by_their_change_time(store: Store) -> None:
    put_image(store, "young")
    for digest in store.blobs:
        os.utime(store.blobs.path(digest), (0, 0))  # a copy with the times of the original is new here
    now = time.time()
    assert gc(store, now=now) == []
    assert gc(store, now=now + GRACE - 60) == []
    assert len(gc(store, now=now + GRACE + 60)) == 3


@pytest.mark.parametrize("use", ["put", "take", "writer"])
def test_what_is_used_again_is_young_again(use: str, store: Store, tmp_path: Path) -> None:
    data = b"used again"
    descriptor = store.put(data, mediatype.LAYER)
    old = store.blobs.path(descriptor.digest).stat()
    time.sleep(0.05)
    if use == "put":
        store.put(data, mediatype.LAYER)
    elif use == "take":
        other = Store.create(tmp_path / "other")
        other.put(data, mediatype.LAYER)
        store.take(descriptor, other)
    else:
        with store.writer() as blob:
            blob.write(data)
            blob.commit()
    assert gc(store, now=old.st_ctime + GRACE + 0.01) == []
    assert store.blobs.path(descriptor.digest).stat().st_mtime_ns == old.st_mtime_ns


def test_subjects_and_what_is_below_them_are_kept(store: Store) -> None:
    subject = put_image(store, "subject")
    referrer = put_image(store, "signature", subject=subject)
    store.update_ref("signature:1", referrer)
    expected = below(store, subject) | below(store, referrer)
    assert gc(store, now=LATER) == []
    assert set(store.blobs) == expected


def test_a_subject_need_not_exist(store: Store) -> None:
    store.update_ref("signature:1", put_image(store, "signature", subject=Descriptor.of(b"no", mediatype.MANIFEST)))
    assert gc(store, now=LATER) == []


def test_what_is_called_something_else_first_is_kept_whole(store: Store) -> None:
    image = put_image(store, "one")
    called = Descriptor(media_type="application/octet-stream", digest=image.digest, size=image.size)
    index = {"schemaVersion": 2, "manifests": [called.to_json(), image.to_json(), called.to_json()]}
    (store.path / "index.json").write_text(json.dumps(index))
    assert gc(store, now=LATER) == []


def _missing(store: Store, image: Descriptor) -> None:
    store.blobs.path(image.digest).unlink()


def _flipped(store: Store, image: Descriptor) -> None:
    path = store.blobs.path(image.digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"2", b"3", 1))


def _unreadable_index(store: Store, image: Descriptor) -> None:
    (store.path / "index.json").write_text('{"schemaVersion":2,"manifests":[{}]}')


@pytest.mark.parametrize(
    ("damage", "error"), [(_missing, NotFound), (_flipped, DigestMismatch), (_unreadable_index, StoreError)]
)
def test_a_node_that_cannot_be_read_aborts_with_nothing_deleted(
    damage, error: type[PlumbingError], store: Store
) -> None:
    store.update_ref("a:1", put_image(store, "fine"))
    image = put_image(store, "damaged")
    store.update_ref("b:1", image)
    put_image(store, "garbage")
    (store.path / "tmp" / "left").touch()
    damage(store, image)
    before = set(store.blobs)
    with pytest.raises(error):
        gc(store, now=LATER)
    assert set(store.blobs) == before
    assert (store.path / "tmp" / "left").exists()


def test_what_killed_writers_left_is_cleared_away(store: Store) -> None:
    staging = store.path / "tmp"
    (staging / "left").write_bytes(b"half")
    (staging / "folder").mkdir()
    (staging / "link").symlink_to(store.path / "index.json")
    gc(store, now=time.time())
    assert (staging / "left").exists(), "it may belong to a writer that lives"
    gc(store, now=LATER)
    assert sorted(path.name for path in staging.iterdir()) == ["folder", "link"]
    assert (store.path / "index.json").exists()


def test_a_writer_that_lives_keeps_its_file_however_slow_it_is(store: Store) -> None:
    with store.writer() as blob:
        blob.write(b"slow")
        gc(store, now=LATER)
        assert blob.commit() == Digest.of(b"slow")


def test_strangers_are_not_its_business(store: Store) -> None:
    stranger = store.path / "blobs" / "sha256" / "README"
    stranger.write_text("not a blob")
    (store.path / "blobs" / "md5").mkdir()
    assert gc(store, now=LATER) == []
    assert stranger.exists()


_WRITER = """
import sys, time
from pathlib import Path
from plumbing.errors import NotFound
from plumbing.store import Store
from tests.plumbing.store.images import put_image

store, name = Store.open(Path(sys.argv[1])), sys.argv[2]
written = refused = 0
end = time.monotonic() + float(sys.argv[3])
while time.monotonic() < end:
    image = put_image(store, "shared", f"{name} {written % 3}")
    try:
        store.update_ref(f"{name}:{written % 2}", image)
        written += 1
    except NotFound:
        refused += 1  # a gc without grace took a blob before it had a name: said, not hidden
print(written, refused)
"""

_COLLECTOR = """
import sys, time
from pathlib import Path
from plumbing.store import Store
from plumbing.store.gc import gc

store = Store.open(Path(sys.argv[1]))
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    gc(store, now=time.time(), grace=float(sys.argv[3]))
"""


@pytest.mark.parametrize("grace", [0, 60])
def test_gc_and_writers_at_once(grace: int, store: Store) -> None:
    """Without grace gc may get in a writer's way, which then says so; a ref is never left without its blobs."""
    run = [sys.executable, "-c"]
    seconds = "1.5"
    writers = [
        subprocess.Popen([*run, _WRITER, store.path, name, seconds], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for name in ("one", "two", "three")
    ]
    collector = subprocess.Popen([*run, _COLLECTOR, store.path, seconds, str(grace)], cwd=ROOT)
    said = [tuple(map(int, writer.communicate()[0].split())) for writer in writers]
    assert collector.wait() == 0
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    if grace:
        assert all(written > 0 and refused == 0 for written, refused in said), said
    assert fsck(store).problems == ()
