"""Each fault of any answer is shown to plain httpx."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from plumbing.oci import mediatype
from tests.registry.faults.talk import BLOB, LAYER, code, image, talk

MODERN = {
    "Accept": f"{mediatype.INDEX}, {mediatype.MANIFEST}, {mediatype.DOCKER_INDEX}, {mediatype.DOCKER_MANIFEST}",
}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (("POST", "/v2/app/blobs/uploads/?mount=x"), 400),
        (("POST", "/v2/app/blobs/uploads/?from=x"), 400),
        (
            (
                "PUT",
                "/v2/app/blobs/uploads/1?digest=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            500,
        ),
        (("HEAD", "/v2/app/manifests/-bad"), 400),
        (("GET", "/v2/app/manifests/v1"), 400),
    ],
)
def test_strict(request_: tuple[str, str], status: int) -> None:
    with talk(strict=True) as (_, c):
        assert c.request(*request_).status_code == status


def test_strict_wants_a_length_and_a_media_type() -> None:
    with talk(strict=True) as (r, c):
        assert c.patch(c.open(), content=iter([b"no length"])).status_code == 411
        without = image(r)
        del without["mediaType"]
        assert c.manifest("v1", without, **{"Content-Type": mediatype.MANIFEST}).status_code == 400
        assert c.manifest("v1", image(r)).status_code == 201
        assert c.get("/v2/app/manifests/v1", headers=MODERN).status_code == 200


@pytest.mark.parametrize("value", [1, "date", (1, 2)])
def test_retry_after_429(value: Any) -> None:
    with talk(retry_after_429=value) as (_, c):
        answer = c.head(BLOB)
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == "1" or "GMT" in answer.headers["Retry-After"]
        assert c.head(BLOB).status_code == (429 if value == (1, 2) else 404)
        assert c.head(BLOB).status_code == 404


def test_flaky() -> None:
    with talk(flaky=(503, 2)) as (_, c):
        assert [c.get("/v2/").status_code, *(c.get(BLOB).status_code for _ in range(3))] == [200, 503, 503, 404]


def test_flaky_resets() -> None:
    with talk(flaky=("reset", 1)) as (_, c):
        with pytest.raises(httpx.TransportError):
            c.get(BLOB)
        assert c.get(BLOB).status_code == 404


def test_empty_403_once() -> None:
    with talk(empty_403_once=True) as (_, c):
        answer = c.get(BLOB)
        assert (answer.status_code, answer.content) == (403, b"")
        assert c.get(BLOB).status_code == 404


def test_plain_text_error() -> None:
    with talk(plain_text_error=True) as (_, c):
        answer = c.get(BLOB)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "text/plain"
        assert b"\x1b[31m" in answer.content
        assert len(answer.content) > 4096


def test_warning_299() -> None:
    with talk(warning_299="soon") as (_, c):
        assert c.get("/v2/").headers["Warning"] == '299 - "soon"' == c.get(BLOB).headers["Warning"]


def test_body_limit_413() -> None:
    with talk(body_limit_413=1000) as (_, c):
        assert c.patch(c.open(), content=LAYER).status_code == 413
        assert c.patch(c.open(), content=LAYER[:1000]).status_code == 202


def test_unauthorized_400() -> None:
    with talk(unauthorized_400=True) as (_, c):
        answer = c.begin()
        assert (answer.status_code, code(answer)) == (400, "UNAUTHORIZED")
