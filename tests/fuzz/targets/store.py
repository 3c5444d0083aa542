"""plumbing/store, plumbing/archive.py: layouts that someone else has made."""

from __future__ import annotations

import io
import json
import tarfile
from contextlib import suppress
from pathlib import Path

from plumbing.archive import read_archive
from plumbing.errors import Malformed, NotFound, PlumbingError, StoreError
from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store, refs
from plumbing.store.names import find_in
from tests.fuzz.target import folder, malformed, target, text, tried

_MARKER = b'{"imageLayoutVersion":"1.0.0"}'
_INDEX = (
    '{"schemaVersion":2,"manifests":[',
    '"mediaType":"application/vnd.oci.image.manifest.v1+json"',
    '"digest":"sha256:' + "0" * 64 + '"',
    '"size":',
    '"annotations":{"org.opencontainers.image.ref.name":"a:b"}',
    "null",
    "[]",
    "{}",
)


@target(_MARKER, *_INDEX, "\0", longest=1 << 14)
def layout(data: bytes) -> None:
    """index.json, and after a zero byte oci-layout."""
    index, marked, marker = data.partition(b"\0")
    with folder() as path:
        (path / "blobs").mkdir()
        (path / "oci-layout").write_bytes(marker if marked else _MARKER)
        (path / "index.json").write_bytes(index)
        store = tried(StoreError, Store.open, path)
        if store is None:
            assert marked, "a good marker is refused"
            return
        found = tried(StoreError, lambda: list(store.refs))
        if found is None:
            return
        said = json.loads(index)
        assert len(found) == len(said.get("manifests") or [])
        for ref in found:
            if ref.name is not None:
                assert store.refs.get(ref.name) in [each.descriptor for each in found if each.name == ref.name]
        _check_change(store, said)


def _check_change(store: Store, said: dict[str, object]) -> None:
    """A ref that is added and taken away leaves all else as it was."""
    root = store.put(b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
                     "application/vnd.oci.image.index.v1+json")  # fmt: skip
    before = list(store.refs)
    if any(ref.name == "new:ref" for ref in before):
        return
    store.update_ref("new:ref", root)
    assert [ref for ref in store.refs if ref.name != "new:ref"] == before
    store.delete_ref("new:ref")
    after = json.loads((store.path / "index.json").read_bytes())
    assert after == {**said, "manifests": said.get("manifests") or []}


@target("latest", ":", "@", "sha256:", "0123456", "../", "/", "localhost:5000/app")
def ref_name(data: bytes) -> None:
    name = text(data)
    if malformed(refs.check_name, name) is not None:
        assert name.isascii()
        assert name.isprintable()
        assert ".." not in Path(name).parts
    else:
        descriptor = Descriptor.of(b"", "text/plain")
        assert malformed(lambda: refs.Refs(Path("/nowhere")).update({name: (descriptor, refs.ANY)}, print)) is None


@target("index.json", "oci-layout", "manifest.json", "blobs/sha256/", "layer.tar", *_INDEX, usual=1 << 13)  # fmt: skip
def archive(data: bytes) -> None:
    """A tar, or what is to be in one: files apart by zero bytes, the first line of each its name."""
    with folder() as path:
        (path / "image.tar").write_bytes(data if data[257:262] == b"ustar" else _tar(data))
        store = tried(PlumbingError, read_archive, path / "image.tar", path / "store")
        if store is None:
            return
        for ref in store.refs:
            with suppress(NotFound, Malformed):
                find_in(str(ref.descriptor.digest), store)


def _tar(data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for each in data.split(b"\0", 7):
            name, _, contents = each.partition(b"\n")
            member = tarfile.TarInfo(text(name) or "x")
            member.size = len(contents)
            tar.addfile(member, io.BytesIO(contents))
    return out.getvalue()
