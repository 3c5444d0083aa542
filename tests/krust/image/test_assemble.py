from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
import zstandard

from krust.config.resolve import ImageSettings
from krust.image.assemble import Image, assemble, combine
from krust.image.base import NOTHING, Base, static
from krust.image.plan import Plan
from krust.image.steps import Steps
from plumbing.commands.ls_layer import ls_layer
from plumbing.layer.capability import parse_capabilities
from plumbing.layer.entries import Source
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.index import Index
from plumbing.store import Store
from plumbing.store.names import Found
from tests.krust.config.conftest import Case
from tests.krust.image.conftest import AMD64, ARM64, binary, config, manifest


def assembled(
    steps: Steps, settings: ImageSettings, tmp_path: Path, *, base: Base = NOTHING, files: tuple[Source, ...] = ()
) -> Image:
    plan = Plan(settings=settings, platforms=(AMD64,), files=files)
    return assemble(steps, binary(plan, AMD64, tmp_path / "hello.bin"), base, settings, files, created=0)


def paths(store: Store, layer: Descriptor) -> list[str]:
    return [member.path for member in ls_layer(Found(store, layer))]


def test_every_setting_arrives_in_the_image(case: Case, steps: Steps, store: Store, tmp_path: Path) -> None:
    settings = case.resolve(
        """
        env = { RUST_LOG = "info", VERSION = "{version}" }
        args = ["--listen", "0.0.0.0:8080"]
        entrypoint = ["/app/hello", "serve"]
        user = 1000
        workdir = "/var/lib/hello"
        ports = [8080, "5353/udp"]
        volumes = "/var/lib/hello"
        stop-signal = "SIGINT"
        labels = { team = "payments", "org.opencontainers.image.title" = "Hello" }
        annotations = { "com.example.a" = "b" }
        capabilities = "cap_net_bind_service"
        compression = "zstd"
        """,
        license="MIT",
    )
    image = assembled(steps, settings, tmp_path)
    written = manifest(store, image.manifest)
    value = config(store, written).value
    identity = {
        "org.opencontainers.image.licenses": "MIT",
        "org.opencontainers.image.title": "Hello",
        "org.opencontainers.image.version": "1.2.3",
    }
    said = value["config"]
    assert {one.partition("=")[0]: one.partition("=")[2] for one in said.pop("Env")}.items() >= {
        "RUST_LOG": "info",
        "VERSION": "1.2.3",
    }.items()
    assert said == {
        "User": "1000",
        "ExposedPorts": {"5353/udp": {}, "8080/tcp": {}},
        "Entrypoint": ["/app/hello", "serve"],
        "Cmd": ["--listen", "0.0.0.0:8080"],
        "Volumes": {"/var/lib/hello": {}},
        "WorkingDir": "/var/lib/hello",
        "Labels": {**identity, "team": "payments"},
        "StopSignal": "SIGINT",
    }
    assert written.annotations == {**identity, "com.example.a": "b"}
    [layer] = written.layers
    assert layer.media_type.endswith("+zstd")
    plain = zstandard.ZstdDecompressor().stream_reader(store.read(layer)).read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        program = tar.getmember("app/hello")
        raw = program.pax_headers["SCHILY.xattr.security.capability"].encode(errors="surrogateescape")
    assert raw == parse_capabilities("cap_net_bind_service=ep")


@pytest.mark.parametrize(("codec", "media"), [("gzip", "+gzip"), ("zstd", "+zstd"), ("none", "tar")])
def test_the_diff_id_is_the_same_however_it_is_compressed(
    codec: str, media: str, case: Case, steps: Steps, store: Store, tmp_path: Path
) -> None:
    image = assembled(steps, case.resolve(f'compression = "{codec}"'), tmp_path)
    plain = assembled(steps, case.resolve(), tmp_path)
    [layer], [other] = manifest(store, image.manifest).layers, manifest(store, plain.manifest).layers
    assert layer.media_type.endswith(media)
    assert (image.layers[0].diff_id, image.config) == (plain.layers[0].diff_id, plain.config)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(store.read(other)))) as tar:
        assert [member.name for member in tar] == ["app", "app/hello"]


def test_files_are_a_layer_below_the_program(case: Case, steps: Steps, store: Store, tmp_path: Path) -> None:
    files = (Source(src=b"x", dest="/etc/hello/app.toml"), Source(src=b"y", dest="/app/data"))
    image = assembled(steps, case.resolve(), tmp_path, files=files)
    below, above = manifest(store, image.manifest).layers
    assert paths(store, below) == ["app", "app/data", "etc", "etc/hello", "etc/hello/app.toml"]
    assert paths(store, above) == ["app/hello"], "/app is there by then"
    assert [layer.descriptor.digest for layer in image.layers] == [below.digest, above.digest]


def test_without_files_there_is_no_empty_layer(case: Case, steps: Steps, store: Store, tmp_path: Path) -> None:
    image = assembled(steps, case.resolve(), tmp_path)
    written = manifest(store, image.manifest)
    assert len(written.layers) == len(config(store, written).diff_ids) == 1
    assert [entry.get("empty_layer", False) for entry in config(store, written).value["history"]] == [False]


def test_directories_of_the_base_stay_as_they_are(case: Case, steps: Steps, store: Store, tmp_path: Path) -> None:
    base = static(steps, AMD64)
    files = (Source(src=b"x", dest="/tmp/x"), Source(src=b"x", dest="/root/x"), Source(src=b"x", dest="/opt/x"))
    image = assembled(steps, case.resolve(), tmp_path, base=base, files=files)
    layers = manifest(store, image.manifest).layers
    assert layers[: len(base.layers)] == base.layers
    assert paths(store, layers[-2]) == ["opt", "opt/x", "root/x", "tmp/x"]
    assert paths(store, layers[-1]) == ["app", "app/hello"]


def test_one_platform_is_a_manifest_and_several_an_index_in_their_order(
    case: Case, steps: Steps, store: Store, tmp_path: Path
) -> None:
    settings = case.resolve('annotations = { "com.example.a" = "b" }')
    files = (Source(src=b"x", dest="/etc/x"),)
    plan = Plan(settings=settings, platforms=(ARM64, AMD64), files=files)
    made = [
        assemble(
            steps, binary(plan, each, tmp_path / str(each), str(each).encode()), NOTHING, settings, files, created=0
        )
        for each in plan.platforms
    ]
    assert combine(steps, made[:1], settings) == made[0].manifest
    index = store.manifest(combine(steps, made, settings))
    assert isinstance(index, Index)
    assert [each.platform for each in index.manifests] == [ARM64, AMD64]
    assert index.annotations["com.example.a"] == "b"
    one, other = (manifest(store, image.manifest).layers for image in made)
    assert one[0] == other[0], "the files are one layer, shared by both"
    assert one[1] != other[1]


def test_the_same_arguments_give_the_same_bytes(case: Case, tmp_path: Path) -> None:
    settings = case.resolve('labels = { b = "1", a = "2" }\nenv = { Z = "1", A = "2" }')
    digests = [
        assembled(Steps(Store.create(tmp_path / name)), settings, tmp_path).manifest.digest for name in ("one", "two")
    ]
    assert digests[0] == digests[1]
