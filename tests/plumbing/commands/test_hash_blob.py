from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store
from tests.plumbing.commands.conftest import Plumbing

DIGEST = f"sha256:{hashlib.sha256(b'hello').hexdigest()}"


@pytest.mark.parametrize("file", ["hello", "-"])
def test_the_digest_and_with_w_the_blob(file: str, store: Store, plumbing: Plumbing) -> None:
    Path("hello").write_bytes(b"hello")
    assert plumbing("hash-blob", file, stdin=b"hello").out == f"{DIGEST}\n"
    assert list(store.blobs) == []
    assert plumbing("hash-blob", "-w", file, stdin=b"hello").out == f"{DIGEST}\n"
    assert [str(digest) for digest in store.blobs] == [DIGEST]


def test_json_is_a_descriptor(plumbing: Plumbing) -> None:
    said = plumbing("hash-blob", "-", "--json", "--media-type", "text/plain", stdin=b"hello").out
    assert said == f'{{"mediaType":"text/plain","digest":"{DIGEST}","size":5}}\n'
    assert Descriptor.parse(said).size == 5


def test_writing_makes_a_store_and_looking_does_not(store: Store, plumbing: Plumbing) -> None:
    plumbing("hash-blob", "-", "--store", "new", stdin=b"hello")
    assert not Path("new").exists()
    plumbing("hash-blob", "-w", "-", "--store", "new", stdin=b"hello")
    assert plumbing("cat-blob", DIGEST, "--store", "new").raw == b"hello"
