"""krust copy: between registries nothing is kept here, and within one nothing is moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbing.oci.index import Index
from plumbing.store import Store
from tests.krust.commands.conftest import Krust, clean
from tests.krust.commands.test_push import counted, means
from tests.registry import moves
from tests.registry.debian import docker_registry
from tests.registry.faults import Registry, registry
from tests.registry.moves import Image, holds, person
from tests.tools import require_tool, run


@pytest.fixture
def both(r: Registry, tmp_path: Path) -> Image:
    """An index that the registry has as a/both:v1."""
    image = moves.index(tmp_path / "both")
    person(r).push(r.host, image, name="a/both")
    r.requests.clear()
    return image


def test_from_registry_to_registry(krust: Krust, r: Registry, both: Image, tmp_path: Path) -> None:
    with registry() as other:
        copied = krust("copy", f"docker://{r.host}/a/both:v1", f"docker://{other.host}/b:v2")
        assert (copied.code, copied.stdout) == (0, f"{both.root.digest}\n"), copied.stderr
        assert holds(other, both)
        assert means(other, "b:v2") == both.root.digest
        asked = counted(other)
        assert asked["POST blobs"] == 5, "two configs, two layers, and the one that they share"
        assert not (tmp_path / ".krust").exists()
        counted(r)
        krust("copy", f"docker://{r.host}/a/both:v1", f"docker://{other.host}/b:v2")
        assert counted(other) == {"GET /v2/": 1, "HEAD manifests": 2}
        assert counted(r)["GET blobs"] == 0


def test_within_a_registry_no_byte_of_a_blob_is_moved(krust: Krust, r: Registry, both: Image) -> None:
    copied = krust("copy", f"docker://{r.host}/a/both:v1", f"docker://{r.host}/b")
    assert (copied.code, copied.stdout) == (0, f"{both.root.digest}\n"), copied.stderr
    assert means(r, "b:latest") == both.root.digest
    assert r.seen("PATCH") == []
    assert r.seen("GET", "/blobs/") == []
    assert len(r.seen("GET", "/a/both/manifests/")) == 3, "each once: they say what can be mounted, and are copied"


def test_where_a_mount_is_refused_the_blob_is_moved(krust: Krust, tmp_path: Path) -> None:
    with registry(mount_refused=403) as r:
        image = moves.image(tmp_path / "theirs", 30_000)
        person(r).push(r.host, image, name="a")
        copied = krust("copy", f"docker://{r.host}/a:v1", f"docker://{r.host}/b:v1")
        assert (copied.code, copied.stdout) == (0, f"{image.root.digest}\n"), copied.stderr
        assert means(r, "b:v1") == image.root.digest


def test_one_platform(krust: Krust, r: Registry, both: Image) -> None:
    _, arm64 = Index.parse(both.store.read(both.root)).manifests
    copied = krust("copy", "--platform", "linux/arm64", f"docker://{r.host}/a/both:v1", f"docker://{r.host}/b:arm")
    assert copied.stdout == f"{arm64.digest}\n"
    assert means(r, "b:arm") == arm64.digest


def test_to_and_from_layouts(krust: Krust, r: Registry, both: Image, tmp_path: Path) -> None:
    assert krust("copy", f"docker://{r.host}/a/both:v1", "new:v1").stdout == f"{both.root.digest}\n"
    new = Store.open(tmp_path / "new")
    assert [ref.name for ref in new.refs] == ["v1"]
    assert clean(tmp_path / "new")
    assert krust("copy", "new:v1", f"docker://{r.host}/c:v1").code == 0
    assert means(r, "c:v1") == both.root.digest
    assert krust("copy", "new", "newer").code == 0
    assert [ref.name for ref in Store.open(tmp_path / "newer").refs] == ["latest"]
    for words in (["new", ":v1"], ["new", "newer:"], ["new", "docker://UPPER/x"]):
        refused = krust("copy", *words)
        assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1), refused


def test_what_cannot_be_read_makes_no_layout(krust: Krust, r: Registry, tmp_path: Path) -> None:
    assert krust("copy", f"docker://{r.host}/none:v1", "new:v1").code == 1
    assert not (tmp_path / "new").exists()


def test_debians_registry_mounts_and_skopeo_reads_it(krust: Krust, both: Image, tmp_path: Path) -> None:
    skopeo = require_tool("skopeo")
    with docker_registry(tmp_path / "registry") as host:
        krust("push", "both", f"{host}/a:v1")
        copied = krust("copy", "-v", f"docker://{host}/a:v1", f"docker://{host}/b:v1")
        assert (copied.code, copied.stdout) == (0, f"{both.root.digest}\n"), copied.stderr
        mounts = [line for line in copied.stderr.splitlines() if "> POST" in line]
        assert len(mounts) == 5
        assert all("mount=sha256" in line and "from=a" in line for line in mounts), mounts
        assert not [
            line for line in copied.stderr.splitlines() if "> PATCH" in line or ("> GET" in line and "blobs" in line)
        ]
        run(
            skopeo,
            "copy",
            "--all",
            "--preserve-digests",
            "--src-tls-verify=false",
            f"docker://{host}/b:v1",
            f"oci:{tmp_path}/out:v1",
        )
        assert krust("rev-parse", "out:v1").stdout == copied.stdout
