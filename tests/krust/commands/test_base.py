"""krust build --base REF: images of other makers below ours, fetched once, and what becomes of their oddities."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plumbing.oci import document, mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import Index
from plumbing.oci.manifest import Manifest
from plumbing.oci.platform import Platform
from plumbing.store import Store
from tests.krust.commands.conftest import Krust, Outcome, clean
from tests.krust.commands.serving import serving
from tests.krust.commands.test_push import counted, means
from tests.registry.debian import docker_registry
from tests.registry.faults import Registry, registry
from tests.registry.moves import Image, person
from tests.tools import KRUST, run

pytestmark = pytest.mark.slow  # each test compiles

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64/v8")
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
CREATED = "2020-02-02T02:02:02Z"


@pytest.fixture
def theirs(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "theirs")


# bases, by hand


def tar(*names: str, links: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A layer's tar: a directory for each name that ends in /, else an empty file; and symbolic links."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.mode = 0o755
            archive.addfile(member)
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return out.getvalue()


def config(platform: Platform, layers: list[bytes], **fields: Any) -> bytes:
    value = {
        "architecture": platform.architecture,
        "os": platform.os,
        **({"variant": platform.variant} if platform.variant else {}),
        "created": CREATED,
        "config": {"Env": ["PATH=/bin", "LANG=C"], "Entrypoint": ["/their/program"], "Cmd": ["theirs"], "User": "7"},
        "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(layer)) for layer in layers]},
        "history": [{"created": CREATED, "created_by": "them"} for _ in layers],
        **fields,
    }
    return json.dumps(value, indent=1).encode()  # not as krust would write it


LAYERS = [tar("etc/", "etc/os-release"), tar("usr/", "usr/lib/")]


def image(
    store: Store, platform: Platform = AMD64, layers: list[bytes] = LAYERS, *, docker: bool = False, **fields: Any
) -> Descriptor:
    """A manifest of gzipped `layers`; with `docker`, of schema 2."""
    types = (DOCKER_CONFIG, DOCKER_LAYER) if docker else (mediatype.CONFIG, mediatype.LAYER_GZIP)
    raw = config(platform, layers, **fields)
    below = [store.put(gzip.compress(layer, mtime=0), types[1]) for layer in layers]
    media_type = mediatype.DOCKER_MANIFEST if docker else mediatype.MANIFEST
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": store.put(raw, types[0]).to_json(),
        "layers": [layer.to_json() for layer in below],
    }
    return replace(store.put(json.dumps(manifest).encode(), media_type), platform=platform)


def attestation(store: Store, subject: Descriptor) -> Descriptor:
    """What buildkit keeps beside an image: an entry for unknown/unknown."""
    raw = config(Platform.parse("unknown/unknown"), [b"{}"], history=[])
    layer = store.put(b"{}", "application/vnd.in-toto+json")
    made = store.put(Manifest.of(store.put(raw, mediatype.CONFIG), [layer]).raw, mediatype.MANIFEST)
    notes = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": str(subject.digest)}
    return replace(made, platform=Platform.parse("unknown/unknown"), annotations=notes)


def index(store: Store, *entries: Descriptor, docker: bool = False, **fields: Any) -> Descriptor:
    value = {
        "schemaVersion": 2,
        "mediaType": mediatype.DOCKER_INDEX if docker else mediatype.INDEX,
        "manifests": [entry.to_json() for entry in entries],
        **fields,
    }
    said = {name: part for name, part in value.items() if part is not None}
    return store.put(json.dumps(said).encode(), mediatype.DOCKER_INDEX if docker else mediatype.INDEX)


def with_attestations(store: Store) -> Descriptor:
    amd64, arm64 = image(store), image(store, ARM64)
    return index(store, attestation(store, arm64), arm64, amd64, attestation(store, amd64))


def of_docker(store: Store) -> Descriptor:
    return index(store, image(store, ARM64, docker=True), image(store, docker=True), docker=True)


def with_nulls(store: Store) -> Descriptor:
    nothing = dict.fromkeys(("Env", "Cmd", "Entrypoint", "Labels", "Volumes", "ExposedPorts", "OnBuild"))
    return image(store, config=nothing, author=None, docker_version=None)


BASES: dict[str, Callable[[Store], Descriptor]] = {
    "a manifest": image,
    "an index with attestations": with_attestations,
    "docker's schema 2": of_docker,
    "docker's manifest alone": lambda store: image(store, docker=True),
    "an index without mediaType": lambda store: index(store, image(store, ARM64), image(store), mediaType=None),
    "an index in an index": lambda store: index(store, index(store, image(store, ARM64), image(store))),
    "null fields": with_nulls,
    "no config at all": lambda store: image(store, config=None, created=None),
    "history without created_by": lambda store: image(store, history=[{"created": CREATED}, {"empty_layer": True}, {}]),
    "no history": lambda store: image(store, history=None),
    "a history that says less": lambda store: image(store, history=[{"created_by": "one of two"}]),
    "unknown fields": lambda store: image(store, moby={"x": [1]}, container="abc"),
}


def served(r: Registry, store: Store, root: Descriptor, tag: str = "v1") -> str:
    """The reference of `root`, which the registry has from now on."""
    person(r).push(r.host, Image(store, root), name="team/base", tags=(tag,))
    r.requests.clear()
    return f"{r.host}/team/base:{tag}"


def built(krust: Krust, hello: Path, base: str, *words: str) -> Outcome:
    outcome = krust("build", "--no-push", "--base", base, *words, hello)
    assert outcome.code == 0, outcome.stderr
    return outcome


def written(tmp_path: Path) -> tuple[Store, Manifest, dict[str, Any]]:
    """What the build left in the store: the manifest, and its config."""
    store = Store.open(tmp_path / ".krust")
    root = store.refs.get("hello-krust:latest")
    assert root is not None
    manifest = store.manifest(root)
    assert isinstance(manifest, Manifest)
    return store, manifest, document.load(store.read(manifest.config), "config")


@pytest.mark.parametrize("kind", BASES)
def test_whatever_is_legal_can_be_built_on(
    krust: Krust, hello: Path, r: Registry, theirs: Store, tmp_path: Path, kind: str
) -> None:
    base = served(r, theirs, BASES[kind](theirs))
    built(krust, hello, base)
    store, manifest, config = written(tmp_path)
    assert manifest.media_type == mediatype.MANIFEST
    assert manifest.config.media_type == mediatype.CONFIG
    assert {layer.media_type for layer in manifest.layers} == {mediatype.LAYER_GZIP}
    assert [layer.digest for layer in manifest.layers[:2]] == [Digest.of(gzip.compress(raw, mtime=0)) for raw in LAYERS]
    assert config["rootfs"]["diff_ids"][:2] == [str(Digest.of(raw)) for raw in LAYERS]
    assert len(config["rootfs"]["diff_ids"]) == len(manifest.layers) == 3
    with_layers = [entry for entry in config["history"] if not entry.get("empty_layer")]
    assert len(with_layers) == 3, "readers match them with the layers by their order"
    assert with_layers[-1]["created_by"] == "krust build hello-krust"
    assert config["config"]["Entrypoint"] == ["/app/hello-krust"]
    assert "Cmd" not in config["config"]
    assert None not in config["config"].values()
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    assert manifest.annotations["org.opencontainers.image.base.name"] == base
    named = Digest.parse(manifest.annotations["org.opencontainers.image.base.digest"])
    below = store.manifest(store.describe(named))
    assert isinstance(below, Manifest)
    assert [layer.digest for layer in below.layers] == [layer.digest for layer in manifest.layers[:2]]
    assert clean(tmp_path / ".krust")


def test_its_settings_stay_and_its_identity_goes(
    krust: Krust, hello: Path, r: Registry, theirs: Store, tmp_path: Path
) -> None:
    labels = {"org.opencontainers.image.title": "theirs", "com.example.kept": "yes"}
    settings = {"Env": ["PATH=/bin", "LANG=C"], "User": "7", "WorkingDir": "/srv", "Labels": labels, "StopSignal": "9"}
    built(krust, hello, served(r, theirs, image(theirs, config=settings, author="them")))
    _, _, config = written(tmp_path)
    kept = config["config"]
    assert (kept["Env"], kept["User"], kept["WorkingDir"], kept["StopSignal"]) == (settings["Env"], "7", "/srv", "9")
    assert kept["Labels"]["com.example.kept"] == "yes"
    assert kept["Labels"]["org.opencontainers.image.title"] == "hello-krust"


@pytest.mark.parametrize("name", ["HOST/team/base", "HOST/team/base:latest", "HOST/team/base@DIGEST"])
def test_the_annotation_has_the_whole_reference(
    krust: Krust, hello: Path, r: Registry, theirs: Store, tmp_path: Path, name: str
) -> None:
    root = image(theirs)
    served(r, theirs, root, "latest")
    name = name.replace("HOST", r.host).replace("DIGEST", str(root.digest))
    built(krust, hello, name)
    _, manifest, _ = written(tmp_path)
    whole = name if name.count(":") > 1 else f"{name}:latest"
    assert manifest.annotations["org.opencontainers.image.base.name"] == whole
    assert manifest.annotations["org.opencontainers.image.base.digest"] == str(root.digest)


def test_what_it_lacks_is_said_with_what_it_has_and_nothing_is_compiled(
    krust: Krust, hello: Path, r: Registry, theirs: Store, tmp_path: Path
) -> None:
    arm64, arm = image(theirs, ARM64), image(theirs, Platform.parse("linux/arm/v7"))
    base = served(r, theirs, index(theirs, arm64, arm, attestation(theirs, arm64)))
    for reference in (base, served(r, theirs, arm64, "one")):
        refused = krust("build", "--no-push", "--base", reference, hello)
        assert (refused.code, refused.stdout) == (1, "")
        assert "cannot find platform 'linux/amd64'" in refused.fault
        assert "linux/arm64/v8" in refused.fault
        assert "unknown" not in refused.fault
    assert not (hello / "target").exists()
    krust("fetch", base)
    assert "linux/arm64/v8, linux/arm/v7" in krust("build", "--no-push", "--offline", "--base", base, hello).fault


@pytest.mark.parametrize("asked", ["linux/arm64", "linux/arm64/v8"])
@pytest.mark.parametrize("had", ["linux/arm64", "linux/arm64/v8"])
def test_arm64_is_arm64_v8(krust: Krust, r: Registry, theirs: Store, asked: str, had: str) -> None:
    entry = image(theirs, Platform.parse(had))
    base = served(r, theirs, index(theirs, image(theirs), entry))
    assert krust("fetch", "--platform", asked, base).stdout == f"{entry.digest}\n"


def test_it_is_fetched_once_and_offline_uses_what_is_there(
    krust: Krust, hello: Path, theirs: Store, tmp_path: Path
) -> None:
    with registry() as r:
        base = served(r, theirs, with_attestations(theirs))
        refused = krust("build", "--no-push", "--offline", "--base", base, hello)
        assert (refused.code, refused.stdout, r.requests) == (1, "", [])
        assert f"krust fetch {base} --platform linux/amd64" in refused.fault
        first = built(krust, hello, base)
        assert f"fetching base '{base}'" in first.stderr
        assert len(list(Store.open(tmp_path / ".krust").blobs)) < len(list(theirs.blobs)) + 3, "one platform of it"
        counted(r)
        assert built(krust, hello, base).stdout == first.stdout
        assert r.requests == []
        Store.open(tmp_path / ".krust").blobs.path(Digest.of(gzip.compress(LAYERS[1], mtime=0))).unlink()
        assert built(krust, hello, base).stdout == first.stdout, "what was lost is fetched again"
        assert counted(r)["GET blobs"] >= 1
    assert built(krust, hello, base, "--offline").stdout == first.stdout
    assert built(krust, hello, base).stdout == first.stdout, "the registry is gone, and nobody needs it"


def test_all_of_an_index_that_was_fetched_will_do(krust: Krust, hello: Path, theirs: Store) -> None:
    with registry() as r:
        base = served(r, theirs, with_attestations(theirs))
        assert krust("fetch", base).code == 0
    built(krust, hello, base, "--offline")


@pytest.mark.parametrize(
    ("layers", "ours"),
    [
        ([tar("etc/")], ["app", "app/hello-krust"]),
        ([tar("app/", "app/theirs")], ["app/hello-krust"]),
        ([tar("app/theirs")], ["app/hello-krust"]),
        ([tar("opt/", links=(("app", "opt"),))], ["app/hello-krust"]),
        ([tar("app/"), tar("etc/")], ["app/hello-krust"]),
        ([tar("app/"), tar(".wh.app")], ["app", "app/hello-krust"]),
        ([tar("app/"), tar(".wh..wh..opq", "etc/")], ["app", "app/hello-krust"]),
        ([tar("app/"), tar(".wh.app", "app/")], ["app/hello-krust"]),
        ([tar("app/"), tar(".wh.app"), tar("app/")], ["app/hello-krust"]),
        ([tar("app")], ["app", "app/hello-krust"]),
    ],
    ids=["none", "directory", "below", "link", "further down", "whiteout", "opaque", "anew", "again", "file"],
)
def test_its_app_is_kept_where_it_can_hold_the_program(
    krust: Krust, hello: Path, r: Registry, theirs: Store, tmp_path: Path, layers: list[bytes], ours: list[str]
) -> None:
    base = served(r, theirs, image(theirs, layers=layers))
    for _ in range(2):  # found by reading, and by what was noted
        built(krust, hello, base)
        _, manifest, _ = written(tmp_path)
        listed = krust("ls-layer", str(manifest.layers[-1].digest)).stdout.splitlines()
        assert [line.split("\t")[1] for line in listed] == ours


def test_its_layers_are_mounted_on_the_same_host_and_pushed_to_another(
    krust: Krust, hello: Path, theirs: Store, tmp_path: Path
) -> None:
    layer = Digest.of(gzip.compress(LAYERS[0], mtime=0))
    with docker_registry(tmp_path / "registry") as host, serving(tmp_path / "other") as other:
        theirs.update_ref("v1", image(theirs))
        assert krust("push", "theirs", f"{host}/team/base:v1").code == 0
        outcome = krust("build", "-v", "--base", f"{host}/team/base:v1", "--repo", f"{host}/ours", hello)
        later = krust("push", "-v", "hello-krust", f"{host}/later")
        for pushed in (outcome, later):
            assert pushed.code == 0, pushed.stderr
            said = pushed.stderr.splitlines()
            mounts = [line for line in said if "> POST" in line and "from=team" in line]
            assert any(str(layer.hex) in line and "mount=" in line for line in mounts), said
            assert len(mounts) == 3, "two of the base, and ours, which it might have"
            assert len([line for line in said if "> PATCH" in line]) == 2, "ours, and the config"
        elsewhere = krust("build", "--base", f"{host}/team/base:v1", "--repo", f"{other}/ours", hello)
        assert elsewhere.stdout.partition("@")[2] == outcome.stdout.partition("@")[2]
    assert clean(tmp_path / "other")


def test_the_trace_fetches_it(krust: Krust, hello: Path, r: Registry, theirs: Store, tmp_path: Path) -> None:
    base = served(r, theirs, with_attestations(theirs))
    outcome = built(krust, hello, base, "--trace", "trace.sh")
    environment = {"PATH": f"{KRUST.parent}:{os.environ['PATH']}", "KRUST_STORE": str(tmp_path / "empty")}
    run("sh", "trace.sh", cwd=tmp_path, env=environment)
    again = krust("rev-parse", "--store", "empty", "hello-krust").stdout.strip()
    assert again == outcome.stdout.strip().partition("@")[2]
    assert clean(tmp_path / "empty")


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("HOST/none:v1", "none"),
        ("HOST/team/base:none", "none"),
        ("UPPER/x", "UPPER"),
        (f"HOST/team/base@sha256:{'0' * 64}", "0000"),
    ],
)
def test_what_cannot_be_fetched_is_said_and_nothing_is_compiled(
    krust: Krust, hello: Path, r: Registry, theirs: Store, base: str, said: str
) -> None:
    served(r, theirs, image(theirs))
    refused = krust("build", "--no-push", "--base", base.replace("HOST", r.host), hello)
    assert (refused.code, refused.stdout) == (1, "")
    assert said in refused.fault
    assert not (hello / "target").exists()


def test_an_index_of_both_is_what_was_pushed(r: Registry, theirs: Store) -> None:
    """The bases of this file are what they are meant to be."""
    root = with_attestations(theirs)
    served(r, theirs, root)
    assert means(r, "team/base:v1") == root.digest
    assert len(Index.parse(r.store.read(root)).manifests) == 4
