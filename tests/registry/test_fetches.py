"""What krust shows a registry whose blobs and manifests come oddly. registries.md 1.3, 5, and 4.4."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from plumbing.errors import DigestMismatch, Malformed, Missing, PlumbingError, RegistryError, Unreachable
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.store import Store
from tests.registry.faults import Registry, registry
from tests.registry.moves import APP, Image, Person, image, index, person, user


@pytest.fixture
def app(tmp_path: Path) -> Image:
    return image(tmp_path / "app", 300_000)


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"tls": True},
        {"strict": True},
        {"head_405": True},
        {"redirect_blob_cross_host": True},
        {"redirect_blob_relative": True},
        {"redirect_head": True},
        {"short_read": (100_000, 206)},
        {"short_read": (100_000, 200)},
        {"short_read": (0, 206)},
        {"retry_after_429": 30},
        {"flaky": (503, 3)},
        {"flaky": ("reset", 3)},
        {"empty_403_once": True},
        {"warning_299": True},
        {"basic_only": True},
        {"bearer": True},
        {"many_challenges": True},
    ],
    ids=str,
)
def test_an_image_is_fetched_whole_whatever_the_registry_does(switches: dict[str, Any], tmp_path: Path) -> None:
    app = index(tmp_path / "app")
    with registry(**switches) as r:
        give(r, app)
        fetched = person(r, user(r)).fetch(r.name, "v1", tmp_path / "there")
    assert fetched.root == app.root
    for item in app.store.walk(app.root):
        assert fetched.store.read(item) == app.store.read(item)


def give(r: Registry, app: Image) -> None:
    """Put `app` behind the faults."""
    for item in app.store.walk(app.root):
        r.store.put(app.store.read(item), item.media_type)
    r.store.update_ref(f"{APP}:v1", app.root)


def left(store: Store) -> list[str]:
    """What there is of blobs, and of what may become one."""
    return [path.name for folder in ("blobs", "tmp") for path in (store.path / folder).rglob("*") if path.is_file()]


def test_only_what_is_missing_is_fetched(app: Image, tmp_path: Path) -> None:
    with registry() as r:
        give(r, app)
        person(r).fetch(r.host, "v1", tmp_path / "there")
        r.requests.clear()
        person(r).fetch(r.host, "v1", tmp_path / "there")
        assert [q.method for q in r.requests] == ["GET", "HEAD"]


def test_credentials_do_not_follow_a_redirect_to_another_origin(app: Image, tmp_path: Path) -> None:
    with registry(bearer=True, redirect_blob_cross_host=True) as r:
        give(r, app)
        person(r, user(r)).fetch(r.name, "v1", tmp_path / "there")
        assert r.seen("GET", "/blobs/", origin="other")
        assert not any("authorization" in q.headers for q in r.seen(origin="other"))


def test_a_head_follows_a_redirect_without_credentials(app: Image) -> None:
    with registry(bearer=True, redirect_head=True) as r:
        give(r, app)
        r.store.blobs.path(app.root.digest).unlink()
        person(r, user(r)).push(r.name, app)
        assert r.seen("HEAD", "/blobs/", origin="other")
        assert not any("authorization" in q.headers for q in r.seen(origin="other"))
        assert not r.seen("PATCH")


@pytest.mark.parametrize(
    ("value", "options", "said"),
    [
        ("forever", {}, "redirects more than 5 times"),
        ("http", {"tls": True}, "http, although the registry speaks https"),
        ("local", {}, "an address of the local network"),
        ("https://169.254.169.254/latest/meta-data", {}, "an address of the local network"),
        ("gopher://files.test/", {}, "no URL of http or https"),
    ],
)
def test_a_redirect_that_leads_astray_is_refused(
    value: str, options: Any, said: str, app: Image, tmp_path: Path
) -> None:
    with registry(redirect_bad=value, **options) as r:
        give(r, app)
        with pytest.raises(RegistryError, match=said) as caught:
            person(r).fetch(r.name, "v1", tmp_path / "there")
        assert caught.value.host == r.name
        assert len(r.seen("GET", str(app.layer.digest))) <= 6
        assert not [q for q in r.requests if q.origin in ("other", "plain")]
    assert app.layer.digest.hex not in left(Store.create(tmp_path / "there"))


@pytest.mark.parametrize("status", [206, 200])
def test_a_fetch_that_broke_off_asks_for_the_rest(status: int, app: Image, tmp_path: Path) -> None:
    with registry(short_read=(100_000, status)) as r:
        give(r, app)
        someone = person(r)
        someone.fetch(r.host, "v1", tmp_path / "there")
        ranges = [q.headers.get("range") for q in r.seen("GET", str(app.layer.digest))]
    assert ranges == [None, "bytes=100000-"]
    assert someone.time.sleeps == [1.0], "the config is too small to break"


@pytest.mark.parametrize("switch", ["wrong_body", "oversize_blob"])
def test_wrong_bytes_are_an_error_and_leave_nothing(switch: str, app: Image, tmp_path: Path) -> None:
    switches: dict[str, Any] = {switch: True}
    with registry(**switches) as r:
        give(r, app)
        with pytest.raises(DigestMismatch, match=f"corrupt blob 'sha256:.*' in '{r.host}/{APP}'"):
            person(r).fetch(r.host, "v1", tmp_path / "there")
    assert app.layer.digest.hex not in left(Store.create(tmp_path / "there"))


def test_a_blob_without_end_is_left_after_one_byte_too_many(app: Image) -> None:
    with registry(oversize_blob=True) as r:
        give(r, app)
        with pytest.raises(DigestMismatch, match=f"more than {app.layer.size} bytes|expected {app.layer.size}"):
            person(r).ask(r.host, lambda repository: repository.open_blob(app.layer).read())


def test_a_manifest_without_end_is_refused_in_little_memory(app: Image) -> None:
    with registry(oversize_manifest=True) as r:
        give(r, app)
        someone = person(r)
        with someone.registry(r.host) as it:
            it._client.url("")  # imports what costs memory
            tracemalloc.start()
            with pytest.raises(RegistryError, match="a manifest of more than 8388608 bytes"):
                it.repository(APP).read(app.root)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
    assert peak < 40 << 20, "the server of the test counts too"


def test_what_the_registry_calls_a_manifest_proves_nothing(app: Image, tmp_path: Path) -> None:
    with registry(wrong_digest_header=True) as r:
        give(r, app)
        fetched = person(r).fetch(r.host, app.root.digest, tmp_path / "there")
    assert fetched.store.complete(app.root)


def test_other_bytes_under_a_digest_are_refused(app: Image) -> None:
    with registry(wrong_body=True) as r:
        give(r, app)
        with pytest.raises((DigestMismatch, Malformed)):
            person(r).ask(r.host, lambda repository: repository.read(app.blobs[-1]))


@pytest.mark.parametrize("value", ["ambiguous", "deep", "wide", "urls"])
def test_a_hostile_manifest_is_refused(value: str, tmp_path: Path) -> None:
    with registry(hostile_manifest=value) as r:
        with pytest.raises(PlumbingError):
            person(r).fetch(r.name, "v1", tmp_path / "there")
        assert not r.seen(origin="other")
        assert len(r.requests) < 20
    assert Store.create(tmp_path / "there").refs.get("v1") is None


def test_a_manifest_of_another_type_than_was_said_is_refused(app: Image) -> None:
    said = Descriptor(media_type=mediatype.INDEX, digest=app.root.digest, size=app.root.size)
    with registry() as r:
        give(r, app)
        with pytest.raises(Malformed):
            person(r).ask(r.host, lambda repository: repository.read(said))


@pytest.mark.parametrize("size", [299_999, 300_001])
def test_a_blob_of_another_size_than_was_said_is_refused(size: int, app: Image) -> None:
    said = Descriptor(media_type=mediatype.LAYER_GZIP, digest=app.layer.digest, size=size)
    with registry() as r:
        give(r, app)
        with pytest.raises(DigestMismatch, match=f"300000 bytes, expected {size}"):
            person(r).ask(r.host, lambda repository: repository.open_blob(said).read())


def test_a_config_that_is_too_big_is_not_asked_for(app: Image) -> None:
    said = Descriptor(media_type=mediatype.CONFIG, digest=app.layer.digest, size=5 << 20)
    with registry() as r:
        with pytest.raises(Malformed, match="at most 4194304 bytes"):
            person(r).ask(r.host, lambda repository: repository.read(said))
        assert r.requests == []


@pytest.mark.parametrize("reference", ["nothing", Digest.of(b"nothing")], ids=["tag", "digest"])
def test_what_is_not_there_is_missing(reference: str | Digest, app: Image) -> None:
    with registry() as r:
        give(r, app)
        with pytest.raises(Missing, match=f"cannot find '{reference}' in '{r.host}/{APP}'"):
            person(r).ask(r.host, lambda repository: repository.resolve(reference))
        with pytest.raises(Missing):
            person(r).ask(r.host, lambda repository: repository.resolve("v1"), name="another/app")


@pytest.mark.parametrize("switches", [{}, {"head_403": True}, {"head_405": True}], ids=str)
def test_a_tag_is_resolved_by_head_or_else_by_get(switches: dict[str, Any], app: Image) -> None:
    with registry(**switches) as r:
        give(r, app)
        found = person(r).ask(r.host, lambda repository: repository.resolve("v1"))
        assert (found.digest, found.size, found.media_type) == (app.root.digest, app.root.size, app.root.media_type)
        assert bool(r.seen("GET", "/manifests/")) == (switches == {"head_405": True})


@pytest.mark.parametrize("tag", ["", ".x", "a/b", "a" * 129, "x\n", "../../v2"])
def test_a_tag_off_the_grammar_is_sent_nowhere(tag: str) -> None:
    with registry() as r:
        with pytest.raises(Malformed):
            person(r).ask(r.host, lambda repository: repository.resolve(tag))
        assert r.requests == []


@pytest.mark.parametrize("name", ["", "App", "a//b", "../x", "a/../b", "x" * 256])
def test_a_repository_off_the_grammar_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        Person().ask("127.0.0.1:1", lambda repository: None, name=name)


def test_a_break_without_progress_is_given_up(app: Image) -> None:
    with registry(flaky=("reset", 99)) as r:
        give(r, app)
        with pytest.raises(Unreachable, match=r"\(5 tries\)"):
            person(r).ask(r.host, lambda repository: repository.open_blob(app.layer).read())
