"""Other people's clients push to the server and pull from it."""

from __future__ import annotations

import gzip
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from plumbing.oci import document, mediatype
from plumbing.oci.digest import Digest
from plumbing.oci.manifest import Manifest
from plumbing.store import Store
from plumbing.store.fsck import fsck
from tests.plumbing.server.conftest import Client
from tests.registry.faults import Registry
from tests.tools import require_tool, run

PLAIN = "--dest-tls-verify=false", "--src-tls-verify=false"


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A tar with one file of a few megabytes."""
    (tmp_path / "app").write_bytes(bytes(range(256)) * 12_000)
    with tarfile.open(tmp_path / "layer.tar", "w") as tar:
        tar.add(tmp_path / "app", "app")
    return tmp_path / "layer.tar"


@pytest.fixture
def image(client: Client, layer: Path) -> Manifest:
    """A runnable image in the store, `hello:latest`."""
    store, tar = client.store, layer.read_bytes()
    rootfs = {"type": "layers", "diff_ids": [str(Digest.of(tar))]}
    config = {"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/app"]}, "rootfs": rootfs}
    manifest = Manifest.of(
        store.put(document.dump(config), mediatype.CONFIG),
        [store.put(gzip.compress(tar, mtime=0), mediatype.LAYER_GZIP)],
    )
    store.update_ref("hello:latest", store.put(manifest.raw, mediatype.MANIFEST))
    return manifest


@pytest.fixture
def skopeo() -> str:
    return require_tool("skopeo")


@pytest.fixture
def crane() -> str:
    return require_tool("crane")


@pytest.fixture(autouse=True)
def _store_stays_whole(served: Registry) -> Iterator[None]:
    yield
    assert fsck(served.store).problems == ()


def test_skopeo_copies_out_of_it_and_into_it(
    skopeo: str, served: Registry, client: Client, image: Manifest, tmp_path: Path
) -> None:
    run(skopeo, "copy", *PLAIN, f"docker://{served.host}/hello", f"oci:{tmp_path / 'copy'}:hello")
    copy = Store.open(tmp_path / "copy")
    assert copy.refs.get("hello") is not None
    assert fsck(copy).problems == ()
    run(skopeo, "copy", *PLAIN, f"oci:{tmp_path / 'copy'}:hello", f"docker://{served.host}/team/pushed:v1")
    pushed = client.get("/v2/team/pushed/manifests/v1")
    assert pushed.status_code == 200
    parsed = Manifest.parse(pushed.content, pushed.headers["Content-Type"])
    assert parsed.config.digest == image.config.digest


def test_skopeo_inspects_lists_and_deletes(skopeo: str, served: Registry, image: Manifest) -> None:
    where = f"docker://{served.host}/hello"
    said = json.loads(run(skopeo, "inspect", "--tls-verify=false", where).stdout)
    assert (said["Digest"], said["Architecture"]) == (str(image.descriptor.digest), "amd64")
    assert json.loads(run(skopeo, "list-tags", "--tls-verify=false", where).stdout)["Tags"] == ["latest"]
    run(skopeo, "delete", "--tls-verify=false", where)
    assert served.store.refs.get("hello:latest") is None


def test_skopeo_between_two_repositories(skopeo: str, served: Registry, client: Client, image: Manifest) -> None:
    source, target = f"docker://{served.host}/hello", f"docker://{served.host}/other:v1"
    run(skopeo, "copy", *PLAIN, "--preserve-digests", source, target)
    assert client.get("/v2/other/manifests/v1").content == image.raw


def test_crane_pushes_pulls_and_validates(
    crane: str, served: Registry, image: Manifest, layer: Path, tmp_path: Path
) -> None:
    where = f"{served.host}/hello"
    assert run(crane, "digest", where).stdout.decode().strip() == str(image.descriptor.digest)
    assert run(crane, "manifest", f"{where}@{image.descriptor.digest}").stdout == image.raw
    run(crane, "validate", "--remote", where)
    run(crane, "append", "--base", where, "--new_layer", layer, "--new_tag", f"{served.host}/team/app:v2")
    run(crane, "validate", "--remote", f"{served.host}/team/app:v2")
    run(crane, "copy", where, f"{served.host}/mounted:v1")
    assert run(crane, "ls", f"{served.host}/team/app").stdout == b"v2\n"
    assert run(crane, "catalog", served.host).stdout.split() == [b"hello", b"mounted", b"team/app"]
    run(crane, "pull", "--format", "oci", where, tmp_path / "pulled")
    assert fsck(Store.open(tmp_path / "pulled")).problems == ()
    run(crane, "push", tmp_path / "pulled", f"{served.host}/again:v1")
    run(crane, "delete", f"{served.host}/again:v1")


def test_conformance_suite_of_the_specification(served: Registry, tmp_path: Path) -> None:
    """All of it."""
    program = require_tool("conformance")
    settings = {
        "OCI_REGISTRY": served.host,
        "OCI_TLS": "disabled",
        "OCI_VERSION": "1.1",
        "OCI_API_BLOBS_DIGEST_HEADER": "true",
        "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
        "OCI_API_MANIFESTS_DIGEST_HEADER": "true",
    }
    said = run(program, cwd=tmp_path, env=settings).stdout.decode()
    assert "Blob chunked..................:       Pass" in said
    assert not re.search(r": +FAIL", said), said
