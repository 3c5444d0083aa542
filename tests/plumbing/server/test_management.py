"""What the distribution specification, 1.1, demands of a registry that deletes. "Content Management"."""

from __future__ import annotations

import time

import pytest

from plumbing.oci import mediatype
from plumbing.oci.digest import Digest
from plumbing.store.gc import gc
from tests.plumbing.server.conftest import ABSENT, DIGEST, Client, codes


def test_deleted_tag_must_be_202_and_is_gone(client: Client) -> None:
    raw = client.image()
    for tag in ("v1", "v2"):
        client.push(tag, raw)
    assert client.delete("/v2/app/manifests/v1").status_code == 202
    assert client.get("/v2/app/manifests/v1").status_code == 404
    assert client.get("/v2/app/manifests/v2").status_code == 200
    assert client.get(f"/v2/app/manifests/{Digest.of(raw)}").status_code == 200


def test_deleted_manifest_must_be_202_and_is_gone_with_its_tags(client: Client) -> None:
    raw, other = client.image(), client.image(annotations={"a": "b"})
    digest = Digest.of(raw)
    for reference in ("v1", "v2", digest):
        client.push(reference, raw)
    client.push("v3", other)
    client.push("v1", raw, name="elsewhere")
    assert client.delete(f"/v2/app/manifests/{digest}").status_code == 202
    for reference in ("v1", "v2", digest):
        assert client.get(f"/v2/app/manifests/{reference}").status_code == 404
    assert client.get("/v2/app/manifests/v3").status_code == 200
    assert client.get("/v2/elsewhere/manifests/v1").status_code == 200


def test_deleted_manifest_can_be_pushed_again(client: Client) -> None:
    raw = client.image()
    client.push("v1", raw)
    client.delete(f"/v2/app/manifests/{Digest.of(raw)}")
    client.push("v1", raw)
    assert client.get(f"/v2/app/manifests/{Digest.of(raw)}").content == raw


def test_deleted_manifest_goes_with_gc(client: Client) -> None:
    raw = client.image()
    client.push(Digest.of(raw), raw)
    client.delete(f"/v2/app/manifests/{Digest.of(raw)}")
    assert {garbage.digest for garbage in gc(client.store, now=time.time() + 10**6)} >= {Digest.of(raw), DIGEST}


def test_deleted_referrer_is_listed_no_more(client: Client) -> None:
    subject = {"mediaType": mediatype.MANIFEST, "digest": str(ABSENT), "size": 3}
    raw = client.image(subject=subject)
    client.push(Digest.of(raw), raw)
    client.delete(f"/v2/app/manifests/{Digest.of(raw)}")
    assert client.get(f"/v2/app/referrers/{ABSENT}").json()["manifests"] == []


@pytest.mark.parametrize("reference", ["v1", ABSENT])
def test_deletion_in_an_unknown_repository_must_be_404(reference: object, client: Client) -> None:
    answer = client.delete(f"/v2/unknown/manifests/{reference}")
    assert (answer.status_code, codes(answer)) == (404, ["MANIFEST_UNKNOWN"])


def test_deletion_leaves_what_other_names_need(client: Client) -> None:
    """A repository deletes what is its own: an image that was built, under another name, stays."""
    raw = client.image()
    client.store.update_ref("hello:latest", client.store.put(raw, mediatype.MANIFEST))
    assert client.delete(f"/v2/app/manifests/{Digest.of(raw)}").status_code == 404
    assert client.get("/v2/hello/manifests/latest").content == raw


def test_deletion_of_blobs_is_disabled_and_must_be_405(client: Client) -> None:
    client.push_blob()
    answer = client.delete(f"/v2/app/blobs/{DIGEST}")
    assert (answer.status_code, codes(answer)) == (405, ["UNSUPPORTED"])
