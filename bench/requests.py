"""How often a registry was asked: docker-registry writes a line for each request."""

from __future__ import annotations

import re
from pathlib import Path

_REQUEST = re.compile(r'"(?:GET|HEAD|POST|PUT|PATCH|DELETE) /v2/')


def count(folder: Path) -> int:
    """Of the `docker_registry` that was started in `folder`, so far."""
    return len(_REQUEST.findall((folder / "log").read_text()))
