"""A workspace of 20 services: one `krust build --workspace`, beside 20 builds one after another, and cargo alone.

    python bench/workspace.py [SERVICES [ROUNDS]]      20 services, two rounds of each, if it is not said

All start cold: no target directory, no store. The 20 builds have one target directory, so that the library is compiled
once, and then one each, as with a Dockerfile for each service. Cargo alone is the very call that krust made, with the
same words and the same environment, written down by a cargo that stands before the real one. The goals are of issue 5:
at most 0.5 of the 20 builds, at most 1.3 of cargo alone, a no-op in 0.3 s, and a change in one service compiles and
writes one.

They take turns, and the best of each counts, because others may be using the machine. Beside the wall time stands the
time of the processors, of all children, which others change less.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.make_workspace import SERVICES, make  # noqa: E402

KRUST = Path(sys.executable).with_name("krust")
NO_OPS = 10

_RECORDER = """\
#!{python} -SE
import json, os, sys
if sys.argv[1:2] == ["build"]:
    with open({log!r}, "w") as file:
        json.dump([[{cargo!r}, *sys.argv[1:]], dict(os.environ), os.getcwd()], file)
os.execv({cargo!r}, [{cargo!r}, *sys.argv[1:]])
"""


@dataclass(frozen=True)
class Run:
    wall: float
    cpu: float


def best(runs: Iterable[Run]) -> Run:
    """The least of each: what it takes when nobody is in the way."""
    wall, cpu = zip(*((run.wall, run.cpu) for run in runs), strict=True)
    return Run(min(wall), min(cpu))


def timed(deed: Callable[[], object]) -> Run:
    before, began = os.times(), time.perf_counter()
    deed()
    wall, after = time.perf_counter() - began, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(wall, used)


@dataclass(frozen=True)
class Bench:
    project: Path
    services: list[str]
    env: Mapping[str, str]
    recorder: Path
    recorded: Path

    @classmethod
    def make(cls, folder: Path, services: int) -> Bench:
        cargo = shutil.which(os.environ.get("CARGO", "cargo"))
        assert cargo, "no cargo on PATH"
        recorder, recorded = folder / "cargo", folder / "recorded.json"
        recorder.write_text(_RECORDER.format(python=sys.executable, log=str(recorded), cargo=cargo))
        recorder.chmod(0o755)
        project = folder / "workspace"
        return cls(project, make(project, services), dict(os.environ), recorder, recorded)

    def cold(self) -> None:
        for place in ("target", ".krust"):
            shutil.rmtree(self.project / place, ignore_errors=True)

    def krust(self, *words: str, cargo: Path | None = None) -> subprocess.CompletedProcess[str]:
        env = {**self.env, **({"CARGO": str(cargo)} if cargo else {})}
        argv = [KRUST, "build", "--no-push", *words]
        return subprocess.run(argv, cwd=self.project, env=env, check=True, capture_output=True, text=True)

    def together(self) -> None:
        self.krust("--workspace")

    def one_by_one(self) -> None:
        for name in self.services:
            self.krust("-p", name)

    def each_alone(self) -> None:
        """As 20 Dockerfiles do it, or 20 jobs of a CI: nothing that one has compiled is there for the next."""
        for name in self.services:
            shutil.rmtree(self.project / "target", ignore_errors=True)
            self.krust("-p", name)

    def record(self) -> None:
        self.krust("--workspace", cargo=self.recorder)

    def cargo_alone(self) -> None:
        words, env, folder = json.loads(self.recorded.read_text())
        subprocess.run(words, cwd=folder, env=env, check=True, capture_output=True)

    def change(self) -> tuple[Run, list[str], list[str]]:
        """Change one service; returns the time, what cargo compiled, and the blobs that came to the store."""
        main = self.project / "services" / self.services[0] / "src" / "main.rs"
        main.write_text(main.read_text().replace('"/healthz"', '"/health"'))
        blobs = self.project / ".krust" / "blobs" / "sha256"
        before, done = set(blobs.iterdir()), []
        run = timed(lambda: done.append(self.krust("--workspace")))
        compiled = [line.split()[1] for line in done[0].stderr.splitlines() if line.strip().startswith("Compiling")]
        return run, compiled, sorted(blob.name[:12] for blob in set(blobs.iterdir()) - before)


def measure(folder: Path, services: int, rounds: int) -> None:
    bench = Bench.make(folder, services)
    bench.record()  # and what is made once on a machine, such as the linker's environment, is there from here on
    deeds = {
        "krust build --workspace": bench.together,
        "cargo alone": bench.cargo_alone,
        f"{services} builds, one target": bench.one_by_one,
        f"{services} builds, {services} targets": bench.each_alone,
    }
    runs: dict[str, list[Run]] = {name: [] for name in deeds}
    for _ in range(rounds):
        for name, deed in deeds.items():
            bench.cold()
            runs[name].append(timed(deed))
    print(f"{services} services on {os.cpu_count()} cores, cold, best of {rounds}; load {os.getloadavg()[0]:.1f}")
    found = {name: best(taken) for name, taken in runs.items()}
    for name, run in found.items():
        print(f"  {name:26} {run.wall:7.2f} s {run.cpu:7.2f} cpu s")
    together, *others = found.values()
    for name, other, goal in zip([*found][1:], others, (1.3, 0.5, 0.5), strict=True):
        print(f"  of {name:23} {together.wall / other.wall:7.2f}   {together.cpu / other.cpu:7.2f} cpu    goal {goal}")
    bench.cold()
    bench.together()
    no_op = best([timed(bench.together) for _ in range(NO_OPS)])
    still = best([timed(bench.cargo_alone) for _ in range(NO_OPS)])
    print(f"no-op       {no_op.wall:5.2f} s {no_op.cpu:5.2f} cpu s  goal 0.3; cargo's part of it {still.wall:4.2f} s")
    run, compiled, blobs = bench.change()
    print(f"one changed {run.wall:5.2f} s {run.cpu:5.2f} cpu s  compiled {compiled}, wrote {len(blobs)} blobs (goal 3)")


def main() -> None:
    given = [int(word) for word in sys.argv[1:]]
    services, rounds = [*given, *(SERVICES, 2)[len(given) :]]
    with tempfile.TemporaryDirectory(prefix="krust-bench-") as folder:
        measure(Path(folder), services, rounds)


if __name__ == "__main__":
    main()
