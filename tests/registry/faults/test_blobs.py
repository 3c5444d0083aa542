"""Each fault of blobs is shown to plain httpx."""

from __future__ import annotations

import json

import httpx
import pytest

from plumbing.oci import document
from plumbing.oci.digest import Digest
from tests.registry.faults.talk import BLOB, LAYER, code, image, talk


def test_head_403() -> None:
    with talk(head_403=True) as (_, c):
        assert c.head(BLOB).status_code == 403
        assert c.get(BLOB).status_code == 404
        c.push()
        assert c.head(BLOB).status_code == 200


def test_head_405() -> None:
    with talk(head_405=True) as (r, c):
        c.push()
        c.manifest("v1", image(r))
        assert c.head(BLOB).status_code == c.head("/v2/app/manifests/v1").status_code == 405
        assert c.get(BLOB).status_code == 200


def test_head_wrong_size() -> None:
    with talk(head_wrong_size=True) as (_, c):
        assert c.head(BLOB).headers["Content-Length"] == "1"
        c.push()
        assert c.head(BLOB).headers["Content-Length"] == "5001"


def test_wrong_digest_header() -> None:
    with talk(wrong_digest_header=True) as (r, c):
        put = c.manifest("v1", image(r))
        get = c.get("/v2/app/manifests/v1")
        assert (
            put.headers["Docker-Content-Digest"] == get.headers["Docker-Content-Digest"] != str(Digest.of(get.content))
        )


def test_blob_lost_once() -> None:
    with talk(blob_lost_once=True) as (r, c):
        document = image(r)
        answer = c.manifest("v1", document)
        assert (answer.status_code, code(answer)) == (404, "MANIFEST_BLOB_UNKNOWN")
        assert c.head(BLOB).status_code == 404
        c.push()
        assert c.manifest("v1", document).status_code == 201


def test_redirect_blob_cross_host() -> None:
    with talk(redirect_blob_cross_host=True) as (r, c):
        c.push()
        assert c.head(BLOB).status_code == 200
        place = c.get(BLOB).headers["Location"]
        assert place.startswith(f"http://{r.other}/")
        assert c.get(place, headers={"Authorization": "Bearer x"}).status_code == 400
        assert c.get(place).content == LAYER


def test_redirect_blob_relative() -> None:
    with talk(redirect_blob_relative=True) as (_, c):
        c.push()
        answer = c.get(BLOB)
        assert (answer.status_code, answer.headers["Location"][:21]) == (307, "/artifacts-downloads/")
        assert c.get(answer.headers["Location"]).content == LAYER


def test_redirect_head() -> None:
    with talk(redirect_head=True) as (r, c):
        c.push()
        answer = c.head(BLOB)
        assert answer.status_code == 307
        assert c.head(answer.headers["Location"], headers={"Authorization": "Bearer x"}).status_code == 400
        assert c.head(answer.headers["Location"]).headers["Content-Length"] == "5000"
        assert r.requests[-1].origin == "other"


def test_redirect_bad() -> None:
    with talk(redirect_bad="forever") as (_, c), pytest.raises(httpx.TooManyRedirects):
        c.get(BLOB, follow_redirects=True)
    with talk(redirect_bad="http", tls=True) as (r, c):
        assert c.get(BLOB).headers["Location"] == f"http://{r.plain}{BLOB}"
    with talk(redirect_bad="local", name=True) as (r, c):
        assert c.get(BLOB).headers["Location"] == f"http://{r.other}{BLOB}"


@pytest.mark.parametrize("status", [206, 200])
def test_short_read(status: int) -> None:
    with talk(short_read=(1000, status)) as (_, c):
        c.push()
        got: list[bytes] = []
        with c.stream("GET", BLOB) as response, pytest.raises(httpx.RemoteProtocolError):
            got.extend(response.iter_raw(100))
        assert b"".join(got) == LAYER[:1000]
        again = c.get(BLOB, headers={"Range": "bytes=1000-"})
        assert (again.status_code, again.content) == (status, LAYER[1000:] if status == 206 else LAYER)


def test_wrong_body() -> None:
    with talk(wrong_body=True) as (r, c):
        c.push()
        c.manifest("v1", image(r))
        assert c.get(BLOB).content != LAYER
        assert len(c.get(BLOB).content) == len(LAYER)
        manifest = c.get("/v2/app/manifests/v1")
        assert manifest.headers["Docker-Content-Digest"] == str(Digest.of(manifest.content))
    with talk(wrong_body="manifest") as (r, c):
        c.manifest("v1", image(r))
        manifest = c.get("/v2/app/manifests/v1")
        assert manifest.headers["Docker-Content-Digest"] != str(Digest.of(manifest.content))
        json.loads(manifest.content)


def test_oversize_blob() -> None:
    with talk(oversize_blob=True) as (_, c):
        c.push()
        with c.stream("GET", BLOB) as response:
            assert "Content-Length" not in response.headers
            assert sum(len(piece) for _, piece in zip(range(3), response.iter_raw(65536), strict=False)) > len(LAYER)


def test_oversize_manifest() -> None:
    with talk(oversize_manifest=True) as (r, c):
        c.manifest("v1", image(r))
        size = 0
        with c.stream("GET", "/v2/app/manifests/v1") as response:
            for piece in response.iter_raw():
                size += len(piece)
                if size > 2 * document.LIMIT:
                    break
        assert size > 2 * document.LIMIT
