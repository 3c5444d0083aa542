"""write-layer and ls-layer: files into a layer, and what is in one. What a tar holds is tests/plumbing/layer's."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from plumbing.layer.codec import codec_id
from plumbing.oci import mediatype
from plumbing.store import Store
from tests.plumbing.commands.conftest import Plumbing


@pytest.fixture
def files(store: Store) -> None:
    Path("hello").write_text("hello")
    Path("hello").chmod(0o755)
    Path("data").mkdir()
    Path("data/a=b").write_text("a")
    Path("data/link").symlink_to("a=b")


@pytest.mark.usefixtures("files")
def test_files_and_directories_and_nothing(plumbing: Plumbing) -> None:
    layer = plumbing("write-layer", "hello=/app/hello", "data=/d", "=/tmp", "data/a=b=/x").out.strip()
    assert plumbing("ls-layer", layer).lines == [
        "d0755 0:0 0\tapp",
        "-0755 0:0 5\tapp/hello",
        "d0755 0:0 0\td",
        "-0644 0:0 1\td/a=b",
        "l0777 0:0 0\td/link -> a=b",
        "d0755 0:0 0\ttmp",
        "-0644 0:0 1\tx",
    ]


@pytest.mark.usefixtures("files")
def test_the_same_files_are_the_same_layer_by_whatever_way(plumbing: Plumbing) -> None:
    first = plumbing("write-layer", "hello=/app/hello", "=/tmp")
    batch = "- 0:0\t/tmp\t\n755 0:0\t/app/hello\thello\n"
    assert plumbing("write-layer", "--batch", "-", stdin=batch.encode()) == first
    assert plumbing("write-layer", "-z", "--batch", "-", stdin=batch.replace("\n", "\0").encode()) == first
    assert plumbing("write-layer", "=/tmp", "hello=/app/hello", "--mtime", "0") == first


@pytest.mark.usefixtures("files")
def test_json_has_all_that_the_bytes_depend_on(plumbing: Plumbing) -> None:
    value = json.loads(plumbing("write-layer", "hello=/hello", "--compression", "zstd", "--json").out)
    assert list(value) == ["mediaType", "digest", "size", "diffID", "codec"]
    assert (value["mediaType"], value["codec"]) == (mediatype.LAYER_ZSTD, codec_id("zstd"))
    plain = json.loads(plumbing("write-layer", "hello=/hello", "--compression", "none", "--json").out)
    assert plain["digest"] == plain["diffID"] == value["diffID"]


@pytest.mark.usefixtures("files")
def test_source_date_epoch(plumbing: Plumbing, monkeypatch: pytest.MonkeyPatch) -> None:
    def times(*options: str) -> set[int]:
        layer = plumbing("write-layer", "hello=/app/hello", *options).out.strip()
        return {json.loads(line)["mtime"] for line in plumbing("ls-layer", layer, "--json").lines}

    assert times() == {0}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert times() == {1700000000}
    assert times("--mtime", "5") == {5}
    config = plumbing("write-config", "--platform", "linux/amd64").out.strip()
    assert json.loads(plumbing("cat-config", config).out)["created"] == "2023-11-14T22:13:20Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    for line in ("write-layer hello=/hello", "write-config --platform linux/amd64"):
        assert "'yesterday' is not a valid integer" in plumbing(*line.split(), code=2).err


@pytest.mark.usefixtures("files")
def test_modes_capabilities_and_exclusion(plumbing: Plumbing) -> None:
    words = ["data=/d", "hello=/hello", "--mode", "0600", "--exclude", "link"]
    layer = plumbing("write-layer", *words).out.strip()
    assert plumbing("ls-layer", layer).lines == [
        "d0755 0:0 0\td",
        "-0600 0:0 1\td/a=b",
        "-0600 0:0 5\thello",
    ]
    layer = plumbing("write-layer", "hello=/hello", "--cap", "cap_net_bind_service=+ep").out.strip()
    assert plumbing("ls-layer", layer).lines == ["-0755 0:0 5\thello cap_net_bind_service=ep"]


@pytest.mark.parametrize(
    "record",
    [
        "x",
        "- 0:0",
        "8 0:0\t/x\thello",
        "- a:0\t/x\thello",
        "- 0\t/x\thello",
        "- 0:0\t/x\thel\0lo",
        "- 0:0\t../x\thello",
    ],
)
@pytest.mark.usefixtures("files")
def test_a_record_that_is_none_is_refused(record: str, plumbing: Plumbing, store: Store) -> None:
    plumbing("write-layer", "--batch", "-", stdin=f"{record}\n".encode(), code=1)
    assert list(store.blobs) == []


def test_names_that_others_wrote(store: Store, plumbing: Plumbing) -> None:
    """Escaped in a line; byte for byte with -z; as text in JSON, where only what is not UTF-8 is escaped."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in ("a\nb", "\x1b[2J", "caf\udce9", "back\\slash"):
            archive.addfile(tarfile.TarInfo(name))
    layer = store.put(out.getvalue(), mediatype.LAYER).digest
    assert [line.partition("\t")[2] for line in plumbing("ls-layer", layer).lines] == [
        r"a\nb",
        r"\x1b[2J",
        r"caf\udce9",
        r"back\slash",
    ]
    raw = plumbing("ls-layer", layer, "-z").raw
    assert [line.partition(b"\t")[2] for line in raw.split(b"\0")[:-1]] == [
        b"a\nb",
        b"\x1b[2J",
        b"caf\xe9",
        b"back\\slash",
    ]
    paths = [json.loads(line)["path"] for line in plumbing("ls-layer", layer, "--json").lines]
    assert paths == ["a\nb", "\x1b[2J", r"caf\xe9", r"back\slash"]
