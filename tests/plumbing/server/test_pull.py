"""What the distribution specification, 1.1, demands of a registry that is pulled from. "Pull"."""

from __future__ import annotations

import hashlib

import pytest

from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from tests.plumbing.server.conftest import ABSENT, BLOB, DIGEST, Client, codes


def test_v2_must_answer_200(client: Client) -> None:
    assert client.get("/v2/").status_code == 200
    assert client.get("/v2/").headers["Docker-Distribution-API-Version"] == "registry/2.0"


@pytest.mark.parametrize("name", ["App", "a//b", "-a", "a-", "a..b", "a___b", "a/_b", "a" * 256, "%c3%a4"])
def test_name_must_match_the_grammar(name: str, client: Client) -> None:
    answer = client.get(f"/v2/{name}/manifests/v1")
    assert (answer.status_code, codes(answer)) == (400, ["NAME_INVALID"])


@pytest.mark.parametrize(
    "name", ["a", "a/b/c", "a.b_c__d-e---f", "docker.io/library/alpine", "blobs/uploads", "tags/list"]
)
def test_names_of_the_grammar_must_be_taken(name: str, client: Client) -> None:
    raw = client.image()
    assert client.push("v1", raw, name=name).status_code == 201
    assert client.get(f"/v2/{name}/manifests/v1").content == raw
    assert client.get(f"/v2/{name}/tags/list").json()["tags"] == ["v1"]


@pytest.mark.parametrize("reference", [".v1", "-v1", "a" * 129, "v%c3%a4", "v1+x"])
def test_reference_must_be_a_digest_or_a_tag(reference: str, client: Client) -> None:
    assert client.get(f"/v2/app/manifests/{reference}").status_code == 404
    assert client.push(reference, client.image()).status_code == 400


@pytest.mark.parametrize("tag", ["v1", "_", "A.b-c_D", "a" * 128])
def test_tags_of_the_grammar_must_be_taken(tag: str, client: Client) -> None:
    assert client.push(tag, client.image()).status_code == 201


@pytest.mark.parametrize("digest", ["sha256:abc", "md5:" + "0" * 32, "sha256:" + "G" * 64, f"{DIGEST}".upper()])
def test_malformed_digest_is_refused(digest: str, client: Client) -> None:
    assert client.head(f"/v2/app/blobs/{digest}").status_code == 400
    assert codes(client.get(f"/v2/app/blobs/{digest}")) == ["DIGEST_INVALID"]


def test_get_of_a_manifest_must_give_it_with_200(client: Client) -> None:
    raw = client.image()
    client.push("v1", raw)
    for reference in ("v1", Digest.of(raw)):
        answer = client.get(f"/v2/app/manifests/{reference}")
        assert (answer.status_code, answer.content) == (200, raw)


@pytest.mark.parametrize("media_type", [mediatype.MANIFEST, mediatype.DOCKER_MANIFEST])
def test_content_type_should_be_what_was_pushed_without_parameters(media_type: str, client: Client) -> None:
    raw = client.image(mediaType=media_type)
    client.push("v1", raw, media_type)
    for reference in ("v1", Digest.of(raw)):
        assert client.get(f"/v2/app/manifests/{reference}").headers["Content-Type"] == media_type


def test_content_type_of_a_manifest_that_names_none(client: Client) -> None:
    raw = client.index(client.image()).replace(f'"mediaType":"{mediatype.INDEX}",'.encode(), b"")
    client.push(Digest.of(client.image()), client.image())
    assert client.push("v1", raw, mediatype.INDEX).status_code == 201
    for reference in ("v1", Digest.of(raw)):
        assert client.get(f"/v2/app/manifests/{reference}").headers["Content-Type"] == mediatype.INDEX


def test_manifest_should_come_with_its_digest(client: Client) -> None:
    raw = client.image()
    client.push("v1", raw)
    for ask in (client.get, client.head):
        assert ask("/v2/app/manifests/v1").headers["Docker-Content-Digest"] == str(Digest.of(raw))


@pytest.mark.parametrize("reference", ["v1", ABSENT])
def test_absent_manifest_must_be_404(reference: object, client: Client) -> None:
    answer = client.get(f"/v2/app/manifests/{reference}")
    assert (answer.status_code, codes(answer)) == (404, ["MANIFEST_UNKNOWN"])
    assert client.head(f"/v2/app/manifests/{reference}").status_code == 404


def test_a_blob_that_is_no_manifest_must_be_404_as_one(client: Client) -> None:
    client.push_blob()
    assert client.get(f"/v2/app/manifests/{DIGEST}").status_code == 404


def test_get_of_a_blob_must_give_it_with_200_and_its_digest(client: Client) -> None:
    client.push_blob()
    answer = client.get(f"/v2/app/blobs/{DIGEST}")
    assert (answer.status_code, answer.content) == (200, BLOB)
    assert answer.headers["Docker-Content-Digest"] == str(DIGEST)


def test_empty_blob(client: Client) -> None:
    digest = client.push_blob(b"")
    answer = client.get(f"/v2/app/blobs/{digest}", headers={"Range": "bytes=0-"})
    assert (answer.status_code, client.get(f"/v2/app/blobs/{digest}").content) == (416, b"")


def test_absent_blob_must_be_404(client: Client) -> None:
    answer = client.get(f"/v2/app/blobs/{ABSENT}")
    assert (answer.status_code, codes(answer)) == (404, ["BLOB_UNKNOWN"])
    assert client.head(f"/v2/app/blobs/{ABSENT}").status_code == 404


def test_head_must_be_200_with_the_length(client: Client) -> None:
    raw = client.image()
    client.push("v1", raw)
    for path, size in (
        (f"blobs/{DIGEST}", len(BLOB)),
        ("manifests/v1", len(raw)),
        (f"manifests/{Digest.of(raw)}", len(raw)),
    ):
        answer = client.head(f"/v2/app/{path}")
        assert (answer.status_code, answer.headers["Content-Length"], answer.content) == (200, str(size), b"")


@pytest.mark.parametrize(
    ("asked", "status", "part", "said"),
    [
        ("bytes=0-99", 206, slice(0, 100), "bytes 0-99/10240"),
        ("bytes=10000-", 206, slice(10000, None), "bytes 10000-10239/10240"),
        ("bytes=-10", 206, slice(-10, None), "bytes 10230-10239/10240"),
        ("bytes=10239-99999", 206, slice(10239, None), "bytes 10239-10239/10240"),
        ("bytes=-99999", 200, slice(None), None),
        ("bytes=0-", 200, slice(None), None),
        ("bytes=10240-", 416, None, "bytes */10240"),
        ("bytes=-0", 416, None, "bytes */10240"),
        # what a server may pass over: RFC 9110, 14.2
        ("bytes=0-1,5-6", 200, slice(None), None),
        ("lines=1-2", 200, slice(None), None),
        ("bytes=5-2", 200, slice(None), None),
        ("bytes=-", 200, slice(None), None),
    ],
)
def test_range_should_be_supported(
    asked: str, status: int, part: slice | None, said: str | None, client: Client
) -> None:
    client.push_blob()
    answer = client.get(f"/v2/app/blobs/{DIGEST}", headers={"Range": asked})
    assert (answer.status_code, answer.headers.get("Content-Range")) == (status, said)
    if part is not None:
        assert answer.content == BLOB[part]


@pytest.mark.parametrize(("condition", "status"), [(f'"{DIGEST}"', 206), ('"other"', 200)])
def test_if_range(condition: str, status: int, client: Client) -> None:
    client.push_blob()
    answer = client.get(f"/v2/app/blobs/{DIGEST}", headers={"Range": "bytes=5-", "If-Range": condition})
    assert answer.status_code == status


def test_sha512(client: Client) -> None:
    digest = Digest.parse("sha512:" + hashlib.sha512(BLOB).hexdigest())
    client.put(f"{client.open()}?digest={digest}", content=BLOB)
    assert client.get(f"/v2/app/blobs/{digest}").content == BLOB


# beyond the specification


def test_any_name_reads_what_the_store_has(client: Client) -> None:
    raw = client.image()
    descriptor = client.store.put(raw, mediatype.MANIFEST)
    assert client.get(f"/v2/whatever/it/is/manifests/{descriptor.digest}").content == raw
    assert client.get(f"/v2/whatever/it/is/blobs/{DIGEST}").content == BLOB


def test_what_was_built_is_read_by_its_name(client: Client) -> None:
    descriptor = client.store.put(client.image(), mediatype.MANIFEST)
    client.store.update_ref("hello-krust:latest", descriptor)
    assert client.get("/v2/hello-krust/manifests/latest").headers["Docker-Content-Digest"] == str(descriptor.digest)


def test_a_ref_to_something_else_than_an_image_is_no_tag(client: Client) -> None:
    client.store.update_ref("layers:v1", client.store.put(BLOB, mediatype.LAYER))
    assert client.get("/v2/layers/manifests/v1").status_code == 404


def test_what_was_fetched_is_read_with_its_host_and_without(client: Client) -> None:
    client.store.update_ref("docker.io/library/alpine:3", client.store.put(client.image(), mediatype.MANIFEST))
    client.store.update_ref("localhost:5000/hello:v1", client.store.put(client.image(), mediatype.MANIFEST))
    for name, tag in (("docker.io/library/alpine", "3"), ("library/alpine", "3"), ("hello", "v1")):
        assert client.get(f"/v2/{name}/manifests/{tag}").status_code == 200
        assert client.get(f"/v2/{name}/tags/list").json()["tags"] == [tag]


def test_a_name_that_two_hosts_give_to_different_images_means_neither(client: Client) -> None:
    one = client.store.put(client.image(), mediatype.MANIFEST)
    other = client.store.put(client.image(annotations={"a": "b"}), mediatype.MANIFEST)
    client.store.update_ref("ghcr.io/me/app:v1", one)
    client.store.update_ref("quay.io/me/app:v1", one)
    assert client.get("/v2/me/app/manifests/v1").status_code == 200
    client.store.update_ref("quay.io/me/app:v1", other)
    assert client.get("/v2/me/app/manifests/v1").status_code == 404
    client.store.update_ref("me/app:v1", other)
    assert client.get("/v2/me/app/manifests/v1").headers["Docker-Content-Digest"] == str(other.digest)


def test_corrupt_blob_is_not_served_and_a_push_repairs_it(client: Client) -> None:
    client.push_blob()
    path = client.store.blobs.path(DIGEST)
    path.chmod(0o644)
    path.write_bytes(BLOB[:-1] + b"?")
    assert client.head(f"/v2/app/blobs/{DIGEST}").status_code == 404
    answer = client.get(f"/v2/app/blobs/{DIGEST}", headers={"Range": "bytes=0-9"})
    assert answer.status_code == 404
    assert "corrupt" in answer.json()["errors"][0]["message"]
    client.push_blob()
    assert client.get(f"/v2/app/blobs/{DIGEST}").content == BLOB


def test_corrupt_manifest_is_not_served(client: Client) -> None:
    raw = client.image()
    client.push("v1", raw)
    path = client.store.blobs.path(Digest.of(raw))
    path.chmod(0o644)
    path.write_bytes(raw.replace(b"2", b"3"))
    for reference in ("v1", Digest.of(raw)):
        assert client.get(f"/v2/app/manifests/{reference}").status_code == 404


def test_link_in_place_of_a_blob_is_not_followed(client: Client) -> None:
    path = client.store.blobs.path(ABSENT)
    path.symlink_to("/etc/passwd")
    assert client.get(f"/v2/app/blobs/{ABSENT}").status_code >= 400


def test_errors_have_code_and_message(client: Client) -> None:
    for answer in (client.get("/v2/app/manifests/v1"), client.get("/nothing"), client.post("/v2/")):
        (error,) = answer.json()["errors"]
        assert error["code"].replace("_", "").isupper()
        assert error["message"]


def test_descriptor_of_the_served_is_the_stores(client: Client) -> None:
    raw = client.image()
    client.push("v1", raw)
    assert client.store.refs.get("app:v1") == Descriptor(
        media_type=mediatype.MANIFEST,
        digest=Digest.of(raw),
        size=len(raw),
        annotations={"org.opencontainers.image.ref.name": "app:v1"},
    )
