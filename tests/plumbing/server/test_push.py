"""What the distribution specification, 1.1, demands of a registry that is pushed to. "Push"."""

from __future__ import annotations

import hashlib
import os
import socket
import time
import uuid
from pathlib import Path

import httpx
import pytest

from plumbing.oci import document, mediatype
from plumbing.oci.digest import Digest
from plumbing.server import sessions
from plumbing.store import Store
from plumbing.store.gc import GRACE, gc
from tests.plumbing.server.conftest import ABSENT, BLOB, DIGEST, Client, codes
from tests.registry.faults import Registry, registry

SHA512 = Digest("sha512", hashlib.sha512(BLOB).hexdigest())


def staged(store: Store) -> list[Path]:
    return list((store.path / "tmp").iterdir())


def blob(client: Client, digest: Digest = DIGEST) -> bytes:
    return client.get(f"/v2/app/blobs/{digest}").content


# blobs in one piece


def test_post_must_answer_202_with_a_location_that_has_a_uuid(client: Client) -> None:
    answer = client.begin()
    assert answer.status_code == 202
    uuid.UUID(answer.headers["Location"].rpartition("/")[2])


def test_post_without_the_last_slash(client: Client) -> None:
    assert client.post("/v2/app/blobs/uploads").status_code == 202


@pytest.mark.parametrize("digest", [DIGEST, SHA512])
def test_put_must_answer_201_with_a_location_that_can_be_pulled(digest: Digest, client: Client) -> None:
    answer = client.put(f"{client.open()}?digest={digest}", content=BLOB)
    assert answer.status_code == 201
    assert client.get(answer.headers["Location"]).content == BLOB
    assert answer.headers["Docker-Content-Digest"] == str(digest)
    assert staged(client.store) == []


@pytest.mark.parametrize("digest", [DIGEST, SHA512])
def test_single_post_must_answer_201_with_a_location_that_can_be_pulled(digest: Digest, client: Client) -> None:
    answer = client.post(f"/v2/app/blobs/uploads/?digest={digest}", content=BLOB)
    assert answer.status_code == 201
    assert client.get(answer.headers["Location"]).content == BLOB


@pytest.mark.parametrize("digest", [ABSENT, Digest("sha512", ABSENT.hex * 2)])
def test_digest_must_match_the_content(digest: Digest, client: Client) -> None:
    url = client.open()
    client.patch(url, content=BLOB[:5])
    for answer in (
        client.put(f"{client.open()}?digest={digest}", content=BLOB),
        client.put(f"{url}?digest={digest}", content=BLOB[5:]),
        client.post(f"/v2/app/blobs/uploads/?digest={digest}", content=BLOB),
    ):
        assert (answer.status_code, codes(answer)) == (400, ["DIGEST_INVALID"])
    assert client.head(f"/v2/app/blobs/{digest}").status_code == 404
    assert staged(client.store) == []


@pytest.mark.parametrize("query", ["", "?digest=", "?digest=sha256:abc"])
def test_put_without_a_digest_is_refused_and_the_upload_goes_on(query: str, client: Client) -> None:
    url = client.open()
    assert codes(client.put(f"{url}{query}", content=BLOB)) == ["DIGEST_INVALID"]
    assert client.put(f"{url}?digest={DIGEST}", content=BLOB).status_code == 201


def test_blob_is_there_when_the_put_is_answered(client: Client) -> None:
    client.push_blob()
    assert client.store.blobs.verify(DIGEST, len(BLOB), trust=False) == len(BLOB)


# blobs in chunks


def test_chunk_must_be_answered_202_with_location_and_range(client: Client) -> None:
    url = client.open()
    for start in range(0, len(BLOB), 4096):
        chunk = BLOB[start : start + 4096]
        end = start + len(chunk) - 1
        answer = client.patch(url, content=chunk, headers={"Content-Range": f"{start}-{end}"})
        assert (answer.status_code, answer.headers["Range"]) == (202, f"0-{end}")
        url = answer.headers["Location"]
    assert client.put(f"{url}?digest={DIGEST}").status_code == 201
    assert blob(client) == BLOB


def test_last_chunk_may_come_with_the_put(client: Client) -> None:
    url = client.open()
    client.patch(url, content=BLOB[:4096], headers={"Content-Range": "0-4095"})
    rest = {"Content-Range": f"4096-{len(BLOB) - 1}"}
    assert client.put(f"{url}?digest={DIGEST}", content=BLOB[4096:], headers=rest).status_code == 201
    assert blob(client) == BLOB


@pytest.mark.parametrize("digest", [DIGEST, SHA512])
def test_stream_without_a_range(digest: Digest, client: Client) -> None:
    url = client.open()
    assert client.patch(url, content=iter([BLOB[:77], BLOB[77:]])).status_code == 202
    assert client.put(f"{url}?digest={digest}").status_code == 201
    assert blob(client, digest) == BLOB


@pytest.mark.parametrize(
    ("said", "length"),
    [("5-9", 5), ("11-15", 5), ("0-9", 10), ("10-14", 6), ("14-10", 5), ("10-", 5), ("bytes 10-14/15", 5), ("x", 5)],
)
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_chunk_out_of_order_must_be_416(method: str, said: str, length: int, client: Client) -> None:
    url = client.open()
    client.patch(url, content=BLOB[:10])
    query = f"?digest={DIGEST}" if method == "PUT" else ""
    answer = client.request(method, url + query, content=bytes(length), headers={"Content-Range": said})
    assert (answer.status_code, codes(answer)) == (416, ["BLOB_UPLOAD_INVALID"])
    assert client.get(url).headers["Range"] == "0-9"
    assert client.put(f"{url}?digest={DIGEST}", content=BLOB[10:]).status_code == 201


def test_416_says_where_to_go_on(client: Client) -> None:
    url = client.open()
    client.patch(url, content=BLOB[:10])
    answer = client.patch(url, content=b"x", headers={"Content-Range": "5-5"})
    assert (answer.headers["Location"], answer.headers["Range"]) == (url, "0-9")


def test_status_must_be_204_with_location_and_range(client: Client) -> None:
    url = client.open()
    for sent, expected in ((b"", "0-0"), (BLOB[:100], "0-99"), (BLOB[100:], f"0-{len(BLOB) - 1}")):
        client.patch(url, content=sent)
        answer = client.get(url)
        assert (answer.status_code, answer.headers["Location"], answer.headers["Range"]) == (204, url, expected)


def test_cancelled_upload_is_gone(client: Client) -> None:
    url = client.open()
    client.patch(url, content=BLOB)
    assert staged(client.store) != []
    assert client.delete(url).status_code == 204
    assert staged(client.store) == []
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        answer = client.request(method, f"{url}?digest={DIGEST}")
        assert (answer.status_code, codes(answer)) == (404, ["BLOB_UPLOAD_UNKNOWN"])


def test_upload_of_another_repository_is_unknown(client: Client) -> None:
    url = client.open()
    assert client.get(url.replace("/app/", "/other/")).status_code == 404


def test_finished_upload_is_unknown(client: Client) -> None:
    url = client.open()
    client.put(f"{url}?digest={DIGEST}", content=BLOB)
    assert client.get(url).status_code == 404


def cut_off(client: Client, url: str, data: bytes, length: int) -> None:
    """Send the start of a body and go."""
    head = f"PATCH {url} HTTP/1.1\r\nHost: {client.base_url.netloc.decode()}\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as connection:
        connection.sendall(head.encode() + data)


def arrived(client: Client, url: str, size: int) -> None:
    deadline = time.monotonic() + 5
    while client.get(url).headers["Range"] != f"0-{size - 1}":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_broken_upload_goes_on_where_it_stopped(client: Client) -> None:
    url = client.open()
    cut_off(client, url, BLOB[:5000], len(BLOB))
    arrived(client, url, 5000)
    rest = {"Content-Range": f"5000-{len(BLOB) - 1}"}
    assert client.patch(url, content=BLOB[5000:], headers=rest).status_code == 202
    assert client.put(f"{url}?digest={DIGEST}").status_code == 201


def test_upload_can_be_cancelled_while_it_is_written_to(client: Client) -> None:
    url = client.open()
    head = f"PATCH {url} HTTP/1.1\r\nHost: {client.base_url.netloc.decode()}\r\nContent-Length: 9000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as connection:
        connection.sendall(head.encode() + bytes(3_000_000))
        assert client.delete(url).status_code == 204
        connection.sendall(bytes(6_000_000))
        assert b" 404 " in connection.recv(100)
    assert staged(client.store) == []


def test_abandoned_upload_is_given_up(served: Registry, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    url = client.open()
    client.patch(url, content=BLOB)
    monkeypatch.setattr(sessions, "IDLE", -1)
    fresh = client.open()
    assert [client.get(url).status_code, client.get(fresh).status_code] == [404, 204]
    assert len(staged(client.store)) == 1


def test_an_upload_is_given_up_before_gc_takes_its_file() -> None:
    assert sessions.IDLE < GRACE


# mounts


def test_mount_must_answer_201_with_a_location_that_can_be_pulled(client: Client) -> None:
    client.push_blob(name="other")
    for query in (f"?mount={DIGEST}&from=other", f"?mount={DIGEST}"):
        answer = client.begin(query)
        assert answer.status_code == 201
        assert client.get(answer.headers["Location"]).content == BLOB


def test_mount_of_what_is_not_there_should_be_202(client: Client) -> None:
    answer = client.begin(f"?mount={ABSENT}&from=other")
    assert answer.status_code == 202
    assert client.put(f"{answer.headers['Location']}?digest={DIGEST}", content=BLOB).status_code == 201


def test_mount_of_a_malformed_digest_is_refused(client: Client) -> None:
    assert codes(client.begin("?mount=x&from=other")) == ["DIGEST_INVALID"]


# manifests


def test_manifest_must_be_stored_byte_for_byte(client: Client) -> None:
    raw = b" \n" + client.image().replace(b",", b" ,\t") + b"\n\n"
    answer = client.push("v1", raw)
    assert (answer.status_code, answer.headers["Docker-Content-Digest"]) == (201, str(Digest.of(raw)))
    assert client.get(answer.headers["Location"]).content == raw


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_manifest_by_digest(algorithm: str, client: Client) -> None:
    raw = client.image()
    digest = Digest(algorithm, hashlib.new(algorithm, raw).hexdigest())
    answer = client.push(digest, raw)
    assert (answer.status_code, answer.headers["Docker-Content-Digest"]) == (201, str(digest))
    assert client.get(answer.headers["Location"]).content == raw


def test_digest_of_a_manifest_must_match(client: Client) -> None:
    answer = client.push(ABSENT, client.image())
    assert (answer.status_code, codes(answer)) == (400, ["DIGEST_INVALID"])


def test_parameters_of_the_content_type_should_be_ignored(client: Client) -> None:
    assert client.push("v1", client.image(), f"{mediatype.MANIFEST}; charset=utf-8").status_code == 201
    assert client.get("/v2/app/manifests/v1").headers["Content-Type"] == mediatype.MANIFEST


def test_content_type_may_be_left_out(client: Client) -> None:
    assert client.push("v1", client.image(), "").status_code == 201


def test_manifest_whose_blobs_are_missing_must_be_manifest_blob_unknown(client: Client) -> None:
    layer = {"mediaType": mediatype.LAYER, "digest": str(ABSENT), "size": 3}
    for raw in (client.image(layers=[layer]), client.index(client.image(annotations={"not": "there"}))):
        answer = client.push("v1", raw, document.load(raw, "manifest")["mediaType"])
        assert (answer.status_code, codes(answer)) == (404, ["MANIFEST_BLOB_UNKNOWN"])
        for reference in ("v1", Digest.of(raw)):
            assert client.get(f"/v2/app/manifests/{reference}").status_code == 404


def test_manifest_with_a_missing_subject_must_be_accepted(client: Client) -> None:
    subject = {"mediaType": mediatype.MANIFEST, "digest": str(ABSENT), "size": 3}
    answer = client.push("v1", client.image(subject=subject))
    assert answer.status_code == 201
    assert answer.headers["OCI-Subject"] == str(ABSENT)


def test_index_with_a_subject_must_be_answered_with_it(client: Client) -> None:
    client.push("v1", client.image())
    subject = {"mediaType": mediatype.MANIFEST, "digest": str(ABSENT), "size": 3}
    raw = client.index(client.image(), subject=subject)
    assert client.push("v2", raw, mediatype.INDEX).headers["OCI-Subject"] == str(ABSENT)


def test_list_of_blobs_may_be_empty(client: Client) -> None:
    assert client.push("v1", client.image(layers=[])).status_code == 201
    assert client.push("v2", client.index(), mediatype.INDEX).status_code == 201


@pytest.mark.parametrize(
    ("raw", "media_type"),
    [
        (b"", mediatype.MANIFEST),
        (b"{", mediatype.MANIFEST),
        (b"[]", mediatype.MANIFEST),
        (b"{}", mediatype.MANIFEST),
        (b'{"schemaVersion":1}', mediatype.MANIFEST),
        (b'{"schemaVersion":2,"manifests":[]}', mediatype.MANIFEST),
        (b'{"schemaVersion":2,"manifests":[]}', "text/plain"),
        (b'{"schemaVersion":2,"manifests":[],"mediaType":"x/y"}', mediatype.INDEX),
        (b'{"schemaVersion":2,"manifests":[],"manifests":[]}', mediatype.INDEX),
    ],
)
def test_what_is_no_manifest_is_refused(raw: bytes, media_type: str, client: Client) -> None:
    answer = client.push("v1", raw, media_type)
    assert (answer.status_code, codes(answer)) == (400, ["MANIFEST_INVALID"])


def test_manifest_of_4_mib_should_be_taken_and_a_bigger_one_should_be_413(client: Client) -> None:
    raw = client.image()
    raw += b" " * (document.LIMIT - len(raw))
    assert client.push("v1", raw).status_code == 201
    assert client.get("/v2/app/manifests/v1").content == raw
    assert client.push("v1", raw + b" ").status_code == 413


def test_nonexistent_repository_must_be_404(client: Client) -> None:
    answer = client.get("/v2/nothing/here/manifests/latest")
    assert answer.status_code == 404


def test_tag_moves(client: Client) -> None:
    old, new = client.image(), client.image(annotations={"a": "b"})
    assert [client.push("v1", raw).status_code for raw in (old, new, new)] == [201, 201, 201]
    assert client.get("/v2/app/manifests/v1").content == new


def test_conditions_keep_a_tag_from_being_lost(client: Client) -> None:
    """ "Unavailable Referrers API": clients may use conditional requests."""
    raw, new = client.image(), client.image(annotations={"a": "b"})
    assert client.push("v1", raw, **{"If-None-Match": "*"}).status_code == 201
    assert client.push("v1", raw, **{"If-None-Match": "*"}).status_code == 412
    etag = client.get("/v2/app/manifests/v1").headers["ETag"]
    assert client.push("v1", new, **{"If-Match": etag}).status_code == 201
    assert client.push("v1", raw, **{"If-Match": etag}).status_code == 412
    assert client.get("/v2/app/manifests/v1").content == new


# the store


def test_push_to_a_name_is_a_ref_of_the_store(client: Client) -> None:
    raw = client.image()
    client.push("v1", raw, name="team/app")
    client.push(Digest.of(raw), raw, name="team/app")
    assert {ref.name for ref in client.store.refs} == {"team/app:v1", f"team/app@{Digest.of(raw)}"}


def test_what_was_pushed_by_digest_alone_survives_gc(client: Client) -> None:
    raw = client.image()
    client.push(Digest.of(raw), raw)
    assert gc(client.store, now=time.time() + 10**6) == []
    assert client.get(f"/v2/app/manifests/{Digest.of(raw)}").content == raw


def test_gc_between_blob_and_manifest_leaves_what_was_asked_for(client: Client) -> None:
    """A client that was told by HEAD that a blob is there does not push it: it must be young for gc from then on."""
    client.push_blob()
    os.utime(client.store.blobs.path(DIGEST))
    before = client.store.blobs.path(DIGEST).stat().st_ctime
    time.sleep(0.02)
    client.head(f"/v2/app/blobs/{DIGEST}")
    assert client.store.blobs.path(DIGEST).stat().st_ctime > before


def test_full_disk_is_500_with_the_reason(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", full)
    answer = client.put(f"{client.open()}?digest={DIGEST}", content=BLOB)
    assert answer.status_code == 500
    assert "no space left on device" in answer.json()["errors"][0]["message"]
    assert staged(client.store) == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["blobs/uploads/", "blobs/uploads/x", "manifests/v1", f"blobs/{DIGEST}"])
def test_read_only_refuses_all_writes(method: str, path: str) -> None:
    with registry(read_only=True) as r, Client(r.host, r.store) as client:
        answer = client.request(method, f"/v2/app/{path}", content=b"x")
        assert (answer.status_code, codes(answer)) == (405, ["UNSUPPORTED"])
        assert answer.headers["Allow"] == "GET, HEAD"


def test_read_only_reads() -> None:
    with registry(read_only=True) as r, httpx.Client(base_url=f"http://{r.host}", verify=False) as client:
        descriptor = r.store.put(b"{}", mediatype.EMPTY)
        before = r.store.blobs.path(descriptor.digest).stat()
        assert client.get(f"/v2/app/blobs/{descriptor.digest}").content == b"{}"
        assert r.store.blobs.path(descriptor.digest).stat().st_ctime == before.st_ctime
