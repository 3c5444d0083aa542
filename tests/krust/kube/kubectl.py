"""The real kubectl, asked which objects a selector keeps. It wants a server to tell it what kinds there are."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_CONFIG_MAP = {"name": "configmaps", "namespaced": True, "kind": "ConfigMap", "verbs": ["create"]}
_ANSWERS = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [_CONFIG_MAP]},
}


class _Discovery(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(_ANSWERS.get(self.path.partition("?")[0], {})).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Kubectl:
    program: str
    server: str

    def keeps(self, selector: str, objects: bytes) -> list[str] | None:
        """The names of those ConfigMaps in `objects` that `-l selector` keeps; None where it is refused."""
        flags = ("--dry-run=client", "--validate=false", "-o", "name", "-f", "-", "-l", selector)
        done = subprocess.run(
            [self.program, f"--server={self.server}", "create", *flags], input=objects, capture_output=True, check=False
        )
        said = done.stderr.decode()
        if "is not valid" in said:
            return None
        assert done.returncode == 0 or "no objects passed" in said, said
        return [line.removeprefix("configmap/") for line in done.stdout.decode().split()]


@contextlib.contextmanager
def kubectl(program: str) -> Iterator[Kubectl]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Discovery) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Kubectl(program, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
