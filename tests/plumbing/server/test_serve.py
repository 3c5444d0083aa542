"""The server as a process: beside others on one store, at its end, and under load."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from plumbing.errors import Malformed, StoreError
from plumbing.oci import mediatype
from plumbing.oci.digest import Digest
from plumbing.server import serve
from plumbing.store import Store
from plumbing.store.fsck import fsck
from plumbing.store.gc import gc
from tests.plumbing.server.conftest import BLOB, DIGEST, Client
from tests.tools import Server, running, says

_SERVE = """
import sys
from pathlib import Path
from plumbing.server import serve
from plumbing.store import Store
serve(Store(Path(sys.argv[1])), ready=lambda name: print(name, flush=True))
"""


@contextmanager
def process(store: Store, log: Path) -> Iterator[tuple[Server, Client]]:
    """`serve` in a process of its own."""
    argv: list[str | Path] = [sys.executable, "-c", _SERVE, store.path]
    with (
        running(argv, ready=says(r"localhost:\d+\n"), log=log) as server,
        Client(server.said().strip(), store) as client,
    ):
        yield server, client


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


@contextmanager
def started(store: Store, command: str = _SERVE) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The same, for tests of its end; with what it printed when it was ready."""
    argv = [sys.executable, "-c", command, str(store.path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        try:
            assert server.stdout
            yield server, server.stdout.readline().decode().strip()
        finally:
            server.kill()  # does nothing to one that has ended, as it should have


def clean(store: Store) -> bool:
    return fsck(store).problems == ()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 1)])
def test_signals_end_it_cleanly(number: int, code: int, store: Store) -> None:
    with started(store) as (server, host), Client(host, store) as client:
        client.patch(client.open(), content=BLOB)
        assert list((store.path / "tmp").iterdir()) != []
        os.kill(server.pid, number)
        _, said = server.communicate(timeout=10)
    # a KeyboardInterrupt is what the command makes 130 of
    assert (server.returncode != 0, b"KeyboardInterrupt" in said) == (bool(code), bool(code))
    assert list((store.path / "tmp").iterdir()) == []


def test_signal_does_not_wait_for_an_upload_without_end(store: Store) -> None:
    with started(store) as (server, host), Client(host, store) as client:
        head = f"PATCH {client.open()} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\n"
        with socket.create_connection(("127.0.0.1", int(host.partition(":")[2]))) as peer:
            peer.sendall(head.encode() + b"the start")
            time.sleep(0.1)
            os.kill(server.pid, signal.SIGTERM)
            _, said = server.communicate(timeout=10)
    assert (server.returncode, said) == (0, b"")
    assert list((store.path / "tmp").iterdir()) == []


def test_kill_in_the_middle_of_an_upload_leaves_the_store_clean(store: Store, tmp_path: Path) -> None:
    with process(store, tmp_path / "log") as (server, client):
        client.push("v1", client.image())
        url = client.open()
        client.patch(url, content=BLOB)

        def endless() -> Iterator[bytes]:
            while True:
                yield bytes(1 << 16)

        killer = threading.Timer(0.3, os.kill, (server.pid, signal.SIGKILL))
        killer.start()
        with pytest.raises(httpx.TransportError):
            client.patch(url, content=endless())
    assert clean(store)
    assert [ref.name for ref in store.refs] == ["app:v1"]
    assert list((store.path / "tmp").iterdir()) != []
    gc(store, now=time.time() + 10**6)
    assert list((store.path / "tmp").iterdir()) == []
    assert clean(store)


def test_64_clients_at_once_lose_nothing(store: Store, tmp_path: Path) -> None:
    """Each with an image of a layer of its own and a shared one, while gc and builds run beside them."""
    chance = random.Random(1)
    shared = chance.randbytes(300_000)
    contents = [chance.randbytes(chance.randrange(1, 400_000)) for _ in range(64)]
    stop = threading.Event()

    def one(host: str, number: int) -> None:
        content = contents[number]
        with Client(host, store) as client:
            name = f"app{number % 8}"
            client.push_blob(shared, name)
            location = client.begin(name=name).headers["Location"]
            middle = len(content) // 2
            client.patch(location, content=content[:middle])
            client.patch(location, content=content[middle:], headers={"Content-Range": f"{middle}-{len(content) - 1}"})
            assert client.put(f"{location}?digest={Digest.of(content)}").status_code == 201
            layers = [
                {"mediaType": mediatype.LAYER, "digest": str(Digest.of(data)), "size": len(data)}
                for data in (shared, content)
            ]
            raw = client.image(layers=layers)
            assert client.push(f"v{number}", raw, name=name).status_code == 201
            assert client.push(Digest.of(raw), raw, name=name).status_code == 201
            assert client.get(f"/v2/{name}/blobs/{Digest.of(content)}").content == content

    def beside() -> None:
        number = 0
        while not stop.is_set():
            store.update_ref(f"built:{number % 5}", store.put(b'{"schemaVersion":2,"manifests":[]}', mediatype.INDEX))
            gc(store, now=time.time())
            number += 1

    with process(store, tmp_path / "log") as (server, client), ThreadPoolExecutor(65) as pool:
        other = pool.submit(beside)
        list(pool.map(lambda number: one(server.said().strip(), number), range(64)))
        stop.set()
        other.result()
        for number in range(8):
            expected = sorted((f"v{each}" for each in range(number, 64, 8)), key=str.lower)
            assert client.get(f"/v2/app{number}/tags/list").json()["tags"] == expected
        assert server.said().strip().count("\n") == 0
    assert len([ref for ref in store.refs if ref.name and ref.name.startswith("app")]) == 128
    assert clean(store)


def test_what_another_process_writes_is_served_at_once(store: Store, tmp_path: Path) -> None:
    with process(store, tmp_path / "log") as (_, client):
        assert client.get("/v2/hello/manifests/latest").status_code == 404
        store.update_ref("hello:latest", store.put(client.image(), mediatype.MANIFEST))
        assert client.get("/v2/hello/manifests/latest").status_code == 200
        store.delete_ref("hello:latest")
        assert client.get("/v2/hello/manifests/latest").status_code == 404


@pytest.mark.slow
def test_memory_is_constant(store: Store, tmp_path: Path) -> None:
    """64 KiB or 1 GiB: up, down, and four at once."""
    block = random.Random(2).randbytes(1 << 20)

    def stream(size: int) -> Iterator[bytes]:
        for _ in range(size // len(block)):
            yield block

    def digest(size: int) -> Digest:
        hasher = DIGEST.hasher()
        for piece in stream(size):
            hasher.update(piece)
        return Digest.ending(hasher)

    def peak(pid: int) -> int:
        said = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        assert said
        return int(said[1])

    big = 1 << 30
    with process(store, tmp_path / "log") as (server, client):
        client.push_blob()
        client.get(f"/v2/app/blobs/{DIGEST}")
        small = peak(server.pid)
        url = client.open()
        client.patch(url, content=stream(big))
        assert client.put(f"{url}?digest={digest(big)}").status_code == 201
        assert peak(server.pid) < small + 16_000

        def read(_: int) -> int:
            with client.stream("GET", f"/v2/app/blobs/{digest(big)}") as response:
                return sum(len(piece) for piece in response.iter_raw(1 << 20))

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(read, range(2))) == [big, big]
        assert peak(server.pid) < small + 24_000


def test_other_addresses_than_loopback_are_refused(store: Store) -> None:
    with pytest.raises(Malformed, match="loopback"):
        serve(store, host="0.0.0.0")


def test_taken_port_is_an_error_and_makes_no_store(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StoreError, match="cannot listen on"):
        serve(Store(tmp_path / "store"), port=taken.getsockname()[1])
    assert list(tmp_path.iterdir()) == []


def test_store_is_made_unless_it_is_only_read(tmp_path: Path) -> None:
    with process(Store(tmp_path / "store"), tmp_path / "log") as (_, client):
        assert client.get("/v2/_catalog").json() == {"repositories": []}
    with pytest.raises(StoreError, match="no OCI layout there"):
        serve(Store(tmp_path / "none"), read_only=True)


def test_ipv6(store: Store) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    command = _SERVE.replace("serve(Store", "serve(host='::1', store=Store")
    with started(store, command) as (server, host):
        assert httpx.get(f"http://{host}/v2/", verify=False).status_code == 200
        server.terminate()
        assert server.wait(10) == 0
