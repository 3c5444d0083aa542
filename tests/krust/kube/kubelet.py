"""A node of the tests' own, in the part that a user of kubectl meets: it runs a pod's program as a process, as what the
image holds, tells the API server of it, and serves its output and its standard input as the API server asks for them.

No isolation, no networks, no probes: one container a pod, whose image is a static program with no files.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import ssl
import subprocess
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler
from typing import Any

from tests.krust.kube.apiserver import TOKEN
from tests.tools import require_tool, run

_PODS = "/api/v1/namespaces/default/pods"
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


@dataclass(kw_only=True)
class _Container:
    process: subprocess.Popen[bytes]
    written: bytearray = field(default_factory=bytearray)
    changed: threading.Condition = field(default_factory=threading.Condition)
    ended: bool = False

    def follow(self) -> None:
        """Keep what it writes, to its end."""
        with self.process:
            assert self.process.stdout
            while more := os.read(self.process.stdout.fileno(), 1 << 16):
                with self.changed:
                    self.written += more
                    self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def log(self) -> Iterator[bytes]:
        at = 0
        while True:
            with self.changed:
                while not self.ended and len(self.written) == at:
                    self.changed.wait()
                more, ended = bytes(self.written[at:]), self.ended
            if more:
                at += len(more)
                yield more
            elif ended:
                return


@dataclass(kw_only=True)
class Kubelet:
    """`fetch` has a layout with the image of that reference, and gives its folder."""

    server: str
    fetch: Callable[[str], Path]
    folder: Path
    containers: dict[str, _Container] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def ask(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Any:
        request = urllib.request.Request(
            self.server + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": kind},
        )
        with urllib.request.urlopen(request, context=ssl._create_unverified_context(), timeout=30) as answer:
            return json.load(answer)

    def work(self) -> None:
        """What scheduler and kubelet do, until the end."""
        while not self.stopping.wait(0.05):
            for pod in self.ask("GET", _PODS)["items"]:
                name = pod["metadata"]["name"]
                if "deletionTimestamp" in pod["metadata"]:
                    self._remove(name)
                elif "nodeName" not in pod["spec"]:
                    target = {"apiVersion": "v1", "kind": "Node", "name": "node"}
                    body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
                    self.ask("POST", f"{_PODS}/{name}/binding", body)
                elif name not in self.containers:
                    self._start(name, pod["spec"]["containers"][0])
                elif self.containers[name].ended and pod["status"]["phase"] == "Running":
                    code = self.containers[name].process.returncode
                    state = {"terminated": {"exitCode": code if code >= 0 else 128 - code}}
                    self._tell(name, "Failed" if code else "Succeeded", state)

    def _start(self, name: str, container: dict[str, Any]) -> None:
        try:
            program, words = _program(self.fetch(container["image"]), self.folder / name)
        except AssertionError as error:
            self._tell(name, "Pending", {"waiting": {"reason": "ImagePullBackOff", "message": str(error)}})
            return
        words = [word.replace("$$", "$") for word in container.get("args", words)]
        reads = subprocess.PIPE if container.get("stdin") else subprocess.DEVNULL
        process = subprocess.Popen([program, *words], stdin=reads, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.containers[name] = started = _Container(process=process)
        threading.Thread(target=started.follow, daemon=True).start()
        time.sleep(0.3)  # as between a program's first words and the moment that a cluster says it runs
        self._tell(name, "Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})

    def _tell(self, name: str, phase: str, state: dict[str, Any]) -> None:
        status = {"name": "main", "state": state, "image": "", "imageID": "", "ready": False, "restartCount": 0}
        body = {"status": {"phase": phase, "containerStatuses": [status]}}
        self.ask("PATCH", f"{_PODS}/{name}/status", body, "application/strategic-merge-patch+json")

    def _remove(self, name: str) -> None:
        container = self.containers.pop(name, None)
        if container is not None and container.process.poll() is None:
            container.process.kill()
        with suppress(urllib.error.HTTPError):
            self.ask("DELETE", f"{_PODS}/{name}", {"gracePeriodSeconds": 0})
        self.removed.append(name)


def _program(layout: Path, folder: Path) -> tuple[Path, list[str]]:
    """The entrypoint of the only image of a layout, as a file, and its further words."""

    def blob(digest: str) -> Path:
        return layout / "blobs" / digest.replace(":", "/")

    index = json.loads((layout / "index.json").read_bytes())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_bytes())
    config = json.loads(blob(manifest["config"]["digest"]).read_bytes())["config"]
    entrypoint, *words = config["Entrypoint"]
    folder.mkdir()
    for layer in manifest["layers"]:
        with tarfile.open(blob(layer["digest"])) as archive:
            archive.extractall(folder, filter="tar")
    return folder / entrypoint.lstrip("/"), [*words, *config.get("Cmd", [])]


class _Handler(BaseHTTPRequestHandler):
    kubelet: Kubelet

    def do_GET(self) -> None:
        _, verb, _, pod, _ = self.path.partition("?")[0].split("/")
        container = self.kubelet.containers[pod]
        if verb == "containerLogs":
            self.send_response(200)
            self.end_headers()
            for more in container.log():
                self.wfile.write(more)
                self.wfile.flush()
        else:
            assert verb == "attach"
            _attach(self, container)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


def _attach(handler: BaseHTTPRequestHandler, container: _Container) -> None:
    """Standard input by WebSocket, as Kubernetes' v5.channel.k8s.io has it: a channel's number before each message."""
    accept = base64.b64encode(hashlib.sha1(handler.headers["Sec-WebSocket-Key"].encode() + _MAGIC).digest())
    handler.send_response(101)
    for name, value in {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Accept": accept.decode(),
        "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
    }.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.flush()
    handler.close_connection = True

    def end() -> None:
        with container.changed:
            container.changed.wait_for(lambda: container.ended)
        with suppress(OSError, ValueError):  # kubectl has gone, and the connection with it
            handler.wfile.write(_frame(b'\3{"metadata":{},"status":"Success"}') + b"\x88\2\x03\xe8")
            handler.wfile.flush()

    threading.Thread(target=end, daemon=True).start()
    stdin = container.process.stdin
    assert stdin
    with suppress(OSError, ValueError):
        while (message := _message(handler)) is not None:
            if message[:1] == b"\0":
                stdin.write(message[1:])
                stdin.flush()
            elif message[:2] == b"\xff\0":
                stdin.close()


def _frame(message: bytes) -> bytes:
    return bytes([0x82, len(message)]) + message


def _message(handler: StreamRequestHandler) -> bytes | None:
    """The next message; None at the end. RFC 6455, 5.2."""
    head = handler.rfile.read(2)
    if len(head) < 2 or head[0] & 15 == 8:
        return None
    length = head[1] & 127
    if length > 125:
        length = int.from_bytes(handler.rfile.read(2 if length == 126 else 8))
    mask = handler.rfile.read(4) if head[1] & 128 else bytes(4)
    return bytes(byte ^ mask[index % 4] for index, byte in enumerate(handler.rfile.read(length)))


@contextmanager
def kubelet(folder: Path, server: str, fetch: Callable[[str], Path]) -> Iterator[Kubelet]:
    """A node of the cluster at `server`, for the time of a block."""
    folder.mkdir()
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    run(
        require_tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
        "-subj", "/CN=node",
    )  # fmt: skip
    node = Kubelet(server=server, fetch=fetch, folder=folder)
    handler = type("Handler", (_Handler,), {"kubelet": node})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        http.socket = context.wrap_socket(http.socket, server_side=True)
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, daemon=True).start()
        node.ask("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"}})
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": http.server_port}},
        }
        node.ask("PATCH", "/api/v1/nodes/node/status", {"status": status}, "application/strategic-merge-patch+json")
        worker = threading.Thread(target=node.work)
        worker.start()
        try:
            yield node
        finally:
            node.stopping.set()
            worker.join()
            http.shutdown()
            for container in node.containers.values():
                container.process.kill()
