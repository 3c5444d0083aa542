"""What krust shows a registry whose uploads are odd. registries.md 1.2, and 4.4 from `strict` to `head_wrong_size`."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from plumbing.errors import DigestMismatch, Missing, RegistryError, Unreachable
from plumbing.registry import Registry
from tests.registry.faults import SWITCHES, registry
from tests.registry.faults.exchange import Exchange, Go, Layer, once
from tests.registry.moves import APP, Image, holds, image, person, user

SIZE = 300_000


@pytest.fixture
def app(tmp_path: Path) -> Image:
    return image(tmp_path / "app", SIZE)


@pytest.fixture
def _reset_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first PATCH that is large enough is cut, and no other."""
    make = SWITCHES["reset_mid_patch"]

    def only_first(r: Any, value: Any) -> Layer:
        layer, first = make(r, value), once()

        async def cut(x: Exchange, go: Go) -> None:
            meant = x.kind == "upload" and x.method == "PATCH" and (x.length or 0) >= value
            await (layer(x, go) if meant and first() else go())

        return cut

    monkeypatch.setitem(SWITCHES, "reset_mid_patch", only_first)


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"tls": True},
        {"strict": True},
        {"relative_location": True},
        {"wrong_path_301": True},
        {"location_state": True},
        {"location_changes": True},
        {"location_changes": "none"},
        {"location_cross_host": True},
        {"location_cross_host": True, "bearer": True, "anonymous_token": True},
        {"upload_redirect": ("POST", 301)},
        {"upload_redirect": ("POST", 302)},
        {"upload_redirect": ("POST", 307)},
        {"upload_redirect": ("POST", 308, "other")},
        {"upload_redirect": ("PATCH", 301)},
        {"upload_redirect": ("PATCH", 302)},
        {"upload_redirect": ("PATCH", 307, "other")},
        {"upload_redirect": ("PATCH", 308)},
        {"upload_redirect": ("PUT", 301)},
        {"upload_redirect": ("PUT", 307)},
        {"upload_redirect": ("PUT", 308, "other")},
        {"monolithic_put_301": True},
        {"monolithic_put_301": True, "patch_unsupported": 405},
        {"odd_success": (201, 200, 200)},
        {"odd_success": (204, 204, 202)},
        {"content_range_refused": 400},
        {"content_range_refused": 405},
        {"chunk_limits": (1, 1000)},
        {"keeps_last_chunk": True},
        {"repo_must_exist": None},
        {"upload_lost_once": 404},
        {"upload_lost_once": 400},
        {"put_reset": True},
        {"head_403": True},
        {"head_405": True},
        {"head_wrong_size": True},
    ],
    ids=str,
)
def test_an_image_arrives_whole_whatever_the_registry_does(switches: dict[str, Any], app: Image) -> None:
    with registry(**switches) as r:
        person(r).push(r.host if "tls" in switches else r.name, app)
        assert holds(r, app)


def test_a_blob_is_one_post_one_patch_and_one_put_without_a_body(app: Image) -> None:
    with registry() as r:
        person(r).push(r.host, app, jobs=1)
        steps = [(q.method, q.length, "content-range" in q.headers) for q in r.seen(part="uploads/")]
    assert steps[:3] == [("POST", 0, False), ("PATCH", SIZE, False), ("PUT", 0, False)]
    assert len(steps) == 6, "the layer, then the config"


def test_every_request_with_a_body_has_its_length_and_no_tricks(app: Image) -> None:
    with registry(strict=True) as r:
        person(r).push(r.host, app)
        sent = [q for q in r.requests if q.method in ("POST", "PATCH", "PUT")]
    assert all(q.headers["content-length"] == str(q.length) for q in sent)
    assert not any({"transfer-encoding", "expect", "content-range", "cookie"} & q.headers.keys() for q in sent)
    assert {q.status for q in sent} == {201, 202}


def test_a_push_that_was_complete_asks_for_manifest_and_tag_and_nothing_else(app: Image) -> None:
    with registry() as r:
        person(r).push(r.host, app)
        r.requests.clear()
        person(r).push(r.host, app)
        assert [q.method for q in r.requests] == ["GET", "HEAD", "HEAD"]


def test_an_empty_blob_is_put_without_a_patch(tmp_path: Path) -> None:
    with registry() as r:
        empty = image(tmp_path / "empty", 0)
        person(r).push(r.host, empty)
        assert holds(r, empty)
        assert 0 not in [q.length for q in r.seen("PATCH")]


# where it goes


def test_the_query_of_a_location_is_kept_byte_for_byte(app: Image) -> None:
    with registry(location_state=True) as r:
        person(r).push(r.host, app)
        queries = [q.query for q in r.seen("PUT", "uploads/")]
    assert queries
    assert all("%2F%2b+~%3d==&b=2&a=%7E&&b=1&empty=&digest=sha256%3A" in query for query in queries)


@pytest.mark.parametrize(
    "switches", [{"location_cross_host": True}, {"upload_redirect": ("PATCH", 307, "other")}], ids=str
)
def test_credentials_stay_with_their_origin(switches: dict[str, Any], app: Image) -> None:
    with registry(bearer=True, anonymous_token=True, **switches) as r:
        person(r).push(r.name, app)
        assert r.seen("PATCH", origin="other")
        assert not any("authorization" in q.headers for q in r.seen(origin="other"))
        assert all("authorization" in q.headers for q in r.seen(origin="main", part="/manifests/"))


@pytest.mark.parametrize(
    "where", [True, "169.254.169.254", "10.0.0.1:5000", "[::1]:80", "127.1", "0.0.0.0", "localhost"]
)
def test_an_upload_on_a_local_address_is_refused_before_anything_is_sent(where: str | bool, app: Image) -> None:
    with registry(location_private_ip=where) as r:
        with pytest.raises(RegistryError, match=r"leads to '.*': an address of the local network") as caught:
            person(r).push(r.name, app)
        assert caught.value.host == r.name
        assert not r.seen(origin="other")
        assert not r.seen("PATCH")


def test_a_local_registry_may_send_to_a_local_address(app: Image) -> None:
    with registry(location_private_ip=True) as r:
        person(r).push(r.host, app)
        assert holds(r, app)
        assert r.seen("PATCH", origin="other")


def test_http_on_the_registrys_own_host_is_raised_to_https(app: Image) -> None:
    with registry(tls=True, location_http=True) as r:
        person(r).push(r.host, app)
        assert holds(r, app)
        assert not r.seen(origin="plain")


def test_http_on_another_host_than_the_registrys_is_refused(app: Image) -> None:
    with registry(tls=True, location_http="other") as r:
        with pytest.raises(
            RegistryError, match=r"leads to 'http://plain.test:.*': http, although the registry speaks https"
        ):
            person(r).push(r.name, app)
        assert not r.seen(origin="plain")


@pytest.mark.parametrize("switch", [("PATCH", 302, "other"), ("PUT", 301, "other")], ids=str)
def test_a_redirect_that_may_lose_a_body_is_not_followed_to_another_origin(switch: Any, app: Image) -> None:
    with registry(upload_redirect=switch) as r:
        with pytest.raises(RegistryError, match=rf"leads {switch[0]} to 'http://other.test:.*' by {switch[1]}"):
            person(r).push(r.name, app)
        assert not r.seen(origin="other")


# what is taken


@pytest.mark.parametrize("status", [404, 405, 411, 416])
def test_a_registry_without_patch_gets_one_put_and_is_remembered(status: int, tmp_path: Path) -> None:
    app = image(tmp_path / "app", 1000, 2000, 3000)
    with registry(patch_unsupported=status) as r:
        person(r).push(r.host, app, jobs=1)
        assert holds(r, app)
        assert len(r.seen("PATCH")) == 1
        assert sorted(q.length for q in r.seen("PUT", "uploads/")) == sorted(blob.size for blob in app.blobs)


def test_a_limit_of_the_body_is_an_error_that_says_whose_it_is(app: Image) -> None:
    with registry(body_limit_413=100_000) as r:
        with pytest.raises(
            RegistryError, match="413 Request Entity Too Large; that is the body limit of a proxy"
        ) as caught:
            person(r).push(r.host, app)
        assert caught.value.status == 413
        assert len([q for q in r.seen("PATCH") if q.length]) <= 2, "the layer once, the config"


def test_chunks_go_through_where_a_body_is_limited(tmp_path: Path) -> None:
    app = image(tmp_path / "app", 12 << 20)
    with registry(body_limit_413=6 << 20) as r:
        person(r, chunk=1).push(r.host, app)
        assert holds(r, app)
        ranges = [q.headers["content-range"] for q in r.seen("PATCH") if q.length > 1000]
    assert ranges == ["0-5242879", "5242880-10485759", "10485760-12582911"]


def test_chunks_are_as_long_as_the_registry_wants_them(tmp_path: Path) -> None:
    app = image(tmp_path / "app", 13 << 20)
    with registry(chunk_limits=(6 << 20, 7 << 20)) as r:
        person(r, chunk=1).push(r.host, app)
        assert holds(r, app)
        assert [q.length for q in r.seen("PATCH") if q.length > 1000] == [6 << 20, 6 << 20, 1 << 20]


@pytest.mark.parametrize("switches", [{"chunk_limits": (1, 1000)}, {"content_range_refused": 405}], ids=str)
def test_chunks_that_are_refused_become_one_body(switches: dict[str, Any], tmp_path: Path) -> None:
    app = image(tmp_path / "app", 6 << 20)
    with registry(**switches) as r:
        person(r, chunk=1).push(r.host, app)
        assert holds(r, app)
        assert [q.length for q in r.seen("PATCH") if "content-range" not in q.headers and q.length > 1000] == [6 << 20]


def test_a_registry_that_keeps_the_last_chunk_is_seen_through(tmp_path: Path) -> None:
    app = image(tmp_path / "app", 6 << 20)
    with registry(keeps_last_chunk=True) as r:
        person(r, chunk=1).push(r.host, app)
        assert holds(r, app)
        assert [q.length for q in r.seen("PATCH") if q.length > 1000] == [5 << 20, 1 << 20, 6 << 20]


@pytest.mark.parametrize("value", ["POST", "PATCH"])
def test_a_missing_repository_is_named_with_what_to_do(value: str, tmp_path: Path) -> None:
    app = image(tmp_path / "app", 20 << 20)
    with registry(repo_must_exist=value) as r:
        with pytest.raises(
            Missing, match=r"NAME_UNKNOWN: The repository .*; create the repository there first"
        ) as caught:
            person(r).push(r.host, app)
        assert caught.value.codes == ("NAME_UNKNOWN",)
        assert len(r.seen(value, "uploads/")) <= 2, "once for each of two blobs"


# how it breaks


def test_a_broken_upload_goes_on_where_it_stopped(app: Image) -> None:
    with registry(reset_mid_patch=100_000) as r:
        person(r).push(r.host, app)
        assert holds(r, app)
        patches = [q for q in r.seen("PATCH") if q.length > 1000]
        assert len(r.seen("GET", "uploads/")) == 1
    assert patches[1].headers["content-range"] == f"100000-{SIZE - 1}"
    assert patches[1].length == SIZE - 100_000


@pytest.mark.usefixtures("_reset_once")
@pytest.mark.parametrize(
    "switches",
    [
        {"upload_status": 404},
        {"upload_status": 405},
        {"upload_status": "0-99999999"},
        {"upload_status": "0-0"},
        {"upload_status": "5-10"},
        {"upload_status": "bytes"},
        {"content_range_refused": 400},
        {"content_range_refused": 405},
        {"keeps_last_chunk": True},
    ],
    ids=str,
)
def test_a_broken_upload_starts_again_where_it_cannot_go_on(switches: dict[str, Any], app: Image) -> None:
    with registry(reset_mid_patch=100_000, **switches) as r:
        person(r).push(r.host, app)
        assert holds(r, app)
        # the one that was cut may have come whole, too, but was never answered
        whole = [q for q in r.seen("PATCH") if q.length == SIZE and q.status is not None]
    assert len(whole) == 1
    assert "content-range" not in whole[0].headers


def test_an_upload_that_breaks_every_time_is_an_error(app: Image) -> None:
    with registry(reset_mid_patch=1000, upload_status=404) as r:
        someone = person(r)
        with pytest.raises(Unreachable, match=r"gave no answer: connection reset by peer \(5 tries\)"):
            someone.push(r.host, app, jobs=1)
    assert [seconds for seconds in someone.time.sleeps if seconds > 1] == [2.0, 4.0, 8.0]


def test_a_put_without_an_answer_is_looked_up_before_it_is_repeated(app: Image) -> None:
    with registry(commit_then_timeout=True) as r:
        person(r, commit=0.3).push(r.host, app)
        assert holds(r, app)
        assert len([q for q in r.seen("PATCH") if q.length == SIZE]) == 1


def test_a_put_that_was_lost_is_done_again_from_the_post(app: Image) -> None:
    with registry(put_reset=True) as r:
        person(r).push(r.host, app, jobs=1)
        assert holds(r, app)
        heads = [q for q in r.seen("HEAD", "/blobs/") if q.status == 404]
        assert len(heads) == len(app.blobs) + 1
        assert len([q for q in r.seen("PATCH") if q.length == SIZE]) == 2


def test_uploads_that_were_lost_because_they_overlap_are_fewer_from_then_on(tmp_path: Path) -> None:
    app = image(tmp_path / "app", *[50_000] * 6)
    with registry(upload_lost_once=400) as r:
        person(r).push(r.host, app)
        assert holds(r, app)


def test_a_blob_that_is_corrupt_here_is_refused_there(app: Image) -> None:
    path = app.store.blobs.path(app.layer.digest)
    path.chmod(0o644)
    path.write_bytes(b"x" * SIZE)
    with registry() as r:
        with pytest.raises(RegistryError, match=r"DIGEST_INVALID.*; 'krust verify' tells"):
            person(r).push(r.host, app)
        assert r.store.blobs.size(app.layer.digest) is None


def test_a_blob_of_another_size_here_is_not_sent(app: Image) -> None:
    path = app.store.blobs.path(app.layer.digest)
    path.chmod(0o644)
    path.write_bytes(b"x" * 17)
    with registry() as r, pytest.raises(DigestMismatch, match=f"found 17 bytes, expected {SIZE}"):
        person(r).push(r.host, app)


def test_who_waits_to_try_again_is_woken_by_the_end(app: Image) -> None:
    with registry(retry_after_429=(100, 99)) as r:
        begun = time.monotonic()
        it = Registry(r.host)  # by the real clock
        threading.Timer(0.3, it.close).start()
        with pytest.raises(RegistryError, match="the command is over"):
            it.repository(APP).complete(app.root)
        assert time.monotonic() - begun < 10


# mounts


@pytest.mark.parametrize("status", [202, 400, 401, 403, 404, 500])
def test_a_mount_that_is_refused_becomes_an_upload(status: int, app: Image) -> None:
    with registry(mount_refused=status) as r:
        person(r).push(r.host, app, name="base")
        r.store.blobs.path(app.layer.digest).unlink()  # this server has each blob in all repositories
        r.store.blobs.path(app.root.digest).unlink()
        person(r).push(r.host, app, name=APP, tags=("v2",), mounts={app.layer.digest: "base"})
        assert holds(r, app)
        posts = [q.query for q in r.seen("POST", f"{APP}/blobs/uploads/")]
    assert posts == [f"mount={str(app.layer.digest).replace(':', '%3A')}&from=base"] + [""] * (status != 202)


def test_a_mount_and_nothing_else_is_asked_with_the_right_to_pull_from_there(app: Image) -> None:
    with registry(bearer=True) as r:
        person(r, user(r)).push(r.host, app, name="base")
        r.store.blobs.path(app.root.digest).unlink()  # this server has each blob in all repositories
        r.store.blobs.path(app.layer.digest).unlink()
        before = len(r.seen(part="/token"))
        person(r, user(r)).push(r.host, app, tags=("v2",), mounts={app.layer.digest: "base"})
        asked = [parse_qs(q.query)["scope"] for q in r.seen(part="/token")[before:]]
    assert asked == [[f"repository:{APP}:push,pull"], [f"repository:{APP}:push,pull", "repository:base:pull"]]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_who_gets_no_token_for_where_it_is_mounted_from_uploads(status: int, tmp_path: Path) -> None:
    app = image(tmp_path / "app", 3_000, 2_000, 1_000)
    with registry(bearer=True) as r:

        async def refuses(x: Exchange) -> bool:
            if "other" in x.query:
                await x.refuse(status, "DENIED")
            return "other" in x.query

        r.app.state.authority.token_endpoint = refuses
        mounts = {blob.digest: "team/other" for blob in app.blobs}
        person(r, user(r)).push(r.host, app, mounts=mounts, jobs=1)
        assert holds(r, app)
        assert [q.query for q in r.seen("POST", "/uploads/")] == [""] * len(app.blobs)
        asked = [q for q in r.seen(part="/token") if "other" in q.query]
    assert len(asked) == 1, "once, and not for each blob"


def test_a_limit_at_the_put_repeats_the_put_and_no_body(app: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    make = SWITCHES["retry_after_429"]

    def only_puts(r: Any, value: Any) -> Layer:
        layer = make(r, value)

        async def limited(x: Exchange, go: Go) -> None:
            await (layer(x, go) if x.kind == "upload" and x.method == "PUT" else go())

        return limited

    monkeypatch.setitem(SWITCHES, "retry_after_429", only_puts)
    with registry(retry_after_429=(3, 2)) as r:
        person(r).push(r.host, app, jobs=1)
        assert holds(r, app)
        assert len(r.seen("PATCH")) == len(app.blobs)
        assert [q.status for q in r.seen("PUT", "uploads/")][:3] == [429, 429, 201]
