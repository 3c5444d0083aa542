"""Other people's registry: distribution, which Debian has as `docker-registry`, on loopback for the time of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tools import free_port, listens, require_tool, running

_CONFIG = """\
version: 0.1
log: {level: error}  # and of each request a line, for whoever counts them
storage: {filesystem: {rootdirectory: ROOT}, delete: {enabled: true}}
http: {addr: ADDRESS, secret: of-the-tests}
"""


@contextmanager
def docker_registry(folder: Path) -> Iterator[str]:
    """host:port of a registry that keeps its blobs in `folder`, which is made; open to everybody, plain http."""
    program = require_tool("docker-registry")
    folder.mkdir(parents=True)
    address = f"localhost:{free_port()}"
    config = folder / "config.yml"
    config.write_text(_CONFIG.replace("ROOT", str(folder / "data")).replace("ADDRESS", address))
    with running([program, "serve", config], ready=listens(int(address.rpartition(":")[2])), log=folder / "log"):
        yield address
