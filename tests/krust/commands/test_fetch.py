"""krust fetch, ls-remote, and docker:// where plumbing reads: from a registry, verified, and only what is missing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from plumbing.oci import document
from plumbing.oci.index import Index
from plumbing.oci.manifest import Manifest
from plumbing.oci.platform import Platform
from plumbing.store import Store
from tests.krust.commands.conftest import Krust, clean
from tests.krust.commands.test_push import counted
from tests.registry import moves
from tests.registry.debian import docker_registry
from tests.registry.faults import Registry, registry
from tests.registry.moves import Image, person


@pytest.fixture
def app(r: Registry, tmp_path: Path) -> Image:
    """An image that the registry has as app:v1."""
    image = moves.image(tmp_path / "theirs", 60_000, 20_000)
    person(r).push(r.host, image, name="app")
    r.requests.clear()
    return image


@pytest.fixture
def both(r: Registry, tmp_path: Path) -> Image:
    """An index for amd64 and arm64 that the registry has as both:v1; its images share a layer."""
    image = moves.index(tmp_path / "both")
    person(r).push(r.host, image, name="both")
    r.requests.clear()
    return image


def refs(tmp_path: Path) -> dict[str, str]:
    return {ref.name: str(ref.descriptor.digest) for ref in Store.open(tmp_path / ".krust").refs if ref.name}


@pytest.mark.parametrize("reference", ["HOST/app:v1", "docker://HOST/app:v1", "HOST/app@DIGEST", "HOST/app:v1@DIGEST"])
def test_it_is_in_the_store_under_its_whole_reference(
    krust: Krust, r: Registry, app: Image, tmp_path: Path, reference: str
) -> None:
    digest = str(app.root.digest)
    reference = reference.replace("HOST", r.host).replace("DIGEST", digest)
    fetched = krust("fetch", reference)
    assert (fetched.code, fetched.stdout) == (0, f"{digest}\n"), fetched.stderr
    name = reference.removeprefix("docker://")
    assert refs(tmp_path) == {name: digest}
    assert clean(tmp_path / ".krust")
    assert krust("rev-parse", name).stdout == f"{digest}\n"
    assert krust("verify", name).code == 0


def test_without_a_tag_it_is_latest(krust: Krust, r: Registry, app: Image, tmp_path: Path) -> None:
    refused = krust("fetch", f"{r.host}/app")
    assert (refused.code, refused.stdout) == (1, "")
    assert f"{r.host}/app" in refused.fault
    assert "latest" in refused.fault
    person(r).push(r.host, app, name="app", tags=("latest",))
    assert krust("fetch", f"{r.host}/app").code == 0
    assert refs(tmp_path) == {f"{r.host}/app:latest": str(app.root.digest)}


def test_json_is_the_descriptor(krust: Krust, r: Registry, app: Image) -> None:
    descriptor = json.loads(krust("fetch", "--json", f"{r.host}/app:v1").stdout)
    assert (descriptor["digest"], descriptor["size"]) == (str(app.root.digest), app.root.size)


def test_what_is_there_is_not_asked_for_again(krust: Krust, r: Registry, app: Image, tmp_path: Path) -> None:
    krust("fetch", f"{r.host}/app:v1")
    assert counted(r)["GET blobs"] == 3
    krust("fetch", f"{r.host}/app:v1")
    assert counted(r) == {"GET /v2/": 1, "HEAD manifests": 1}
    newer = moves.image(tmp_path / "newer", 60_000, 20_000, 500)
    person(r).push(r.host, newer, name="app", tags=("v2",))
    r.requests.clear()
    krust("fetch", f"{r.host}/app:v2")
    assert counted(r)["GET blobs"] == 2, "the new layer, and the config"
    Store.open(tmp_path / ".krust").blobs.path(app.layer.digest).unlink()
    krust("fetch", f"{r.host}/app:v1")
    assert counted(r)["GET blobs"] == 1, "a blob that was lost"
    assert clean(tmp_path / ".krust")


def test_all_of_an_index_or_one_platform(krust: Krust, r: Registry, both: Image, tmp_path: Path) -> None:
    amd64, arm64 = (entry.digest for entry in Index.parse(both.store.read(both.root)).manifests)
    fetched = krust("fetch", "--platform", "linux/arm64/v8", f"{r.host}/both:v1")
    assert (fetched.code, fetched.stdout) == (0, f"{arm64}\n"), fetched.stderr
    assert refs(tmp_path) == {f"{r.host}/both:v1@linux/arm64/v8": str(arm64)}
    asked = Counter(request.path for request in r.requests if request.method == "GET" and "sha256" in request.path)
    assert set(asked.values()) == {1}, "what was read to choose is not read again"
    store = Store.open(tmp_path / ".krust")
    assert amd64 not in set(store.blobs)
    counted(r)
    assert krust("fetch", f"{r.host}/both:v1").stdout == f"{both.root.digest}\n"
    assert counted(r)["GET blobs"] == 2, "the layer and the config that only amd64 has"
    assert clean(tmp_path / ".krust")
    lacking = krust("fetch", "--platform", "linux/s390x", f"{r.host}/both:v1")
    assert lacking.code == 1
    assert "linux/amd64, linux/arm64" in lacking.fault
    assert krust("fetch", "--platform", "nonsense", f"{r.host}/both:v1").code == 2


def test_other_bytes_are_refused_and_nothing_is_named(krust: Krust, tmp_path: Path) -> None:
    with registry(wrong_body=True) as r:
        image = moves.image(tmp_path / "theirs", 60_000)
        person(r).push(r.host, image, name="app")
        fetched = krust("fetch", f"{r.host}/app:v1")
        assert (fetched.code, fetched.stdout) == (1, "")
        assert "corrupt blob" in fetched.fault
        assert r.host in fetched.fault
        assert refs(tmp_path) == {}
        assert clean(tmp_path / ".krust")


def test_a_download_that_broke_off_goes_on(krust: Krust, tmp_path: Path) -> None:
    with registry(short_read=(20_000, 206)) as r:
        image = moves.image(tmp_path / "theirs", 30_000)
        person(r).push(r.host, image, name="app")
        fetched = krust("fetch", f"{r.host}/app:v1")
        assert fetched.code == 0, fetched.stderr
        assert any("range" in request.headers for request in r.seen("GET", "/blobs/"))
        assert clean(tmp_path / ".krust")


@pytest.mark.parametrize("reference", ["HOST/none:v1", "HOST/app:none", f"HOST/app@sha256:{'0' * 64}"])
def test_what_is_not_there_is_said_and_no_store_is_made(
    krust: Krust, r: Registry, app: Image, tmp_path: Path, reference: str
) -> None:
    fetched = krust("fetch", reference.replace("HOST", r.host))
    assert (fetched.code, fetched.stdout, fetched.stderr.count("\n")) == (1, "", 1)
    assert r.host in fetched.fault
    assert not (tmp_path / ".krust").exists()


def test_it_comes_from_debians_registry_too(krust: Krust, both: Image, tmp_path: Path) -> None:
    with docker_registry(tmp_path / "registry") as host:
        assert krust("push", "both", f"{host}/both:v1").code == 0
        fetched = krust("fetch", f"{host}/both:v1")
        assert (fetched.code, fetched.stdout) == (0, f"{both.root.digest}\n"), fetched.stderr
        assert clean(tmp_path / ".krust")
        assert krust("ls-remote", f"{host}/both").stdout == "v1\n"


# ls-remote


def test_ls_remote_lists_tags(krust: Krust, r: Registry, app: Image, both: Image) -> None:
    person(r).push(r.host, both, name="app", tags=("v2", "v10"))
    assert krust("ls-remote", f"{r.host}/app").stdout == "v1\nv10\nv2\n"
    assert krust("ls-remote", f"docker://{r.host}/app", "-z").stdout == "v1\0v10\0v2\0"
    listed = dict(
        line.split("\t")[::-1] for line in krust("ls-remote", "--digests", f"{r.host}/app").stdout.split("\n")[:-1]
    )
    assert listed == {"v1": str(app.root.digest), "v2": str(both.root.digest), "v10": str(both.root.digest)}
    for reference in (f"{r.host}/app:v1", f"{r.host}/none"):
        refused = krust("ls-remote", reference)
        assert (refused.code, refused.stdout) == (1, "")
        assert reference in refused.fault


# docker://


def test_what_reads_images_reads_them_from_registries(krust: Krust, r: Registry, both: Image, tmp_path: Path) -> None:
    name = f"docker://{r.host}/both:v1"
    assert krust("cat-manifest", name).stdout.encode() == both.store.read(both.root)
    assert krust("rev-parse", name, f"docker://{r.host}/both@{both.root.digest}").stdout == f"{both.root.digest}\n" * 2
    assert json.loads(krust("rev-parse", "--json", name).stdout)["mediaType"] == both.root.media_type
    arm64 = next(
        entry
        for entry in Index.parse(both.store.read(both.root)).manifests
        if entry.platform == Platform.parse("linux/arm64")
    )
    manifest = krust("cat-manifest", "--platform", "linux/arm64", name).stdout.encode()
    assert manifest == both.store.read(arm64)
    config = document.load(krust("cat-config", "--platform", "linux/arm64", name).stdout.encode(), "config")
    assert config["architecture"] == "arm64"
    assert krust("cat-config", name).code == 1, "an index of two, and none was chosen"
    assert not (tmp_path / ".krust").exists(), "what asks a registry needs no store"
    assert {request.path for request in r.seen("GET", "/blobs/")} == {
        f"/v2/both/blobs/{Manifest.parse(manifest).config.digest}"
    }
    missing = krust("cat-manifest", f"docker://{r.host}/none:v1")
    assert (missing.code, missing.stdout) == (1, "")


def test_a_reference_without_docker_asks_no_registry(krust: Krust, r: Registry, app: Image, tmp_path: Path) -> None:
    Store.create(tmp_path / ".krust")
    assert krust("cat-manifest", f"{r.host}/app:v1").code == 1
    assert r.requests == []
    krust("fetch", f"{r.host}/app:v1")
    r.requests.clear()
    assert krust("cat-manifest", f"{r.host}/app:v1").stdout.encode() == app.store.read(app.root)
    assert r.requests == []
