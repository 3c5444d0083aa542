"""Each fault of where an upload is, is shown to plain httpx."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from plumbing.oci.digest import Digest
from tests.registry.faults.talk import BLOB, LAYER, talk


def test_relative_location() -> None:
    with talk(relative_location=True) as (_, c):
        location = c.begin().headers["Location"]
        assert location.startswith("/artifacts-uploads/")
        assert len(location) > 2048
        c.push()
        assert c.head(BLOB).status_code == 200


def test_wrong_path_301() -> None:
    with talk(wrong_path_301=True, relative_location=True) as (_, c):
        handed_out = c.begin().headers["Location"]
        made_up = f"/v2/app/blobs/uploads/{handed_out.rpartition('/')[2]}"
        assert c.patch(made_up, content=b"x").status_code == 301
        assert c.patch(handed_out, content=b"x").status_code == 202


def test_location_state() -> None:
    with talk(location_state=True) as (_, c):
        url = c.open()
        assert c.patch(url.replace("%2b", "%2B"), content=LAYER).status_code == 400
        patched = c.patch(url, content=LAYER)
        assert patched.status_code == 202
        assert c.finish(patched.headers["Location"], LAYER).status_code == 201


def test_location_changes() -> None:
    with talk(location_changes=True) as (_, c):
        old = c.open()
        patched = c.patch(old, content=LAYER)
        assert c.finish(old, LAYER).status_code == 404
        assert c.finish(patched.headers["Location"], LAYER).status_code == 201


def test_location_changes_to_none() -> None:
    with talk(location_changes="none") as (_, c):
        url = c.open()
        assert "Location" not in c.patch(url, content=LAYER).headers
        assert c.finish(url, LAYER).status_code == 201


def test_location_cross_host() -> None:
    with talk(location_cross_host=True) as (r, c):
        url = c.open()
        assert url.startswith(f"http://{r.other}/")
        assert c.patch(url, content=LAYER, headers={"Authorization": "Basic eA=="}).status_code == 400
        assert c.finish(url, LAYER, LAYER).status_code == 201
    with talk(location_cross_host=True, bearer=True) as (r, c):
        c.use(c.log_in(r))
        url = c.open()
        del c.headers["Authorization"]
        assert c.finish(url, LAYER, LAYER).status_code == 201


def test_location_cross_host_by_made_up_name() -> None:
    with talk(location_cross_host=True, name=True) as (r, c):
        assert c.open().startswith(f"http://{r.other_name}/")
        assert r.resolve[r.other_name] == r.other


@pytest.mark.parametrize("value", [True, "169.254.169.254"])
def test_location_private_ip(value: Any) -> None:
    with talk(location_private_ip=value, name=True) as (r, c):
        assert c.open().startswith(f"http://{r.other if value is True else value}/")


def test_location_http() -> None:
    with talk(tls=True, location_http=True) as (r, c):
        assert c.open().startswith(f"http://{r.host}/")
    with talk(tls=True, location_http="other") as (r, c):
        url = c.open()
        assert url.startswith(f"http://{r.plain}/")
        c.patch(url, content=b"x")
        assert r.requests[-1].origin == "plain"


@pytest.mark.parametrize("where", [(), ("other",)])
@pytest.mark.parametrize(
    ("method", "status"), [("POST", 307), ("POST", 308), ("PATCH", 307), ("PATCH", 301), ("PUT", 302)]
)
def test_upload_redirect(method: str, status: int, where: tuple[str, ...]) -> None:
    with talk(upload_redirect=(method, status, *where)) as (r, c):

        def step(method: str, url: str, content: bytes = b"") -> httpx.Response:
            response = c.request(method, url, content=content)
            if response.status_code == status:
                target = response.url.join(response.headers["Location"])
                assert target.netloc.decode() == (r.other if where else r.host)
                response = c.request(method, target, content=content)
            return response

        begun = step("POST", "/v2/app/blobs/uploads/")
        patched = step("PATCH", str(begun.url.join(begun.headers["Location"])), LAYER)
        last = patched.url.join(patched.headers["Location"])
        assert step("PUT", f"{last}?digest={Digest.of(LAYER)}").status_code == 201
        assert len([q for q in r.requests if q.status == status]) == 1


def test_upload_redirect_moves_the_upload() -> None:
    with talk(upload_redirect=("POST", 307)) as (_, c):
        moved = c.begin().headers["Location"]
        name = c.post(moved).headers["Location"]
        assert "/" not in name
        assert c.patch(f"/v2/app/blobs/uploads/{name}", content=b"x").status_code == 404
