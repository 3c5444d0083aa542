"""Each fault of uploads is shown to plain httpx."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from plumbing.oci.digest import Digest
from tests.registry.faults.talk import BLOB, LAYER, code, image, talk

# what is taken


@pytest.mark.parametrize("status", [404, 405, 411, 416])
def test_patch_unsupported(status: int) -> None:
    with talk(patch_unsupported=status) as (_, c):
        url = c.open()
        assert c.patch(url, content=LAYER).status_code == status
        assert c.finish(url, LAYER, LAYER).status_code == 201


def test_monolithic_put_301() -> None:
    with talk(monolithic_put_301=True) as (_, c):
        answer = c.finish(c.open(), LAYER, LAYER)
        assert answer.status_code == 301
        assert c.put(answer.headers["Location"], content=LAYER).status_code == 201
        url = c.open()
        c.patch(url, content=LAYER)
        assert c.finish(url, LAYER).status_code == 201


@pytest.mark.parametrize(("value", "expected"), [(True, (201, 200, 200)), ((204, 204, 202), (204, 204, 202))])
def test_odd_success(value: Any, expected: tuple[int, int, int]) -> None:
    with talk(odd_success=value) as (r, c):
        url = c.open()
        answers = c.patch(url, content=LAYER), c.finish(url, LAYER), c.manifest("v1", image(r))
        assert tuple(answer.status_code for answer in answers) == expected
        assert c.head(BLOB).status_code == 200


@pytest.mark.parametrize("status", [400, 405])
def test_content_range_refused(status: int) -> None:
    with talk(content_range_refused=status) as (_, c):
        url = c.open()
        assert c.patch(url, content=b"abc", headers={"Content-Range": "0-2"}).status_code == status
        assert c.patch(url, content=b"abc").status_code == 202


def test_chunk_limits() -> None:
    with talk(chunk_limits=(10, 20)) as (_, c):
        begun = c.begin()
        assert begun.headers["OCI-Chunk-Min-Length"] == "10"
        url = begun.headers["Location"]
        assert c.patch(url, content=bytes(21), headers={"Content-Range": "0-20"}).status_code == 416
        assert c.patch(url, content=bytes(21)).status_code == 202


def test_keeps_last_chunk() -> None:
    with talk(keeps_last_chunk=True) as (_, c):
        url = c.open()
        c.patch(url, content=LAYER[:3000])
        c.patch(url, content=LAYER[3000:])
        assert c.finish(url, LAYER).status_code == 201
        assert c.head(BLOB).headers["Content-Length"] == "2000"
        c.push()
        assert c.head(BLOB).headers["Content-Length"] == "5000"


@pytest.mark.parametrize("value", [404, 405, "0-99999"])
def test_upload_status(value: Any) -> None:
    with talk(upload_status=value) as (_, c):
        answer = c.get(c.open())
        assert (answer.headers["Range"] if isinstance(value, str) else answer.status_code) == value


def test_repo_must_exist() -> None:
    with talk(repo_must_exist=True) as (_, c):
        answer = c.begin()
        assert (answer.status_code, code(answer)) == (404, "NAME_UNKNOWN")


def test_repo_must_exist_in_patch() -> None:
    with talk(repo_must_exist="PATCH") as (r, c):
        answer = c.patch(c.open(), content=bytes(20_000_000))
        assert (answer.status_code, code(answer)) == (404, "NAME_UNKNOWN")
        assert r.requests[-1].length < 20_000_000


@pytest.mark.parametrize("status", [202, 400, 401, 403, 404, 500])
def test_mount_refused(status: int) -> None:
    with talk(mount_refused=status) as (_, c):
        c.push()
        assert c.begin(f"?mount={Digest.of(LAYER)}&from=other").status_code == status
        assert c.begin().status_code == 202


# how it breaks


def test_reset_mid_patch() -> None:
    with talk(reset_mid_patch=1000) as (_, c):
        url = c.open()
        with pytest.raises(httpx.TransportError):
            c.patch(url, content=LAYER)
        status = c.get(url)
        assert (status.status_code, status.headers["Range"]) == (204, "0-999")
        assert c.patch(url, content=LAYER[1000:], headers={"Content-Range": "1000-4999"}).status_code == 202
        assert c.finish(url, LAYER).status_code == 201


def test_upload_lost_once() -> None:
    with talk(upload_lost_once=404) as (_, c):
        url = c.open()
        answer = c.finish(url, LAYER, LAYER)
        assert (answer.status_code, code(answer)) == (404, "BLOB_UPLOAD_UNKNOWN")
        assert c.get(url).status_code == 404
        c.push()


def test_upload_lost_once_where_two_overlap() -> None:
    with talk(upload_lost_once=400) as (_, c):
        c.push()
        url, _ = c.open(), c.open()
        answer = c.finish(url, LAYER, LAYER)
        assert (answer.status_code, code(answer)) == (400, "BLOB_UPLOAD_INVALID")


def test_commit_then_timeout() -> None:
    with talk(commit_then_timeout=True) as (_, c):
        with pytest.raises(httpx.ReadTimeout):
            c.put(f"{c.open()}?digest={Digest.of(LAYER)}", content=LAYER, timeout=0.3)
        assert c.head(BLOB).status_code == 200


def test_put_reset() -> None:
    with talk(put_reset=True) as (r, c):
        with pytest.raises(httpx.TransportError):
            c.finish(c.open(), LAYER, LAYER)
        assert c.head(BLOB).status_code == 404
        assert list((r.store.path / "tmp").iterdir()) == []
        c.push()
