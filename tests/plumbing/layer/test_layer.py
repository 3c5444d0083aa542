"""A layer in one pass: its diff ID, the same from anything to anywhere; and how little memory it needs."""

from __future__ import annotations

import hashlib
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from plumbing.errors import Malformed, SourceError
from plumbing.layer.codec import Codec
from plumbing.layer.entries import Entry, Source, collect
from plumbing.layer.layer import diff_id_of, layer_diff_id, write_compressed
from plumbing.oci.digest import Digest
from tests.tools import ROOT, require_tool, run

CODECS: list[Codec] = ["gzip", "zstd", "none"]


def entries(root: Path) -> list[Entry]:
    """A small tree with a file of more than one block."""
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "big").write_bytes(b"".join(hashlib.sha256(b"%d" % n).digest() * 4 for n in range(20_000)))
    (root / "link").symlink_to("sub/big")
    return collect([Source(src=root, dest="/data"), Source(src=b"root:x:0:0\n", dest="/etc/passwd")])


def layer_of(found: list[Entry], codec: Codec, **options) -> tuple[Digest, bytes]:
    out = BytesIO()
    return write_compressed(found, mtime=0, codec=codec, out=out, **options), out.getvalue()


@pytest.mark.parametrize("codec", CODECS)
def test_the_diff_id_is_that_of_the_tar(codec: Codec, tmp_path: Path) -> None:
    found = entries(tmp_path / "root")
    diff_id, blob = layer_of(found, codec)
    assert diff_id == layer_diff_id(codec, BytesIO(blob)) == diff_id_of(found, mtime=0)
    assert (diff_id == Digest.of(blob)) == (codec == "none")


def test_the_diff_id_is_the_same_whatever_the_codec_and_the_place(tmp_path: Path) -> None:
    layers = [layer_of(entries(tmp_path / codec), codec) for codec in CODECS]
    assert len({diff_id for diff_id, _ in layers}) == 1
    assert len({blob for _, blob in layers}) == 3


@pytest.mark.parametrize("codec", CODECS)
def test_threads_and_times_change_nothing(codec: Codec, tmp_path: Path) -> None:
    found = entries(tmp_path / "root")
    once = layer_of(found, codec, threads=1)
    assert layer_of(found, codec, threads=3) == once
    for path in (tmp_path / "root").rglob("*"):
        if path.is_file():
            path.touch()
    assert layer_of(found, codec) == once


def test_a_golden_layer() -> None:
    """What krust promises to everyone: this diff ID, on any machine, from any version."""
    found = collect([Source(src=b"hello\n", dest="/app/hello", mode=0o755), Source(src=None, dest="/tmp", mode=0o1777)])
    assert str(diff_id_of(found, mtime=0)) == "sha256:2308a6820530120ddb484fc5217a5ce300db2a0ba71eaf609fee721fac6b2b9a"


def test_a_fault_in_a_source_leaves_no_whole_layer(tmp_path: Path) -> None:
    found = entries(tmp_path / "root")
    (tmp_path / "root" / "sub" / "big").write_bytes(b"short")
    for codec in ("gzip", "zstd"):
        out = BytesIO()
        with pytest.raises(SourceError):
            write_compressed(found, mtime=0, codec=codec, out=out)
        with pytest.raises(Malformed):
            layer_diff_id(codec, BytesIO(out.getvalue()))


def test_no_entries_are_an_archive_all_the_same() -> None:
    diff_id, blob = layer_of([], "none")
    assert blob == bytes(1024)
    assert diff_id == Digest.of(bytes(1024))


@pytest.mark.parametrize("codec", ["gzip", "none"])
def test_tarfile_reads_a_layer(codec: Codec, tmp_path: Path) -> None:
    _, blob = layer_of(entries(tmp_path / "root"), codec)
    with tarfile.open(fileobj=BytesIO(blob), mode="r:*") as archive:
        assert archive.getnames() == ["data", "data/link", "data/sub", "data/sub/big", "etc", "etc/passwd"]


# The peak of a process that only this test starts; `what` is Python that may use `found` and `codec`.
_MEASURED = """
import sys
from pathlib import Path
from plumbing.layer.codec import decompressed
from plumbing.layer.entries import Source, collect
from plumbing.layer.layer import layer_diff_id, write_compressed

codec, source, blob = sys.argv[1:]
found = collect([Source(src=Path(source), dest="/big")])
if Path(blob).exists():
    with open(blob, "rb") as stream:
        layer_diff_id(codec, stream)
else:
    with open(blob, "wb") as out:
        write_compressed(found, mtime=0, codec=codec, out=out, threads=4)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak(codec: Codec, source: Path, blob: Path) -> int:
    """Bytes of memory; writes the blob, or if it is there, reads it."""
    done = run(sys.executable, "-c", _MEASURED, codec, source, blob, cwd=ROOT)
    return int(done.stdout) << 10


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_four_gibibytes_are_written_and_read_in_constant_memory(codec: Codec, tmp_path: Path) -> None:
    source = tmp_path / "sparse"
    with source.open("wb") as sparse:
        sparse.truncate(4 << 30)
    assert peak(codec, source, tmp_path / "blob") < 64 << 20
    assert peak(codec, source, tmp_path / "blob") < 64 << 20


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_what_does_not_compress_needs_no_more_memory(codec: Codec, tmp_path: Path) -> None:
    source = tmp_path / "random"
    run("dd", "if=/dev/urandom", f"of={source}", "bs=1M", "count=256")
    assert peak(codec, source, tmp_path / "blob") < 64 << 20
    assert peak(codec, source, tmp_path / "blob") < 64 << 20


@pytest.mark.slow
def test_go_reads_a_gzip_layer(tmp_path: Path) -> None:
    """compress/gzip and archive/tar are what container runtimes read layers with."""
    go = require_tool("go")
    (tmp_path / "main.go").write_text(
        """package main

import ("archive/tar"; "compress/gzip"; "fmt"; "io"; "os")

func main() {
	plain, err := gzip.NewReader(os.Stdin)
	if err != nil { panic(err) }
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if err == io.EOF { break }
		if err != nil { panic(err) }
		n, err := io.Copy(io.Discard, archive)
		if err != nil { panic(err) }
		fmt.Println(header.Name, n)
	}
	if _, err := io.Copy(io.Discard, plain); err != nil { panic(err) }
}
"""
    )
    _, blob = layer_of(entries(tmp_path / "root"), "gzip")
    said = run(go, "run", "main.go", cwd=tmp_path, stdin=blob).stdout.decode().splitlines()
    assert said == ["data/ 0", "data/link 0", "data/sub/ 0", "data/sub/big 2560000", "etc/ 0", "etc/passwd 11"]
