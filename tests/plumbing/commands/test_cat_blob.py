from __future__ import annotations

import pytest

from plumbing.oci import mediatype
from plumbing.store import Store
from tests.plumbing.commands.conftest import Plumbing


def test_the_bytes_as_they_are(store: Store, plumbing: Plumbing) -> None:
    data = bytes(range(256)) * 10_000
    blob = store.put(data, mediatype.LAYER)
    assert plumbing("cat-blob", blob.digest).raw == data


@pytest.mark.parametrize(("options", "end"), [([], "\n"), (["-z"], "\0")])
def test_a_batch_says_what_comes(options: list[str], end: str, store: Store, plumbing: Plumbing) -> None:
    one, two = store.put(b"one\n", mediatype.LAYER), store.put(b"", mediatype.LAYER)
    names = end.join([str(one.digest), two.digest.hex[:7], ""]).encode()
    expected = f"{one.digest} 4\none\n\n{two.digest} 0\n\n"
    assert plumbing("cat-blob", "--batch", "-", *options, stdin=names).out == expected


def test_bytes_that_are_wrong_are_exit_1(store: Store, plumbing: Plumbing) -> None:
    blob = store.put(b"right", mediatype.LAYER)
    path = store.blobs.path(blob.digest)
    path.chmod(0o644)
    path.write_bytes(b"wrong")
    ran = plumbing("cat-blob", blob.digest, code=1)
    assert ran.err.startswith(f"plumbing: corrupt blob '{blob.digest}' in '.krust': found sha256:")
