from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.store import Store
from plumbing.store.fsck import fsck
from tests.plumbing.store.images import put_image, put_images

LAYER = Digest.of(b"shared")


def test_a_clean_store(store: Store) -> None:
    store.update_ref("a:1", put_images(store))
    loose = store.put(b"needed by nobody", mediatype.LAYER)
    report = fsck(store)
    assert report.problems == ()
    assert report.blobs == len(list(store.blobs)) == 9
    assert report.size == sum(store.blobs.size(digest) or 0 for digest in store.blobs)
    only = fsck(store, [loose])
    assert (only.problems, only.blobs, only.size) == ((), 1, loose.size)


def test_an_empty_store_is_clean(store: Store) -> None:
    assert fsck(store).problems == ()


def _flip(store: Store, path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


def _replace_with(make: Callable[[Path], object]) -> Callable[[Store, Path], None]:
    def damage(store: Store, path: Path) -> None:
        path.unlink()
        make(path)

    return damage


FAULTS: dict[str, tuple[Callable[[Store, Path], None], str]] = {
    "a byte flipped": (_flip, "corrupt blob '{digest}' in '{store}': found sha256:"),
    "cut short": (
        lambda store, path: os.truncate(path, 2),
        "corrupt blob '{digest}' in '{store}': found 2 bytes, expected",
    ),
    "gone": (lambda store, path: path.unlink(), "cannot read '{digest}': no such blob in '{store}'"),
    "a link": (
        _replace_with(lambda path: path.symlink_to("/dev/null")),
        "stranger '{path}': not a regular file; remove",
    ),
    "a fifo": (_replace_with(os.mkfifo), "stranger '{path}': not a regular file; remove it"),
    "a folder": (_replace_with(Path.mkdir), "stranger '{path}': not a regular file; remove it"),
    "a file among the blobs": (
        lambda store, path: path.with_name("README").touch(),
        "stranger '{store}/blobs/sha256/README': not named as a digest; remove it",
    ),
    "a folder among the algorithms": (
        lambda store, path: (store.path / "blobs" / "md5" / "x").mkdir(parents=True),
        "stranger '{store}/blobs/md5/x': not named as a digest; remove it",
    ),
    "a file among the algorithms": (
        lambda store, path: (store.path / "blobs" / "x").touch(),
        "stranger '{store}/blobs/x': no folder of blobs; remove it",
    ),
}


@pytest.mark.parametrize(("damage", "said"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("what", ["layer", "manifest"])
def test_each_fault_is_found_and_the_rest_still_read(
    damage: Callable[[Store, Path], None], said: str, what: str, store: Store
) -> None:
    root = put_images(store)
    store.update_ref("a:1", root)
    other = put_image(store, "other")
    store.update_ref("b:1", other)
    digest = LAYER if what == "layer" else root.digest
    path = store.blobs.path(digest)
    damage(store, path)
    report = fsck(store)
    line = said.format(digest=digest, store=store.path, path=path)
    assert [problem for problem in report.problems if problem.startswith(line)], report.problems
    assert all(str(path) in problem or str(digest) in problem or "stranger" in problem for problem in report.problems)
    assert report.size >= sum(blob.size for blob in store.walk(other))


def test_a_descriptor_with_another_size_is_found(store: Store) -> None:
    image = put_image(store, "one")
    wrong = {**image.to_json(), "size": image.size + 1}
    (store.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [wrong]}))
    [problem] = fsck(store).problems
    assert problem.startswith(f"corrupt blob '{image.digest}' in '{store.path}': found {image.size} bytes, expected")


def test_trust_reads_only_what_was_not_seen_before(store: Store) -> None:
    """And never trusts a file that was touched since."""
    blob = store.put(b"some bytes", mediatype.LAYER)
    path = store.blobs.path(blob.digest)
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"Some bytes")
    assert len(fsck(store, trust=True).problems) == 1, "another time"
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(fsck(store, trust=False).problems) == 1, "the same time and size, but it was asked to read"


def test_roots_are_followed_alone(store: Store) -> None:
    damaged, fine = put_image(store, "damaged"), put_image(store, "fine")
    store.blobs.path(Digest.of(b"damaged")).unlink()
    assert fsck(store, [fine]).problems == ()
    assert len(fsck(store, [fine, damaged]).problems) == 1
    assert len(fsck(store, [Descriptor.of(b"no such", mediatype.MANIFEST)]).problems) == 1
