"""The same against Debian's docker-registry, open, by password, by TLS and by token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plumbing.errors import Missing, RegistryError, Unauthorized, Unreachable
from plumbing.oci import mediatype
from plumbing.oci.manifest import Manifest
from plumbing.registry import Credential, Settings
from tests.registry.distribution import SHAPES, Distribution, distribution
from tests.registry.moves import APP, Image, Person, image, index


@pytest.fixture(scope="module", params=SHAPES)
def there(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Distribution]:
    with distribution(request.param, tmp_path_factory.mktemp("distribution") / request.param) as it:
        yield it


def same(one: Image, other: Image) -> bool:
    return one.root.digest == other.root.digest and all(
        one.store.read(item, limit=1 << 30) == other.store.read(item, limit=1 << 30)
        for item in one.store.walk(one.root)
    )


def test_what_was_pushed_is_fetched(there: Distribution, tmp_path: Path) -> None:
    app = index(tmp_path / "app")
    there.person().push(there.host, app, name="index/app", tags=("v1", "v2"))
    assert same(app, there.person().fetch(there.host, "v2", tmp_path / "there", name="index/app"))
    assert sorted(there.person().ask(there.host, lambda it: list(it.tags()), name="index/app")) == ["v1", "v2"]


def test_a_large_layer_arrives(there: Distribution, tmp_path: Path) -> None:
    app = image(tmp_path / "app", 20 << 20, 3, seed=2)
    there.person().push(there.host, app, name="large")
    assert same(app, there.person().fetch(there.host, app.root.digest, tmp_path / "there", name="large"))


def test_a_second_push_sends_nothing(there: Distribution, tmp_path: Path) -> None:
    app = image(tmp_path / "app", seed=3)
    there.person().push(there.host, app, name="twice")
    someone = there.person()
    someone.push(there.host, app, name="twice")
    assert not [line for line in someone.lines if line.startswith(("> P", "> HEAD")) and "/manifests/" not in line]


def test_a_blob_is_mounted_from_a_repository_on_the_same_host(there: Distribution, tmp_path: Path) -> None:
    app = image(tmp_path / "app", seed=4)
    there.person().push(there.host, app, name="base")
    someone = there.person()
    someone.push(there.host, app, name="mounted", mounts=dict.fromkeys([blob.digest for blob in app.blobs], "base"))
    assert not [line for line in someone.lines if line.startswith(("> PATCH", "> PUT")) and "/blobs/" in line]
    assert same(app, there.person().fetch(there.host, "v1", tmp_path / "there", name="mounted"))


def test_chunks_arrive(there: Distribution, tmp_path: Path) -> None:
    app = image(tmp_path / "app", 11 << 20, seed=5)
    someone = there.person()
    someone.settings = Settings(ca=there.settings.ca, chunk=1)
    someone.push(there.host, app, name="chunks")
    assert len([line for line in someone.lines if line.startswith("> PATCH")]) == 4, "three, and the config"
    assert same(app, there.person().fetch(there.host, "v1", tmp_path / "there", name="chunks"))


def test_what_is_not_there_is_missing(there: Distribution) -> None:
    with pytest.raises(Missing, match=f"cannot find 'v1' in '{there.host}/nothing'"):
        there.person().ask(there.host, lambda it: it.resolve("v1"), name="nothing")


def test_a_referrer_goes_by_the_fallback_tag(there: Distribution, tmp_path: Path) -> None:
    app = image(tmp_path / "app", seed=6)
    there.person().push(there.host, app, name="referred")
    empty = app.store.put(b"{}", mediatype.EMPTY)
    raw = Manifest.of(empty, [empty], subject=app.root, artifact_type="application/vnd.x").raw
    there.person().push(there.host, Image(app.store, app.store.put(raw, mediatype.MANIFEST)), name="referred", tags=())
    found = there.person().ask(there.host, lambda it: list(it.referrers(app.root.digest)), name="referred")
    assert [descriptor.artifact_type for descriptor in found] == ["application/vnd.x"]


def test_nothing_that_is_said_holds_a_secret(there: Distribution, tmp_path: Path) -> None:
    someone = there.person()
    someone.push(there.host, image(tmp_path / "app", seed=7), name="secret")
    assert "pass:word" not in someone.said
    assert "_state=***" in someone.said


@pytest.mark.parametrize("shape", ["password", "token"])
def test_strangers_are_told_to_log_in(shape: str, tmp_path: Path) -> None:
    app = image(tmp_path / "app")
    with distribution(shape, tmp_path / shape) as there:
        with pytest.raises(Unauthorized, match=rf"'krust login {there.host}'"):
            there.stranger().push(there.host, app)
        wrong = there.stranger()
        wrong.credential = Credential(username="me", password="wrong", source="/a/config.json")
        with pytest.raises(Unauthorized, match=r"me from /a/config\.json"):
            wrong.push(there.host, app)


def test_tls_is_checked(tmp_path: Path) -> None:
    with distribution("tls", tmp_path / "tls") as there:
        with pytest.raises(Unreachable, match="not trusted"):
            Person().ask(there.host, lambda it: it.resolve("v1"))
        insecure = Person(settings=Settings(insecure=frozenset({there.host})))
        with pytest.raises(Missing):
            insecure.ask(there.host, lambda it: it.resolve("v1"))


def test_a_manifest_without_its_blobs_is_an_error(tmp_path: Path) -> None:
    app = image(tmp_path / "app")
    with distribution("open", tmp_path / "open") as there, Person().registry(there.host) as it:
        with pytest.raises(RegistryError, match="MANIFEST_BLOB_UNKNOWN") as caught:
            it.repository(APP, push=True).take_node(app.root, app.store.read(app.root))
        assert caught.value.host == there.host
