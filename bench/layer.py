"""A layer by krust beside the same by Go's compress/gzip at level 1, which is what ko uses. See bench/go/layer.go.

    python bench/layer.py [FILE...]     real binaries; without any, those of this machine

Both read the file, tar it, hash the tar, compress it, and hash that; nothing is written. They take turns, and the best
of each counts, because others may be using the machine. Beside the wall time stands the time of the processors: krust
compresses on as many as there are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from plumbing.layer.codec import Codec, codec_id  # noqa: E402
from plumbing.layer.entries import Entry, Source, collect  # noqa: E402
from plumbing.layer.layer import write_layer  # noqa: E402
from plumbing.layer.streams import Nowhere  # noqa: E402
from plumbing.layer.tar import diff_id_of  # noqa: E402

ROUNDS = 8
CODECS: tuple[Codec, ...] = ("gzip", "zstd", "none")


@dataclass(frozen=True)
class Run:
    wall: float
    cpu: float
    size: int


def go(program: Path, file: Path) -> Run:
    before = os.times()
    said = subprocess.run([program, file], check=True, capture_output=True, text=True).stdout.split()
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(float(said[0]), cpu, int(said[1]))


def krust(entries: list[Entry], codec: Codec | None) -> Run:
    """Without a codec, the diff ID alone."""
    wall, cpu, size = time.perf_counter(), time.process_time(), 0
    if codec:
        size = write_layer(entries, mtime=0, codec=codec, out=Nowhere()).size
    else:
        diff_id_of(entries, mtime=0)
    return Run(time.perf_counter() - wall, time.process_time() - cpu, size)


def compare(program: Path, file: Path) -> None:
    plain = file.stat().st_size
    entries = collect([Source(src=file, dest="/app")])
    runs: dict[str, list[Run]] = {}
    for _ in range(ROUNDS):
        runs.setdefault("go gzip -1", []).append(go(program, file))
        for codec in CODECS:
            runs.setdefault(f"krust {codec}", []).append(krust(entries, codec))
        runs.setdefault("krust diff ID", []).append(krust(entries, None))
    print(f"\n{file.name}, {plain / 1e6:.1f} MB, best of {ROUNDS} on {os.cpu_count()} cores")
    print(f"{'':14} {'MB/s':>7} {'times go':>9} {'MB/cpu s':>9} {'times go':>9} {'size':>7} {'of go':>7}")
    base: Run | None = None
    for name, taken in runs.items():
        run = Run(min(run.wall for run in taken), min(run.cpu for run in taken), taken[0].size)
        base = base or run
        size = f"{run.size / plain:7.3f} {run.size / base.size:7.3f}" if run.size else ""
        rates = (plain / run.wall / 1e6, base.wall / run.wall, plain / run.cpu / 1e6, base.cpu / run.cpu)
        print("{:14} {:7.0f} {:9.2f} {:9.0f} {:9.2f}".format(name, *rates), size)


def binaries() -> list[Path]:
    """Big ones that a machine for Rust has: the compiler's own library, and commands in Go."""
    home = Path(os.environ.get("RUSTUP_HOME", Path.home() / ".rustup"))
    drivers = sorted(home.glob("toolchains/*/lib/librustc_driver-*.so"))[:1]
    found = [Path(path).resolve() for path in (shutil.which("go"), shutil.which("docker")) if path]
    return [*drivers, *found]


def main() -> None:
    print(*(codec_id(codec) for codec in CODECS), sep="\n")
    with tempfile.TemporaryDirectory() as made:
        program = Path(made) / "layer"
        subprocess.run(["go", "build", "-o", program, ROOT / "bench" / "go" / "layer.go"], check=True)
        for file in [Path(argument) for argument in sys.argv[1:]] or binaries():
            compare(program, file)


if __name__ == "__main__":
    main()
