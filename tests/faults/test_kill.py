"""Kill: SIGKILL at any moment. The store is clean, no ref is lost that was reported, and the next run works."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store
from plumbing.store.fsck import fsck
from plumbing.store.gc import gc
from tests.faults.deeds import DEEDS, STAGING, Deed, World, executable, verify
from tests.faults.players import GRACE
from tests.faults.shim import Shim
from tests.krust.commands.serving import serving as serving_remote
from tests.plumbing.store.images import put_image
from tests.plumbing.store.test_gc import LATER
from tests.tools import EXAMPLES, KRUST, ROOT, Server, free_port, listens, running

pytestmark = pytest.mark.slow

_SEED = int(os.environ.get("FAULTS_SEED", "20261123"))
_LONG = 300.0
"""Seconds. What takes longer hangs, however busy the machine."""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Shim:
    return Shim.built(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, shim: Shim) -> Iterator[World]:
    with World.built(tmp_path_factory.mktemp("kill"), shim) as world:
        yield world


@pytest.mark.parametrize("deed", DEEDS, ids=str)
def test_in_place_of_each_call(deed: Deed, world: World, rounds, count) -> None:
    calls = world.tell(deed).calls
    for number in range(1, len(calls) + 1, max(1, len(calls) // rounds(8, 1000))):
        world.renew()
        killed = world.run(deed, at=number, fault="kill")
        where = f"killed in place of call {number} ({calls[number - 1]})"
        assert (killed.code, killed.out) == (-9, b""), where
        assert world.problems() == [], where
        assert world.half_written(deed, apart_from=STAGING) == [], where
        was_done = world.is_done(deed)
        again = world.run(deed)
        assert again.code == 0 or was_done, (where, again.err)
        assert world.is_done(deed), where
        for store in world.stores():
            gc(store, now=LATER)
            staging = store.path / "tmp"
            assert not staging.exists() or list(staging.iterdir()) == [], where
        count(kills=1)


# beside others, at any time


@dataclass(frozen=True, slots=True)
class Scene:
    """A store that players use all the time; `remote` is behind `registry`.

    reported  what the refs have to be
    longest   seconds that a command takes, about
    """

    folder: Path
    store: Store
    remote: Store
    registry: str
    shim: Shim
    chance: random.Random
    reported: dict[str, str] = field(default_factory=dict)
    longest: dict[str, float] = field(default_factory=dict)

    def image(self, store: Store) -> Descriptor:
        """A new one in `store`, of some hundred kilobytes."""
        return put_image(store, "shared", *(self.chance.randbytes(100_000).hex() for _ in range(2)))

    def run(self, *words: str | Path, kill: bool = False) -> tuple[int, str]:
        """krust, to its end or, with `kill`, until a time or a call by chance; its exit code and what it printed."""
        zig = f"{os.environ['XDG_CACHE_HOME']}/zig"  # which takes minutes to fill
        env = {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache"), "ZIG_GLOBAL_CACHE_DIR": zig}
        env["PYTHONFAULTHANDLER"] = "1"
        name = str(words[0])
        patience = _LONG
        if kill and name != "push" and self.chance.random() < 0.5:  # a push changes no file
            env |= self.shim.environment(self.store.path, at=int(self.chance.triangular(1, 30, 1)), fault="kill")
        elif kill:
            patience = self.chance.uniform(0.1, 1.0) * self.longest.get(name, 1.0)
        began = time.monotonic()
        out, err = self.folder / "out", self.folder / "err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen([KRUST, *words], cwd=self.folder, env=env, stdout=stdout, stderr=stderr)
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL if kill else signal.SIGABRT)  # which says where each thread is
                process.wait()
        assert process.returncode in ((0, -9) if kill else (0,)), (words, err.read_text())
        if not kill:
            self.longest[name] = time.monotonic() - began
        return process.returncode, out.read_text()

    def twice(self, *words: str | Path, ref: str | None = None, digest: object = None) -> bool:
        """Run it and kill it, look, and run it to its end; return whether it was killed.

        ref     what it points to `digest`, or to that which it prints
        """
        before = self.reported.pop(ref, None) if ref else None
        code, _ = self.run(*words, kill=True)
        self.check()
        between = self.now(ref)
        _, said = self.run(*words)
        if ref:
            after = str(digest or re.findall(r"sha256:[0-9a-f]{64}", said)[-1])
            assert between in ((before, after) if code else (after,)), words
            self.reported[ref] = after
        self.check()
        return code != 0

    def now(self, ref: str | None) -> str | None:
        found = self.store.refs.get(ref) if ref else None
        return str(found.digest) if found else None

    def check(self) -> None:
        """Nothing is wrong with the store, and no ref is lost. While gc runs beside it a look may be out of date."""
        for _ in range(5):
            problems = fsck(self.store).problems
            if not problems:
                break
        assert problems == ()
        wrong = {ref: self.now(ref) for ref, digest in self.reported.items() if self.now(ref) != digest}
        assert not wrong


@contextmanager
def playing(part: str, store: Store, log: Path) -> Iterator[None]:
    """One of players.py, until the end of the block. It may not end before that."""
    argv = [sys.executable, "-m", "tests.faults.players", part, str(store.path), str(log)]
    process = subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE)
    try:
        yield
        assert process.poll() is None, process.communicate()
    finally:
        process.kill()
        process.communicate()


def update_ref(scene: Scene) -> bool:
    name, image = f"updated:{scene.chance.randint(1, 3)}", scene.image(scene.store)
    return scene.twice(
        "update-ref", "--store", scene.store.path, name, str(image.digest), ref=name, digest=image.digest
    )


def delete_ref(scene: Scene) -> bool:
    scene.store.update_ref("deleted:1", scene.image(scene.store))
    code, _ = scene.run("delete-ref", "--store", scene.store.path, "deleted:1", kill=True)
    scene.check()
    if scene.now("deleted:1"):
        assert code != 0
        scene.run("delete-ref", "--store", scene.store.path, "deleted:1")
    assert scene.now("deleted:1") is None
    return code != 0


def collect(scene: Scene) -> bool:
    scene.image(scene.store)
    return scene.twice("gc", "--store", scene.store.path, "--grace", str(GRACE))


def image(scene: Scene) -> bool:
    app = scene.folder / "app"
    app.write_bytes(executable() + scene.chance.randbytes(300_000))
    words = ("--no-push", "--base", "scratch", "--store", scene.store.path)
    return scene.twice("image", *words, app, ref="app:latest")


def build(scene: Scene) -> bool:
    """What cargo has built already, with another label each time."""
    words = ("--no-push", "-q", "--store", scene.store.path, "--label", f"turn={scene.chance.random()}")
    return scene.twice("build", *words, scene.folder / "hello-krust", ref="hello-krust:latest")


def fetch(scene: Scene) -> bool:
    root = scene.image(scene.remote)
    scene.remote.update_ref(f"{scene.registry}/up:1", root)
    scene.run("push", f"{scene.remote.path}@{root.digest}", f"{scene.registry}/up:1")
    words = ("fetch", "--store", scene.store.path, f"{scene.registry}/up:1")
    return scene.twice(*words, ref=f"{scene.registry}/up:1", digest=root.digest)


def push(scene: Scene) -> bool:
    root = scene.image(scene.store)
    scene.store.update_ref("pushed:1", root)
    return scene.twice("push", f"{scene.store.path}@{root.digest}", f"{scene.registry}/pushed:1")


def client(scene: Scene) -> bool:
    """Of a server of the store."""
    with serving(scene) as (_, host):
        root = scene.image(scene.remote)
        return scene.twice("push", f"{scene.remote.path}@{root.digest}", f"{host}/client:1")


def serve(scene: Scene) -> bool:
    """Killed while something is uploaded; the client too, or it would try for long."""
    root = scene.image(scene.remote)
    with serving(scene) as (server, host):
        argv: list[str | Path] = [KRUST, "push", f"{scene.remote.path}@{root.digest}", f"{host}/served:1"]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(scene.chance.uniform(0.1, 1.0) * scene.longest.get("push", 1.0))
            os.kill(server.pid, signal.SIGKILL)
            process.kill()
    scene.check()
    with serving(scene) as (_, host):
        scene.run("push", f"{scene.remote.path}@{root.digest}", f"{host}/served:1")
    assert str(root.digest) in {str(ref.descriptor.digest) for ref in scene.store.refs}
    scene.check()
    return True


@contextmanager
def serving(scene: Scene) -> Iterator[tuple[Server, str]]:
    port = free_port()
    argv: list[str | Path] = [KRUST, "serve", "--store", scene.store.path, "--port", str(port)]
    with running(argv, ready=listens(port), log=scene.folder / "serve.log") as server:
        yield server, f"localhost:{port}"


def test_at_any_time_in_a_store_that_others_use(tmp_path: Path, shim: Shim, rounds, count) -> None:
    kills = rounds(32, 1000)
    deeds = [update_ref, delete_ref, collect, image, fetch, push, client, serve]
    store, remote = Store.create(tmp_path / "store"), Store.create(tmp_path / "remote")
    logs = {part: tmp_path / f"{part}.log" for part in ("writer", "reader", "gc")}
    seed = f"seed {_SEED}: repeat with FAULTS_SEED={_SEED}"
    with ExitStack() as stack:
        registry = stack.enter_context(serving_remote(Store.create(tmp_path / "registry").path))
        scene = Scene(tmp_path, store, remote, registry, shim, random.Random(_SEED))
        if rounds(0, 1):
            ignore = shutil.ignore_patterns("target", ".krust")
            hello = shutil.copytree(EXAMPLES / "hello-krust", tmp_path / "hello-krust", ignore=ignore)
            scene.run("build", "--no-push", "-q", "--store", tmp_path / "first", hello)
            deeds.append(build)
        for part, log in logs.items():
            stack.enter_context(playing(part, store, log))
        killed = turn = 0
        while killed < kills:
            assert turn < 2 * kills, "what most often ends before it is killed shows little"
            deed = deeds[turn % len(deeds)]
            try:
                was_killed = deed(scene)
                _check_writer(scene, logs["writer"])
            except AssertionError as error:
                log = tmp_path / "serve.log"
                said = log.read_text() if log.exists() else ""
                raise AssertionError(f"turn {turn}, {deed.__name__}, {seed}: {error}\n{said}") from error
            if turn % 20 == 0:  # what is there need not be pushed again
                shutil.rmtree(remote.path)
                Store.create(remote.path)
            count(kills=int(was_killed), **{f"{deed.__name__}_killed": int(was_killed)})
            killed += was_killed
            turn += 1
    assert "hole" not in logs["reader"].read_text()
    count(
        images_written_beside=logs["writer"].read_text().count("wrote"),
        blobs_collected=logs["gc"].read_text().count("deleted"),
    )
    gc(store, now=LATER)
    assert list((store.path / "tmp").iterdir()) == []
    done = verify(store.path)
    assert done.returncode == 0, done.stdout


def _check_writer(scene: Scene, log: Path) -> None:
    """Each name is for what the writer last reported, or for something that it was about to report since."""
    before = log.read_text().splitlines() if log.exists() else []
    refs = {ref.name: str(ref.descriptor.digest) for ref in scene.store.refs}
    after = log.read_text().splitlines() if log.exists() else []
    last: dict[str, int] = {}
    for number, line in enumerate(before):
        what, name, _ = line.split(" ")
        if what == "wrote":
            last[name] = number
    for name, number in last.items():
        allowed = {line.split(" ")[2] for line in after[number:] if line.split(" ")[1] == name}
        assert refs.get(name) in allowed, f"{name} is lost"
