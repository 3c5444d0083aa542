"""layer: from a large program to a layer."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from bench import inputs
from bench.case import Bench, Case, Found, at_least, at_most
from bench.inputs import MIB
from bench.timing import Deed, Run, timed, turns
from tests.tools import KRUST, ROOT, run

_SIZE = 512 * MIB
_CODECS = ("gzip", "zstd")


def measure(bench: Bench, found: Found) -> None:
    file = inputs.big_binary(bench.folder, _SIZE)
    deeds: dict[str, Deed] = {}
    for codec in _CODECS:
        deeds[f"krust write-layer, {codec}"] = _written(file, bench.folder / "store", codec)
    for codec in _CODECS:
        deeds[f"krust, nothing written, {codec}"] = _nowhere(file, bench.folder, codec)
    if "go" in bench.peers:
        deeds["Go, nothing written, gzip -1"] = _go(file, bench.folder)
    if "crane" in bench.peers:
        deeds["crane append"] = _crane(file, bench.folder)
    if "umoci" in bench.peers:
        deeds["umoci insert"] = _umoci(file, bench.folder / "umoci")
    deeds["one sha256 pass"] = inputs.sha256(file)
    rows = found.table("a layer of 512 MiB", turns(bench.rounds, deeds))
    sizes = {name: int((bench.folder / name).read_text()) for name in rows if (bench.folder / name).exists()}
    for name, row in rows.items():
        row.more["MB/s"] = f"{_SIZE / row.wall / 1e6:.0f}"
        row.more["of its size"] = f"{sizes[name] / _SIZE:.3f}" if name in sizes else ""
    command, library = rows["krust write-layer, gzip"], rows["krust, nothing written, gzip"]
    found.measured["memory"] = command.peak / MIB
    found.bound = library.wall / rows["one sha256 pass"].wall
    if go := rows.get("Go, nothing written, gzip -1"):
        found.measured["rate"] = go.wall / library.wall
        found.measured["size"] = sizes["krust, nothing written, gzip"] / sizes["Go, nothing written, gzip -1"]
    if crane := rows.get("crane append"):
        found.measured["crane"] = crane.wall / command.wall


def _written(file: Path, store: Path, codec: str) -> Deed:
    def deed() -> Run:
        shutil.rmtree(store, ignore_errors=True)
        return timed(KRUST, "write-layer", "--store", store, f"--compression={codec}", f"{file}=/app")

    return deed


def _nowhere(file: Path, folder: Path, codec: str) -> Deed:
    size = folder / f"krust, nothing written, {codec}"
    return lambda: timed(sys.executable, "-m", "bench.nowhere", file, codec, cwd=ROOT, out=size)


def _go(file: Path, folder: Path) -> Deed:
    program, size = folder / "go-layer", folder / "Go, nothing written, gzip -1"
    run("go", "build", "-o", program, ".", cwd=ROOT / "bench" / "go" / "layer")
    return lambda: timed(program, file, out=size)


def _crane(file: Path, folder: Path) -> Deed:
    """It takes a tar, so that is made before, and costs it nothing."""
    tar, image = folder / "layer.tar", folder / "image.tar"
    run("tar", "-cf", tar, "-C", file.parent, file.name)
    return lambda: timed("crane", "append", "-f", tar, "-t", "bench/app", "-o", image)


def _umoci(file: Path, layout: Path) -> Deed:
    """Into an image that is there, and has nothing in it."""

    def deed() -> Run:
        shutil.rmtree(layout, ignore_errors=True)
        run("umoci", "init", "--layout", layout)
        run("umoci", "new", "--image", f"{layout}:app")
        return timed("umoci", "insert", "--image", f"{layout}:app", file, "/app")

    return deed


CASE = Case(
    name="layer",
    title="A layer of a large program",
    about="""
512 MiB, made of pieces of real binaries and as many random bytes as it takes for gzip -1 to leave 0.47 of it. The Go
program is [bench/go/layer](go/layer/main.go), which does what ko does for a layer, and writes nothing; beside it
krust's library does the same. `krust write-layer` puts the layer into a store, durably; `crane append` compresses a tar
that was made before, into the tar of an image; `umoci insert` puts the file into an image of a layout.
""",
    goals={
        "rate": at_least(5, "", "layer: rate of gzip, of Go's"),
        "size": at_most(1, "", "layer: size by gzip, of Go's"),
        "crane": at_least(5, "", "layer: rate of `write-layer`, of `crane append`'s"),
        "memory": at_most(64, "MiB", "layer: memory of `write-layer`"),
    },
    bound="one pass of sha256 over the file, in one thread",
    measure=measure,
    rounds=3,
    minutes=1.5,
    peers=("go", "crane", "umoci"),
)
