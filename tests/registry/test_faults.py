"""Each switch of the test registry does what it says: asked with plain httpx, so that a switch that does nothing shows.

Named after the switch, and after what of it is tested where that takes more than one.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from plumbing.oci import document, mediatype
from plumbing.oci.digest import Digest
from tests.registry.faults import SWITCHES, Registry, registry, trusting

LAYER = b"a layer of 5000 digits: ".ljust(5000, b"7")
MODERN = {
    "Accept": f"{mediatype.INDEX}, {mediatype.MANIFEST}, {mediatype.DOCKER_INDEX}, {mediatype.DOCKER_MANIFEST}",
}


class Client(httpx.Client):
    """httpx, with the steps of a push. Nothing is followed, nothing is repeated."""

    def begin(self, query: str = "") -> httpx.Response:
        return self.post(f"/v2/app/blobs/uploads/{query}")

    def open(self) -> str:
        """A new upload's URL, resolved."""
        response = self.begin()
        assert response.status_code == 202, response.text
        return str(response.url.join(response.headers["Location"]))

    def finish(self, url: str, data: bytes, content: bytes = b"") -> httpx.Response:
        return self.put(f"{url}{'&' if '?' in url else '?'}digest={Digest.of(data)}", content=content)

    def push(self, data: bytes = LAYER) -> Digest:
        assert self.finish(self.open(), data, data).status_code == 201
        return Digest.of(data)

    def manifest(self, tag: str, document: dict[str, Any], **headers: str) -> httpx.Response:
        kind = {"Content-Type": document["mediaType"]} if "mediaType" in document else {}
        return self.put(f"/v2/app/manifests/{tag}", json=document, headers={**kind, **headers})

    def log_in(self, r: Registry, *scopes: str, **more: Any) -> httpx.Response:
        params = {"scope": scopes or ("repository:app:pull,push",)}
        return self.get(f"{r.url}/token", params=params, **({"auth": (r.user, r.password)} | more))

    def use(self, answer: httpx.Response) -> None:
        value = answer.json()
        self.headers["Authorization"] = f"Bearer {value.get('token') or value['access_token']}"


@contextmanager
def talk(*, name: bool = False, **switches: Any) -> Iterator[tuple[Registry, Client]]:
    with registry(**switches) as r:
        headers = {"Host": r.name} if name else {}
        with Client(base_url=r.url, verify=trusting(r.ca) if r.ca else False, headers=headers, timeout=5) as client:
            yield r, client


def image(r: Registry, **more: Any) -> dict[str, Any]:
    """A manifest whose blobs the registry has."""
    config = r.store.put(b"{}", mediatype.EMPTY)
    layer = r.store.put(LAYER, mediatype.LAYER)
    blobs = {"config": config.to_json(), "layers": [layer.to_json()]}
    return {"schemaVersion": 2, "mediaType": mediatype.MANIFEST, **blobs, **more}


def digest_of(value: dict[str, Any]) -> Digest:
    return Digest.of(httpx.Request("PUT", "http://x", json=value).content)


def code(response: httpx.Response) -> str:
    return str(response.json()["errors"][0]["code"])


BLOB = f"/v2/app/blobs/{Digest.of(LAYER)}"


def test_every_switch_has_a_test() -> None:
    tested = "\n".join(name for name in globals() if name.startswith("test_"))
    assert [name for name in SWITCHES if not re.search(rf"^test_{name}", tested, re.MULTILINE)] == []


@pytest.mark.parametrize("tls", [False, True])
def test_all_off_is_an_open_registry(tls: bool) -> None:
    with talk(tls=tls) as (r, c):
        assert c.get("/v2/").status_code == 200
        c.push()
        assert c.manifest("v1", image(r)).status_code == 201
        assert c.get("/v2/app/manifests/v1").status_code == 200
        assert r.store.refs.get("app:v1") is not None
        assert [(q.method, q.status, q.origin) for q in r.requests[:2]] == [("GET", 200, "main"), ("POST", 202, "main")]
        assert r.seen("PUT", "uploads")[0].length == len(LAYER)


def test_unknown_switch_is_an_error() -> None:
    with pytest.raises(TypeError, match="no_such"), registry(no_such=True):
        pass


# answers


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


# where uploads are


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


# what uploads take


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


# how uploads break


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


# blobs


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


# manifests, tags, referrers


def test_immutable_tags() -> None:
    with talk(immutable_tags=True) as (r, c):
        assert c.manifest("v1", image(r)).status_code == 201
        answer = c.manifest("v1", image(r))
        assert (answer.status_code, code(answer)) == (400, "TAG_ALREADY_EXISTS")
        assert c.manifest(str(digest_of(image(r))), image(r)).status_code == 201


def test_kind_change_400() -> None:
    with talk(kind_change_400=True) as (r, c):
        index = {"schemaVersion": 2, "mediaType": mediatype.INDEX, "manifests": []}
        assert [c.manifest("v1", value).status_code for value in (image(r), index, image(r))] == [201, 201, 400]


def test_oci_types_only() -> None:
    with talk(oci_types_only=True) as (r, c):
        assert c.manifest("v1", image(r, mediaType=mediatype.DOCKER_MANIFEST)).status_code == 400
        inside = image(r)
        inside["config"]["mediaType"] = mediatype.DOCKER_CONFIG
        assert c.manifest("v1", inside).status_code == 400
        assert c.manifest("v1", image(r)).status_code == 201


@pytest.mark.parametrize("value", ["ambiguous", "deep", "wide", "platform", "urls"])
def test_hostile_manifest(value: str) -> None:
    with talk(hostile_manifest=value) as (r, c):
        answer = c.get("/v2/app/manifests/any")
        digest = answer.headers["Docker-Content-Digest"]
        assert (
            digest == str(Digest.of(answer.content)) == c.head("/v2/app/manifests/any").headers["Docker-Content-Digest"]
        )
        got = answer.json()
        if value == "ambiguous":
            assert {"manifests", "layers", "config"} <= got.keys()
        elif value == "deep":
            for _ in range(20):
                got = c.get(f"/v2/app/manifests/{got['manifests'][0]['digest']}").json()
            assert "manifests" in got
        elif value == "wide":
            assert len(got["manifests"]) > 20_000
            assert len(answer.content) <= document.LIMIT
        elif value == "platform":
            assert got["manifests"][0]["platform"]["os"] == "linux"
            child = c.get(f"/v2/app/manifests/{got['manifests'][0]['digest']}").json()
            assert c.get(f"/v2/app/blobs/{child['config']['digest']}").json()["os"] == "windows"
        else:
            assert got["layers"][0]["urls"] == [f"http://{r.other}/layer"]


def test_list_max() -> None:
    with talk(list_max=5) as (r, c):
        c.manifest("v1", image(r))
        assert c.get("/v2/app/tags/list?n=6").status_code == 400
        assert c.get("/v2/app/tags/list?n=5").status_code == 200


def test_link_bad() -> None:
    with talk(link_bad="origin") as (r, c):
        c.manifest("v1", image(r))
        assert c.get("/v2/app/tags/list").links["next"]["url"].startswith(f"http://{r.other}/")
    with talk(link_bad="endless") as (_, c):
        url = "/v2/app/tags/list"
        for _ in range(20):
            url = c.get(url).links["next"]["url"]


def with_subject(r: Registry) -> dict[str, Any]:
    subject = {"mediaType": mediatype.MANIFEST, "digest": str(digest_of(image(r))), "size": 1}
    return image(r, subject=subject, artifactType="application/vnd.test")


def fallback_of(r: Registry) -> str:
    return f"/v2/app/manifests/sha256-{digest_of(image(r)).hex}"


@pytest.mark.parametrize("status", [404, 400, 401])
def test_referrers_unsupported(status: int) -> None:
    with talk(referrers_unsupported=status) as (r, c):
        assert "OCI-Subject" not in c.manifest("sig", with_subject(r)).headers
        answer = c.get(f"/v2/app/referrers/{digest_of(image(r))}")
        assert answer.status_code == status
        assert "WWW-Authenticate" not in answer.headers


def test_referrers_no_filter() -> None:
    with talk(referrers_no_filter=True) as (r, c):
        c.manifest("sig", with_subject(r))
        answer = c.get(f"/v2/app/referrers/{digest_of(image(r))}?artifactType=application/vnd.none")
        assert len(answer.json()["manifests"]) == 1
        assert "OCI-Filters-Applied" not in answer.headers


def test_subject_header_lie() -> None:
    with talk(subject_header_lie=True) as (r, c):
        assert c.manifest("sig", with_subject(r)).headers["OCI-Subject"] == str(digest_of(image(r)))
        assert c.get(f"/v2/app/referrers/{digest_of(image(r))}").status_code == 404


def test_fallback_tag_is_subject() -> None:
    with talk(fallback_tag_is_subject=True) as (r, c):
        c.manifest("v1", image(r))
        assert Digest.of(c.get(fallback_of(r)).content) == digest_of(image(r))
        assert c.get(f"/v2/app/referrers/{digest_of(image(r))}").status_code == 404


def test_fallback_race() -> None:
    with talk(fallback_race=True) as (r, c):
        name = fallback_of(r).rpartition("/")[2]
        mine = {"schemaVersion": 2, "mediaType": mediatype.INDEX, "manifests": []}
        assert c.get(fallback_of(r)).status_code == 404
        assert c.manifest(name, mine).status_code == 201
        assert c.get(fallback_of(r)).json() != mine
        assert c.manifest(name, mine).status_code == 201
        assert c.get(fallback_of(r)).json() == mine


def test_fallback_race_before_the_put() -> None:
    with talk(fallback_race="before") as (r, c):
        name = fallback_of(r).rpartition("/")[2]
        mine = {"schemaVersion": 2, "mediaType": mediatype.INDEX, "manifests": []}
        answer = c.manifest(name, mine, **{"If-None-Match": "*"})
        assert answer.status_code == 412
        assert len(c.get(fallback_of(r)).json()["manifests"]) == 1


# logins


def test_bearer() -> None:
    with talk(bearer=True) as (r, c):
        refused = c.get("/v2/")
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith(f'Bearer realm="{r.url}/token",service=')
        assert c.log_in(r, auth=("me", "wrong")).status_code == 401
        c.use(c.log_in(r, "repository:app:pull"))
        assert c.get("/v2/").status_code == 200
        assert 'scope="repository:app:pull,push"' in c.begin().headers["WWW-Authenticate"]
        c.use(c.log_in(r))
        c.push()


def test_bearer_takes_identity_tokens() -> None:
    with talk(bearer=True) as (r, c):
        form = {
            "grant_type": "refresh_token",
            "refresh_token": r.identity,
            "service": "x",
            "scope": "repository:app:pull",
        }
        c.use(c.post("/token", data=form))
        assert c.head(BLOB).status_code == 404


def test_many_challenges() -> None:
    with talk(many_challenges=True) as (_, c):
        lines = c.get("/v2/").headers.get_list("WWW-Authenticate")
        assert len(lines) == 2
        assert "Negotiate" in lines[0]
        assert lines[1].startswith("bEARer realm=")


def test_basic_only() -> None:
    with talk(basic_only=True) as (r, c):
        assert c.get("/v2/").headers["WWW-Authenticate"].startswith("Basic ")
        assert c.get("/v2/", auth=(r.user, r.password)).status_code == 200


def test_anonymous_token() -> None:
    with talk(anonymous_token=True) as (r, c):
        assert c.begin().status_code == 401
        c.use(c.log_in(r, auth=None))
        c.push()


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_token_expires_mid_upload(method: str) -> None:
    with talk(token_expires_mid_upload=method) as (r, c):
        c.use(c.log_in(r))
        url = c.open()
        patched = c.patch(url, content=LAYER)
        if method == "PATCH":
            assert patched.status_code == 401
            c.use(c.log_in(r))
            assert c.get(url).headers["Range"] == "0-4999"
        else:
            assert c.finish(url, LAYER).status_code == 401
            c.use(c.log_in(r))
        assert c.finish(url, LAYER).status_code == 201


@pytest.mark.parametrize(("value", "wait"), [(("requests", 2), 0.0), (("seconds", 0.2), 0.3)])
def test_token_expires_mid_upload_by(value: Any, wait: float) -> None:
    with talk(token_expires_mid_upload=value) as (r, c):
        c.use(c.log_in(r))
        url = c.open()
        assert c.patch(url, content=b"x").status_code == 202
        time.sleep(wait)
        assert c.patch(url, content=b"x").status_code == 401


def test_access_token_only() -> None:
    with talk(access_token_only=True) as (r, c):
        assert c.log_in(r).json().keys() == {"access_token"}


@pytest.mark.parametrize("status", [400, 401, 404, 405])
def test_oauth_post_refused(status: int) -> None:
    with talk(oauth_post_refused=status) as (r, c):
        assert c.post("/token", data={"grant_type": "refresh_token"}).status_code == status
        assert c.log_in(r, auth=("<token>", r.identity)).status_code == 200


def test_first_scope_only() -> None:
    with talk(first_scope_only=True) as (r, c):
        c.use(c.log_in(r, "repository:base:pull", "repository:app:pull,push"))
        assert c.begin().status_code == 401
        c.use(c.log_in(r, "repository:app:pull,push", "repository:base:pull"))
        assert c.begin().status_code == 202
        c.push()
        assert c.begin(f"?mount={Digest.of(LAYER)}&from=base").status_code == 202


def test_insufficient_scope() -> None:
    with talk(insufficient_scope=True) as (r, c):
        c.use(c.log_in(r))
        challenge = c.begin().headers["WWW-Authenticate"]
        assert 'scope="repository:app:pull,push,delete",error="insufficient_scope"' in challenge
        c.use(c.log_in(r, "repository:app:pull,push,delete"))
        c.push()


def test_scope_aws() -> None:
    with talk(scope_aws=True) as (r, c):
        c.use(c.log_in(r))
        assert 'scope="aws"' in c.begin().headers["WWW-Authenticate"]
        c.use(c.log_in(r, "aws"))
        c.push()


def test_pull_only_token() -> None:
    with talk(pull_only_token=True) as (r, c):
        assert 'scope="repository:app:pull"' in c.begin().headers["WWW-Authenticate"]
        c.use(c.log_in(r, "repository:app:pull", auth=None))
        refused = c.begin()
        assert (refused.status_code, "WWW-Authenticate" in refused.headers) == (401, False)
        c.use(c.log_in(r))
        c.push()


def test_always_401() -> None:
    with talk(always_401=True) as (r, c):
        c.use(c.log_in(r))
        assert c.get("/v2/").status_code == 401


def test_realm_foreign() -> None:
    with talk(realm_foreign=True, tls=True, name=True) as (r, c):
        assert f'realm="https://{r.other_name}/token"' in c.get("/v2/").headers["WWW-Authenticate"]
        answer = c.get(f"https://{r.other}/token", auth=(r.user, r.password))
        assert answer.json()["token"]
    with talk(realm_foreign="relative") as (_, c):
        assert 'realm="/token"' in c.get("/v2/").headers["WWW-Authenticate"]


@pytest.mark.parametrize("value", ["null", "http", "local", "redirect", "https://10.0.0.1/token"])
def test_realm_bad(value: str) -> None:
    with talk(realm_bad=value, tls=True, name=True) as (r, c):
        expected = {
            "null": "null://null",
            "http": f"http://plain.test:{r.ports['plain']}/token",
            "local": f"https://{r.other}/token",
            "redirect": f"https://{r.name}/token/moved",
        }
        assert f'realm="{expected.get(value, value)}"' in c.get("/v2/").headers["WWW-Authenticate"]
        assert c.get("/token/moved").headers["Location"] == f"https://{r.other}/token"


def test_token_oversize() -> None:
    with talk(token_oversize=True) as (_, c):
        size = 0
        with c.stream("GET", "/token") as response:
            for piece in response.iter_raw():
                size += len(piece)
                if size > 1 << 20:
                    break
        assert size > 1 << 20


# together


def test_switches_combine() -> None:
    on = {"relative_location": True, "location_state": True, "location_changes": True, "location_cross_host": True}
    with talk(**on, wrong_path_301=True, bearer=True, reset_mid_patch=1000, odd_success=True, tls=True) as (r, c):
        c.use(c.log_in(r))
        url = c.open()
        del c.headers["Authorization"]
        assert url.startswith(f"https://{r.other}/artifacts-uploads/")
        with pytest.raises(httpx.TransportError):
            c.patch(url, content=LAYER)


def test_basic_credentials_hold_what_parsers_trip_over() -> None:
    with registry() as r:
        assert ":" in r.password
        assert '"' in r.password
        assert base64.b64encode(f"{r.user}:{r.password}".encode())
