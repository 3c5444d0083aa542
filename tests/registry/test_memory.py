"""A push and a fetch take the same little memory for a small blob and a large one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.registry.distribution import distribution
from tests.registry.moves import image
from tests.tools import run

LIMIT = 48 << 10  # KiB: issue 4

# VmHWM and not what getrusage says: that begins with the memory of whoever started the program.
PROGRAM = r"""
import re, sys
from pathlib import Path
from plumbing.registry import Registry, Settings
from plumbing.store import Store
from plumbing.sync import copy
_, what, host, folder, ca = sys.argv
with Registry(host, settings=Settings(ca=Path(ca) if ca else None)) as registry:
    store = Store.create(Path(folder))
    if what == "push":
        repository = registry.repository("app", push=True)
        root = store.refs.get("image")
        copy(store, repository, root)
        repository.tag("v1", root, store.read(root))
    else:
        repository = registry.repository("app")
        copy(repository, store, repository.resolve("v1"))
print(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.alone
@pytest.mark.parametrize("shape", ["open", "tls"])
def test_memory_is_constant(shape: str, tmp_path: Path) -> None:
    with distribution(shape, tmp_path / shape) as there:
        for size in (64 << 10, 200 << 20):
            image(tmp_path / f"app{size}", size, size // 2, size // 4, size // 4)
            for what in ("push", "fetch"):
                folder = tmp_path / (f"app{size}" if what == "push" else f"there{size}")
                ca = str(there.settings.ca or "")
                peak = int(run(sys.executable, "-c", PROGRAM, what, there.host, str(folder), ca).stdout)
                assert peak <= LIMIT, f"{what} of {size} bytes"
