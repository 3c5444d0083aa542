"""gc and verify, from a shell."""

from __future__ import annotations

import json

from plumbing.oci import mediatype
from plumbing.oci.digest import Digest
from plumbing.store import Store
from tests.plumbing.commands.conftest import Plumbing
from tests.plumbing.store.images import put_image


def test_what_is_deleted_is_printed(store: Store, plumbing: Plumbing) -> None:
    store.update_ref("kept:1", put_image(store, "kept"))
    gone = store.put(b"gone", mediatype.LAYER)
    assert plumbing("gc").raw == b"", "it is young"
    dry = plumbing("gc", "-n", "--grace", "0")
    assert (dry.out, dry.err) == (f"{gone.digest}\n", "would free 4 bytes in 1 blobs\n")
    assert store.has(gone)
    done = plumbing("gc", "--grace", "0")
    assert (done.out, done.err) == (f"{gone.digest}\n", "freed 4 bytes in 1 blobs\n")
    assert len(list(store.blobs)) == 3


def test_verify_is_exit_1_if_anything_is_wrong(store: Store, plumbing: Plumbing) -> None:
    image = put_image(store, "one")
    store.update_ref("a:1", image)
    clean = plumbing("verify")
    assert clean.raw == b""
    assert clean.err.startswith("3 blobs, ")
    missing = Digest.of(b"one")
    store.blobs.path(missing).unlink()
    problem = f"cannot read '{missing}': no such blob in '.krust'"
    assert plumbing("verify", code=1).out == f"{problem}\n"
    assert json.loads(plumbing("verify", "a:1", "--json", code=1).out)["problems"] == [problem]
    other = put_image(store, "other")
    assert plumbing("verify", other.digest).raw == b""
