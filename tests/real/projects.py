"""Programs that nobody here wrote, as their authors have published them: what is built of each, and what it then says.

`make real` builds and runs all of them, and writes README.md; the smallest are built by tests/real/test_real.py.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCE = "/source"
"""Where a container finds the project's source, to have something to work on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One command in the image `image`: the words after its entrypoint, and what it has to print."""

    image: str
    words: tuple[str, ...]
    prints: str
    stdin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A package of the registry. `words` are for `krust build`; what follows '--' there is always '--locked'.

    has     what makes it worth building
    images  how many lines krust has to print
    small   it is built in the slow tests, too
    """

    name: str
    version: str
    has: str
    runs: tuple[Run, ...]
    words: tuple[str, ...] = ()
    images: int = 1
    small: bool = False

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"


PROJECTS = (
    Project(
        name="b3sum",
        version="1.8.7",
        has="assembler and C of BLAKE3, by a build script",
        runs=(Run(image="b3sum", words=(f"{SOURCE}/Cargo.lock",), prints=r"[0-9a-f]{64}  /source/Cargo.lock"),),
        small=True,
    ),
    Project(
        name="hyperfine",
        version="1.20.0",
        has="a build script that writes completions, proc macros; it starts other processes",
        runs=(
            Run(
                image="hyperfine",
                words=("--shell=none", "--warmup=1", "--runs=5", "--style=basic", "/app/hyperfine --version"),
                prints=r"Benchmark 1: /app/hyperfine --version(.*\n)+.*5 runs",
            ),
        ),
        small=True,
    ),
    Project(
        name="ripgrep",
        version="15.2.0",
        has="PCRE2 and jemalloc in C, the one by cc, the other by its own ./configure and make",
        words=("--features=pcre2",),
        runs=(
            Run(
                image="ripgrep",
                words=("--pcre2", "-n", r"^version = \"(?=15)", f"{SOURCE}/Cargo.toml"),
                prints=r'\d+:version = "15\.2\.0"',
            ),
            Run(image="ripgrep", words=("--version",), prints=r"ripgrep 15\.2\.0(.*\n)+.*PCRE2 .* is available"),
        ),
    ),
    Project(
        name="tokei",
        version="15.0.0",
        has="a build script that makes Rust of a table of languages by templates; proc macros",
        runs=(Run(image="tokei", words=("--types=Rust,TOML", SOURCE), prints=r"(.*\n)+ ?Rust +\d+ +\d+"),),
    ),
    Project(
        name="fd-find",
        version="10.5.0",
        has="jemalloc; the binary, fd, is not called as the package",
        runs=(Run(image="fd-find", words=("--extension=toml", "Cargo", SOURCE), prints=r"/source/Cargo\.toml"),),
    ),
    Project(
        name="inferno",
        version="0.12.8",
        has="eleven binaries, which are eleven images of one cargo invocation",
        words=("--workspace",),
        images=11,
        runs=(
            Run(
                image="inferno-flamegraph",
                words=("--title=krust",),
                stdin="main;write 3\nmain;hash 5\n",
                prints=r"(?s)<\?xml.*<svg .*krust.*</svg>",
            ),
            Run(
                image="inferno-collapse-recursive",
                words=(),
                stdin="main;walk;walk;walk 7\n",
                prints=r"main;walk 7",
            ),
        ),
    ),
    Project(
        name="bat",
        version="0.26.1",
        has="libgit2, zlib and Oniguruma in C, a build script, a binary and seven examples, of which one is built",
        words=("--bin=bat", "--example=list_syntaxes_and_themes"),
        images=2,
        runs=(
            Run(
                image="bat",
                words=("--color=always", "--style=plain", "--line-range=:14", f"{SOURCE}/Cargo.toml"),
                prints=r"(?s).*\x1b\[38;.*",
            ),
            Run(image="list_syntaxes_and_themes", words=(), prints=r"(?s)Syntaxes:\n.*Rust.*Themes:\n.*"),
        ),
    ),
    Project(
        name="miniserve",
        version="0.35.0",
        has="TLS by C and assembler, zstd in C, a web server with its pages and styles compiled in",
        runs=(Run(image="miniserve", words=("--version",), prints=r"miniserve 0\.35\.0"),),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What came of a project: the lines that krust printed, and the bytes of all layers but the base's."""

    references: tuple[str, ...]
    size: int


def fetch(project: Project, folder: Path) -> Path:
    """The source of `project`, as cargo unpacks it, copied into `folder`; nothing in it is changed."""
    cargo = os.environ.get("CARGO", "cargo")
    # `cargo info` has cargo fetch a package alone, without what it depends on
    subprocess.run(
        [cargo, "info", "--quiet", f"{project.name}@{project.version}"], cwd=folder, check=True, capture_output=True
    )
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    [source] = home.glob(f"registry/src/*/{project}")
    place = folder / "src" / str(project)
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source, place, ignore=shutil.ignore_patterns(".cargo-ok"))
    return place


def build(krust: Path, project: Project, source: Path, layout: Path, *, env: Mapping[str, str] | None = None) -> Built:
    """Build `project` into the store `layout`. Raises CalledProcessError, with what krust and cargo said."""
    argv: list[str | Path] = [
        krust,
        "build",
        "--no-push",
        "--json",
        f"--store={layout}",
        *project.words,
        source,
        "--",
        "--locked",
    ]
    done = subprocess.run(argv, env={**os.environ, **(env or {})}, check=True, stdout=subprocess.PIPE)
    said = json.loads(done.stdout)
    accounts = said if isinstance(said, list) else [said]
    layers = [layer for account in accounts for image in account["images"] for layer in image["layers"]]
    references = tuple(account["reference"] for account in accounts)
    return Built(references=references, size=sum(layer["size"] for layer in layers))


def run(run: Run, layout: Path, source: Path, folder: Path, *, umoci: str, runc: str) -> str:
    """What the image prints when it is run, by umoci and runc, with the source at SOURCE. Raises CalledProcessError."""
    bundle = folder / f"bundle-{run.image}"
    shutil.rmtree(bundle, ignore_errors=True)
    _done([umoci, "unpack", "--image", f"{layout}:{run.image}:latest", str(bundle)])
    spec = json.loads((bundle / "config.json").read_text())
    spec["process"]["terminal"] = False
    spec["process"]["args"] += run.words
    mount = {"destination": SOURCE, "source": str(source), "type": "bind", "options": ["rbind", "ro"]}
    spec["mounts"].append(mount)
    (bundle / "config.json").write_text(json.dumps(spec))
    return _done([runc, "run", "--bundle", str(bundle), f"krust-real-{os.getpid()}"], stdin=run.stdin)


def _done(argv: Sequence[str], stdin: str = "") -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
