"""Start-up is felt: a small command imports what it needs and nothing more."""

from __future__ import annotations

import compileall
import hashlib
import json
import sys
import time
from pathlib import Path

import pytest

from tests.tools import KRUST, ROOT, run

_SLOW = {"asyncio", "httpcore", "isal", "rich", "starlette", "uvicorn", "yaml", "ziglang", "zstandard"}
_FELT = {"concurrent.futures", "logging", "lzma", "shutil", "subprocess", "tempfile"}
"""Each takes a millisecond or more, of the 35 that click leaves to a small command."""

_LATER = {"concurrent.futures", "krust.cargo.compile", "krust.config.resolve", "krust.image.make"}
"""What `build` imports while cargo reads the project."""

_RUN = """
import atexit, os, sys

def tell():
    print("MODULES", *sys.modules, file=sys.stderr, flush=True)

atexit.register(tell)
leave, os._exit = os._exit, lambda code: (tell(), leave(code))  # a way out that passes atexit by
from krust.cli import main
sys.argv[0] = "krust"
main()
"""


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image layout with one empty image, `it:latest`, written by hand so that this test needs nothing else."""
    layout = tmp_path_factory.mktemp("layout")
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(kind: str, document: object) -> dict[str, object]:
        raw = json.dumps(document).encode()
        digest = hashlib.sha256(raw).hexdigest()
        (blobs / digest).write_bytes(raw)
        media_type = f"application/vnd.oci.image.{kind}.v1+json"
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(raw)}

    nothing = {"type": "layers", "diff_ids": []}
    config = put("config", {"architecture": "amd64", "os": "linux", "rootfs": nothing})
    it = put("manifest", {"schemaVersion": 2, "config": config, "layers": []})
    it["annotations"] = {"org.opencontainers.image.ref.name": "it:latest"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [it]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return layout


@pytest.mark.parametrize("command", ["cat-manifest it", "rev-parse it", "ls-refs", "cat-config it", "--version"])
def test_a_small_command_imports_nothing_large(command: str, layout: Path) -> None:
    assert not (_SLOW | _FELT) & imported_by(*command.split(), store=layout)


@pytest.mark.parametrize("command", ["build", "run", "resolve"])
def test_what_builds_is_not_imported_before_cargo_works(command: str, layout: Path) -> None:
    assert not (_SLOW | _LATER) & imported_by(command, "--help", store=layout)


def imported_by(*words: str, store: Path) -> set[str]:
    done = run(sys.executable, "-c", _RUN, *words, env={"KRUST_STORE": str(store)})
    modules = done.stderr.decode().rpartition("MODULES")[2].split()
    assert "krust.cli" in modules
    return set(modules)


@pytest.mark.alone
def test_a_small_command_takes_no_longer_than_five_starts_of_python(layout: Path) -> None:
    def seconds(*argv: str | Path) -> float:
        begun = time.perf_counter()
        run(*argv, env={"KRUST_STORE": str(layout)})
        return time.perf_counter() - begun

    # As pip does on installing; an editable installation is compiled when it is imported, if that may be written.
    for package in ("krust", "plumbing"):
        assert compileall.compile_dir(ROOT / package, quiet=1)
    # In turns, and the best of each: what else the machine does can only add.
    rounds = [(seconds(sys.executable, "-c", "pass"), seconds(KRUST, "cat-manifest", "it")) for _ in range(15)]
    python, krust = (min(column) for column in zip(*rounds, strict=True))
    assert krust <= 5 * python, f"{krust * 1000:.0f} ms against {python * 1000:.0f} ms"
