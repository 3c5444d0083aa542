"""Other people's registry: distribution, which Debian has as `docker-registry`, on loopback for the time of a block."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.tools import free_port, listens, require_tool, running


@contextmanager
def docker_registry(
    folder: Path, *, auth: Mapping[str, Any] | None = None, tls: Mapping[str, str] | None = None
) -> Iterator[str]:
    """host:port of a registry that keeps its blobs in `folder`, which is made.

    auth, tls  as in its configuration; without them it is open to everybody, by plain http
    """
    program = require_tool("docker-registry")
    folder.mkdir(parents=True)
    port = free_port()
    host = f"localhost:{port}"
    configuration = {
        "version": "0.1",
        "log": {"level": "error"},  # and of each request a line, for whoever counts them
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": host, "secret": "of-the-tests"} | ({"tls": tls} if tls else {}),
        "auth": auth or {},
    }
    file = folder / "config.yml"
    file.write_text(json.dumps(configuration))  # YAML takes JSON
    with running([program, "serve", file], ready=listens(port), log=folder / "log"):
        yield host
