"""resolve: many files of YAML, and one large one."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench import inputs
from bench.case import Bench, Case, Found, at_most
from bench.documents import composing, deployment
from bench.timing import Deed, timed, turns
from tests.registry.debian import docker_registry
from tests.tools import KRUST, ROOT, run

_FILES = 1000
_DOCUMENTS = 10_000


def measure(bench: Bench, found: Found) -> None:
    hello = inputs.example("hello-krust", bench.folder)
    many, one, large = (bench.folder / name for name in ("many", "one", "large"))
    _write(many, _FILES, f"krust://{hello}")
    _write(one, 1, f"krust://{hello}")
    large.write_text("---\n".join(deployment(number, f"krust://{hello}") for number in range(_DOCUMENTS)))
    lock = bench.folder / "lock"
    resolve = (KRUST, "resolve", "-q", "--no-push", "--store", bench.folder / "store")
    run(*resolve, "--lock", lock, "-f", one)  # and it is compiled

    deeds: dict[str, Deed] = {
        "krust resolve": lambda: timed(*resolve, "-f", many),
        "krust resolve, one file": lambda: timed(*resolve, "-f", one),
        "PyYAML composes them": lambda: timed(*composing(many)),
    }
    if "ko" in bench.peers and "docker-registry" in bench.peers:
        with docker_registry(bench.folder / "registry") as host:
            run(KRUST, "build", "-q", "--image", f"{host}/base", "--store", bench.folder / "store", hello)
            deeds["ko resolve"] = _ko(bench.folder, f"{host}/base")
            deeds["ko resolve"]()
            rows = found.table(f"{_FILES} files, each with one reference", turns(bench.rounds, deeds))
    else:
        rows = found.table(f"{_FILES} files, each with one reference", turns(bench.rounds, deeds))
    found.bound = rows["krust resolve"].wall / rows["PyYAML composes them"].wall

    locked = (KRUST, "resolve", "-q", "--locked", lock, "-f", large)
    both = {"krust resolve --locked": lambda: timed(*locked), "PyYAML composes it": lambda: timed(*composing(large))}
    title = f"{_DOCUMENTS} documents, {large.stat().st_size / 1e6:.0f} MB"
    krust, compose = found.table(title, turns(bench.rounds, both)).values()
    found.measured["compose"] = krust.wall / compose.wall


def _write(folder: Path, count: int, image: str) -> None:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:04}.yaml").write_text(deployment(number, image))


def _ko(folder: Path, base: str) -> Deed:
    project, files = folder / "hello-ko", folder / "many-ko"
    shutil.copytree(ROOT / "bench" / "go" / "hello", project)
    _write(files, _FILES, "ko://krust/bench/hello")
    env = {"KO_DEFAULTBASEIMAGE": base, "KO_DOCKER_REPO": base}
    return lambda: timed("ko", "resolve", "--push=false", "-f", files, cwd=project, env=env)


CASE = Case(
    name="resolve",
    title="References in YAML",
    about="""
1,000 files with a Deployment each, all of which name one package: `krust resolve --no-push`, when it is compiled
already; the same of one file, so that what the files add can be seen; `ko resolve --push=false` of the same files with
ko's references. Then a file of 10,000 documents, whose image is in a lock file, so that nothing is built. PyYAML reads
the same files with its parser in C, composes their nodes, and does nothing with them.
""",
    goals={"compose": at_most(1.5, "", "resolve of 10,000 documents: wall time, of composing them by PyYAML in C")},
    bound="composing the 1,000 files by PyYAML's parser in C",
    measure=measure,
    rounds=3,
    minutes=2,
    peers=("ko", "go", "docker-registry"),
)
