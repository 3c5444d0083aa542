"""Archives of images: layouts and what docker saves, written by other tools and by hand, whole and broken."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from plumbing.archive import read_archive
from plumbing.errors import DigestMismatch, Malformed, PlumbingError, SourceError
from plumbing.oci import mediatype
from plumbing.oci.config import Config
from plumbing.oci.digest import Digest
from plumbing.oci.manifest import Manifest
from plumbing.oci.platform import Platform
from plumbing.store import Store
from plumbing.store.fsck import fsck
from tests.registry import moves

AMD64 = Platform.parse("linux/amd64")
Contents = Mapping[str, bytes | tuple[str, str]]


def archive(path: Path, contents: Contents) -> Path:
    """A tar at `path`: a file of these bytes, or a ("symlink" or "hardlink", target), for each name."""
    with tarfile.open(path, "w") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
                continue
            member.type = tarfile.SYMTYPE if content[0] == "symlink" else tarfile.LNKTYPE
            member.linkname = content[1]
            tar.addfile(member)
    return path


def tar_of(text: str) -> bytes:
    """A layer's tar with one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("file")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


LAYERS = [tar_of("one"), tar_of("two")]
CONFIG = Config.of(AMD64, [Digest.of(layer) for layer in LAYERS]).raw


def saved(**fields: object) -> bytes:
    image = {"Config": "config.json", "RepoTags": ["app:v1"], "Layers": ["1/layer.tar", "2/layer.tar"], **fields}
    return json.dumps([{name: value for name, value in image.items() if value != "absent"}]).encode()


def files(**fields: object) -> dict[str, bytes | tuple[str, str]]:
    """What `docker save` writes, with those fields of its manifest.json changed."""
    return {
        "config.json": CONFIG,
        "1/layer.tar": LAYERS[0],
        "2/layer.tar": LAYERS[1],
        "manifest.json": saved(**fields),
    }


def names(store: Store) -> dict[str | None, Digest]:
    return {ref.name: ref.descriptor.digest for ref in store.refs}


# layouts


def layout_files(store: Store) -> dict[str, bytes | tuple[str, str]]:
    names = ["oci-layout", "index.json", *(f"blobs/sha256/{digest.hex}" for digest in store.blobs)]
    return {name: (store.path / name).read_bytes() for name in names}


def test_a_layout_comes_with_its_names(tmp_path: Path) -> None:
    image = moves.index(tmp_path / "layout")
    image.store.update_ref("v2", image.root)
    store = read_archive(archive(tmp_path / "a.tar", layout_files(image.store)), tmp_path / "read")
    assert names(store) == names(image.store)
    assert fsck(store).problems == ()
    assert set(store.blobs) >= set(image.store.blobs)


@pytest.mark.parametrize("prefix", ["./", "/"])
def test_the_paths_may_begin_as_other_tools_write_them(tmp_path: Path, prefix: str) -> None:
    image = moves.image(tmp_path / "layout", 1000)
    contents = {f"{prefix}{name}": content for name, content in layout_files(image.store).items()}
    assert names(read_archive(archive(tmp_path / "a.tar", contents), tmp_path / "read")) == names(image.store)


def test_a_blob_of_another_digest_is_refused(tmp_path: Path) -> None:
    image = moves.image(tmp_path / "layout", 1000)
    contents = layout_files(image.store)
    contents[f"blobs/sha256/{image.layer.digest.hex}"] = b"other bytes"
    with pytest.raises(DigestMismatch, match=str(image.layer.digest)):
        read_archive(archive(tmp_path / "a.tar", contents), tmp_path / "read")


@pytest.mark.parametrize("index", [b"[]", b"no json", b'{"schemaVersion": 2, "manifests": [{}]}'])
def test_an_index_that_is_none_is_refused(tmp_path: Path, index: bytes) -> None:
    image = moves.image(tmp_path / "layout", 1000)
    contents = {**layout_files(image.store), "index.json": index}
    path = archive(tmp_path / "a.tar", contents)
    with pytest.raises(PlumbingError):
        list(read_archive(path, tmp_path / "read").refs)


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    image = moves.image(tmp_path / "layout", 1000)
    contents = {**layout_files(image.store), "../../escaped": b"!", "blobs/../../up": b"!", "blobs/sha256/x/../y": b"!"}
    (tmp_path / "in").mkdir()
    store = read_archive(archive(tmp_path / "a.tar", contents), tmp_path / "in" / "read")
    assert names(store) == names(image.store)
    assert {path.name for path in tmp_path.iterdir()} == {"layout", "a.tar", "in"}
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["read"]
    assert fsck(store).problems == ()


# docker save


def check(store: Store, *expected: str) -> None:
    """`store` holds the image of LAYERS and CONFIG, under those names."""
    assert set(names(store)) == set(expected)
    assert len(set(names(store).values())) == 1
    [descriptor, *_] = [ref.descriptor for ref in store.refs]
    manifest = store.manifest(descriptor)
    assert isinstance(manifest, Manifest)
    assert [store.diff_id(layer.digest) for layer in manifest.layers] == [Digest.of(layer) for layer in LAYERS]
    assert {layer.media_type for layer in manifest.layers} == {mediatype.LAYER_GZIP}
    assert (manifest.config.media_type, store.read(manifest.config)) == (mediatype.CONFIG, CONFIG)
    assert fsck(store).problems == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["app:v1"]),
        ({"RepoTags": ["app:v1", "registry.example/team/app:v2"]}, ["app:v1", "registry.example/team/app:v2"]),
        ({"RepoTags": None}, ["latest"]),
        ({"RepoTags": []}, ["latest"]),
        ({"RepoTags": "absent"}, ["latest"]),
        ({"Parent": "", "LayerSources": {"x": 1}}, ["app:v1"]),
    ],
)
def test_what_docker_saves_becomes_an_image(tmp_path: Path, fields: dict[str, object], expected: list[str]) -> None:
    check(read_archive(archive(tmp_path / "a.tar", files(**fields)), tmp_path / "read"), *expected)


def test_layers_may_be_links_to_each_other(tmp_path: Path) -> None:
    contents = files(Layers=["3/layer.tar", "4/layer.tar"])
    contents["3/layer.tar"] = ("symlink", "../1/layer.tar")
    contents["4/layer.tar"] = ("hardlink", "2/layer.tar")
    check(read_archive(archive(tmp_path / "a.tar", contents), tmp_path / "read"), "app:v1")


def test_a_layer_that_is_named_very_often_is_compressed_once(tmp_path: Path) -> None:
    contents = files(Layers=["1/layer.tar"] * 2000)
    contents["config.json"] = Config.of(AMD64, [Digest.of(LAYERS[0])] * 2000).raw
    begun = time.process_time()
    store = read_archive(archive(tmp_path / "it.tar", contents), tmp_path / "store")
    assert time.process_time() - begun < 1
    [ref] = store.refs
    assert len(store.manifest(ref.descriptor).children) == 2001


def test_several_images_in_one(tmp_path: Path) -> None:
    other = Config.of(AMD64, [Digest.of(LAYERS[0])]).raw
    images = json.loads(saved()) + json.loads(saved(Config="other.json", RepoTags=["other:v1"], Layers=["1/layer.tar"]))
    contents = {**files(), "other.json": other, "manifest.json": json.dumps(images).encode()}
    store = read_archive(archive(tmp_path / "a.tar", contents), tmp_path / "read")
    assert set(names(store)) == {"app:v1", "other:v1"}
    assert len(set(names(store).values())) == 2


def test_the_same_archive_gives_the_same_digest(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", files())
    assert names(read_archive(path, tmp_path / "one")) == names(read_archive(path, tmp_path / "two"))


def loop() -> Contents:
    return {
        **files(Layers=["a", "2/layer.tar"]),
        "a": ("symlink", "b"),
        "b": ("symlink", "a"),
    }


@pytest.mark.parametrize(
    "contents",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"manifest.json": b"{}"}, id="no array"),
        pytest.param({"manifest.json": b"[1]"}, id="no image"),
        pytest.param({"manifest.json": b"[{}]"}, id="an empty image"),
        pytest.param({**files(), "manifest.json": b"[" * 100_000}, id="nested too deep"),
        pytest.param(files(Layers=["1/layer.tar"]), id="a layer too few"),
        pytest.param(files(Layers=["2/layer.tar", "1/layer.tar"]), id="another order"),
        pytest.param(files(Layers=["1/layer.tar", "none"]), id="a layer that is not there"),
        pytest.param(files(Layers=["1/layer.tar", "../../etc/passwd"]), id="a layer outside"),
        pytest.param(files(Config="none"), id="no config"),
        pytest.param(files(Config="1/layer.tar"), id="a config that is none"),
        pytest.param(loop(), id="links in a circle"),
    ],
)
def test_what_is_no_image_is_malformed(tmp_path: Path, contents: Contents) -> None:
    with pytest.raises(Malformed):
        read_archive(archive(tmp_path / "a.tar", contents), tmp_path / "read")
    if (tmp_path / "read").exists():
        assert list(Store.open(tmp_path / "read").refs) == []


@pytest.mark.parametrize("cut", [0, 100, 511, 513, 2000])
def test_what_is_cut_short_is_malformed(tmp_path: Path, cut: int) -> None:
    path = archive(tmp_path / "a.tar", files())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(Malformed, match=r"a\.tar"):
        read_archive(path, tmp_path / "read")


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot read '.*none\.tar': no such file"):
        read_archive(tmp_path / "none.tar", tmp_path / "read")
