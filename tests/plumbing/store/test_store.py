"""The layout itself: made whole, opened with care; and what its blobs are, by their bytes."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from plumbing.errors import Malformed, NotFound, StoreError
from plumbing.oci import document, mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.store import Store
from plumbing.store.store import nearest
from tests.plumbing.store.images import put_image, put_index
from tests.tools import ROOT, require


def test_a_new_store_is_a_layout_of_the_specification(tmp_path: Path) -> None:
    Store.create(tmp_path / "deep" / ".krust")
    folder = tmp_path / "deep" / ".krust"
    assert {
        path.relative_to(folder).as_posix(): path.is_file() and path.read_bytes() for path in folder.rglob("*")
    } == {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
        "blobs": False,
        "blobs/sha256": False,
        "tmp": False,
        "lock": b"",
        ".gitignore": b"*\n",
    }


def test_creating_it_again_changes_nothing(store: Store) -> None:
    store.update_ref("a:1", put_image(store, "one"))
    before = (store.path / "index.json").read_bytes()
    Store.create(store.path)
    assert (store.path / "index.json").read_bytes() == before


def test_a_store_that_was_half_made_is_made_whole(tmp_path: Path) -> None:
    """The marker is written last: without it there is no store yet."""
    whole = Store.create(tmp_path / "whole").path
    for missing in ("oci-layout", "index.json", ".gitignore", "tmp", "lock"):
        half = Store.create(tmp_path / missing).path
        (half / "oci-layout").unlink()
        if missing != "oci-layout":
            (half / missing).rmdir() if missing == "tmp" else (half / missing).unlink()
        assert not Store.is_layout(half)
        Store.create(half)
        assert sorted(path.name for path in half.iterdir()) == sorted(path.name for path in whole.iterdir())


def test_another_tools_layout_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0", "x": 1}')
    (tmp_path / "index.json").write_text('{"schemaVersion":2,"manifests":[]}')
    (tmp_path / "blobs").mkdir()
    store = Store.create(tmp_path)
    assert not (tmp_path / ".gitignore").exists()
    store.update_ref("a:1", put_image(store, "one"))
    assert len(list(store.refs)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"imageLayoutVersion":"2.0.0"}', "cannot open '{store}': a layout of version '2.0.0', not 1.0.0"),
        ("{}", "cannot open '{store}': a layout of version 'None', not 1.0.0"),
        ("", "cannot open '{store}': malformed oci-layout '': expected JSON"),
        ("[]", "cannot open '{store}': malformed oci-layout '[]': expected a JSON object"),
    ],
)
def test_a_layout_that_krust_does_not_know_is_refused(text: str, said: str, store: Store) -> None:
    (store.path / "oci-layout").write_text(text)
    with pytest.raises(StoreError) as caught:
        Store.open(store.path)
    assert str(caught.value).startswith(said.format(store=store.path))


@pytest.mark.parametrize("name", ["blobs", "blobs/sha256", "blobs/sha512", "tmp", "hints", "oci-layout"])
def test_a_store_of_links_is_refused(name: str, store: Store, tmp_path: Path) -> None:
    """A blob read through a link, or written through one, would be a file elsewhere; and gc would delete there."""
    for folder in ("blobs/sha512", "hints"):
        (store.path / folder).mkdir()
    (store.path / name).rename(tmp_path / "elsewhere")
    (store.path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=f"^cannot (open|read) '{store.path}"):
        Store.open(store.path)


def test_no_layout_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(
            StoreError, match=f"^cannot open '{path}': no OCI layout there; 'krust build --no-push' makes"
        ):
            Store.open(path)


def test_the_nearest_store_is_found_upwards(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert nearest(deep) is None or tmp_path not in (nearest(deep) or Path()).parents
    Store.create(tmp_path / ".krust")
    assert nearest(deep) == tmp_path / ".krust"
    (deep / ".krust").mkdir()
    assert nearest(deep) == tmp_path / ".krust", "a folder of that name is no store"
    Store.create(tmp_path / "a" / ".krust")
    assert nearest(deep) == tmp_path / "a" / ".krust"


def test_a_store_that_someone_else_has_put_above_is_passed_over(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "only root may give files away")
    deep = tmp_path / "shared" / "mine"
    deep.mkdir(parents=True)
    store = Store.create(tmp_path / "shared" / ".krust").path
    assert nearest(deep) == store
    os.chown(store, 12345, 12345)
    assert nearest(deep) != store
    os.chown(deep, 12345, 12345)
    assert nearest(deep) == store, "whoever has the working directory has its store, too: a checkout in a container"


def test_a_store_to_hand_on_is_the_layout_alone(store: Store) -> None:
    store.update_ref("a:1", put_image(store, "one"))
    store.strip()
    assert sorted(path.name for path in store.path.iterdir()) == ["blobs", "index.json", "oci-layout"]
    assert store.refs.get("a:1") is not None


def test_what_a_blob_is_by_its_bytes(store: Store) -> None:
    image = put_image(store, "one")
    kinds = {
        mediatype.MANIFEST: store.read(image),
        mediatype.INDEX: store.read(put_index(store, image)),
        mediatype.CONFIG: store.read(store.manifest(image).children[0]),
        mediatype.DOCKER_MANIFEST: json.dumps(
            {**json.loads(store.read(image)), "mediaType": mediatype.DOCKER_MANIFEST}
        ).encode(),
        mediatype.LAYER_GZIP: gzip.compress(b"tar"),
        mediatype.LAYER_ZSTD: zstandard.compress(b"tar"),
        mediatype.LAYER: b"{name".ljust(512, b"\0"),
    }
    for media_type, raw in kinds.items():
        assert store.describe(store.put(raw, media_type).digest) == Descriptor.of(raw, media_type)
    old = json.dumps({key: value for key, value in json.loads(kinds[mediatype.MANIFEST]).items() if key != "mediaType"})
    assert store.describe(store.put(old.encode(), "a/b").digest).media_type == mediatype.MANIFEST
    spaced = b"\n " + kinds[mediatype.INDEX]
    assert store.describe(store.put(spaced, "a/b").digest).media_type == mediatype.INDEX
    assert store.describe(store.put(b"", "a/b").digest).media_type == mediatype.LAYER


def test_a_document_that_is_too_large_is_not_read(store: Store) -> None:
    raw = b"{" + b" " * document.LIMIT + b"}"
    descriptor = store.put(raw, mediatype.MANIFEST)
    with pytest.raises(Malformed, match=f"expected at most {document.LIMIT} bytes, not {len(raw)}$"):
        store.read(descriptor)
    assert store.describe(descriptor.digest).media_type == mediatype.LAYER


def test_a_blob_that_is_not_there_is_said(store: Store) -> None:
    with pytest.raises(NotFound, match=f"^cannot read '{Digest.of(b'no')}': no such blob in '{store.path}'$"):
        store.describe(Digest.of(b"no"))


def test_complete_looks_at_the_last_blob(store: Store) -> None:
    image = put_image(store, "one")
    assert store.complete(image)
    store.blobs.path(Digest.of(b"one")).unlink()
    assert not store.complete(image)
    assert not store.complete(Descriptor.of(b"no", mediatype.MANIFEST))


_CREATE = """
import sys
from pathlib import Path
from plumbing.store import Store
from tests.plumbing.store.images import put_image
store = Store.create(Path(sys.argv[1]))
for number in range(4):
    store.update_ref(f"{sys.argv[2]}:{number}", put_image(store, "shared", sys.argv[2]))
"""


def test_processes_that_make_one_store_and_write_to_it_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".krust"
    processes = [
        subprocess.Popen([sys.executable, "-c", _CREATE, path, f"writer{number}"], cwd=ROOT) for number in range(32)
    ]
    assert [process.wait() for process in processes] == [0] * 32
    store = Store.open(path)
    assert {ref.name for ref in store.refs} == {f"writer{number}:{tag}" for number in range(32) for tag in range(4)}
    assert all(store.complete(ref.descriptor) for ref in store.refs)
    assert list((path / "tmp").iterdir()) == []
