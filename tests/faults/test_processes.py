"""Programs that krust runs and that misbehave: an error in a line, nothing half written, nobody left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from plumbing.store import Store
from plumbing.store.fsck import fsck
from tests.faults.programs import HANGS, MISDEEDS, Ended, began, is_fault, krust, misbehaving
from tests.faults.proxy import until
from tests.registry import moves
from tests.registry.faults import registry
from tests.tools import EXAMPLES, KRUST, require_tool, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds who is left behind in /proc"),
]

LOCKED = {"directory": "app", "package": "app", "image": "registry.example/app", "digest": "sha256:" + "1" * 64}


class Where:
    """A place where a program is called: what krust is asked, and the program that stands in for it."""

    name: str
    codes: tuple[int, ...] = (1,)
    made: tuple[str, ...] = ()
    """Refs of what is whole before the program is called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "bin" / self.name
        self.env = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
        self.words: list[str] = []
        self.prepare()

    when = "true"
    real: str | None = None

    def prepare(self) -> None: ...

    def misbehave(self, lines: str) -> None:
        misbehaving(self.program, lines, when=self.when, real=self.real)

    def ask(self, meanwhile: Callable[[subprocess.Popen[bytes]], None] = lambda process: None) -> Ended:
        return krust(*self.words, cwd=self.folder, env=self.env, meanwhile=meanwhile)

    def check(self, ended: Ended) -> None:
        is_fault(ended, *self.codes)


class Cargo(Where):
    name = "cargo"
    verb = "metadata"

    def prepare(self) -> None:
        self.real = require_tool("cargo")
        self.when = f'[ "$1" = {self.verb} ]'
        ignore = shutil.ignore_patterns("target", ".krust")
        shutil.copytree(EXAMPLES / "hello-krust", self.folder / "hello", ignore=ignore)
        self.env["CARGO"] = str(self.program)
        self.words = ["build", "--no-push", "hello"]


class CargoBuild(Cargo):
    verb = "build"


class Rustc(Cargo):
    name = "rustc"

    def prepare(self) -> None:
        super().prepare()
        self.real, self.when = require_tool("rustc"), "true"
        self.env = {"PATH": self.env["PATH"], "RUSTC": str(self.program)}


class Git(Cargo):
    name = "git"

    def prepare(self) -> None:
        super().prepare()
        self.when, self.real = "true", None
        subprocess.run(["git", "init", "-q", self.folder / "hello"], check=True)
        del self.env["CARGO"]
        self.words = ["build", "--no-push", "hello", "--tag", "{git.commit}"]


class Helper(Where):
    name = "docker-credential-odd"

    def prepare(self) -> None:
        self.image = moves.image(self.folder / "app", 1000)
        (self.folder / "config.json").write_text(json.dumps({"credsStore": "odd"}))
        self.env["DOCKER_CONFIG"] = str(self.folder)

    def ask(self, meanwhile: Callable[[subprocess.Popen[bytes]], None] = lambda process: None) -> Ended:
        with registry(basic_only=True) as r:
            self.words = ["push", "app", f"{r.host}/app:v1"]
            ended = super().ask(meanwhile)
            assert list(r.store.refs) == []
            return ended


class Kubectl(Where):
    """krust becomes it, so what it does is what krust does: nothing of krust's own may go wrong."""

    name = "kubectl"

    def prepare(self) -> None:
        (self.folder / "lock").write_text(json.dumps({"version": 1, "images": [{**LOCKED, "platforms": []}]}))
        (self.folder / "x.yaml").write_text("image: krust://app\n")
        self.words = ["apply", "-f", "x.yaml", "--locked", "lock"]

    def check(self, ended: Ended) -> None:
        assert "Traceback" not in ended.said
        assert "krust: " not in ended.said


class Rustup(Cargo):
    """A toolchain of rustup's without a standard library for the target, and without its source."""

    name = "rustup"
    asked = "list"

    def prepare(self) -> None:
        super().prepare()
        self.real = None
        rustc = Path(require_tool("rustc"))
        real = run(rustc, "--print", "sysroot").stdout.decode().strip()
        toolchain = self.folder / "rustup" / "toolchains" / "odd"
        (toolchain / "lib" / "rustlib").mkdir(parents=True)
        proxy = misbehaving(self.folder / "rustc", f'exec {rustc} --sysroot {toolchain} "$@"')
        # Where it is asked what it has, and where it is to add that.
        self.when = f'[ "$2" = {self.asked} ] || {{ echo x86_64-unknown-linux-musl; exit; }}'
        self.env = {
            "PATH": self.env["PATH"],
            "CARGO": require_tool("cargo"),
            "RUSTC": str(proxy),
            "RUSTUP_HOME": str(self.folder / "rustup"),
            "RUSTUP_TOOLCHAIN": real,
        }
        self.words += ["--platform", "linux/amd64"]


class RustupAdd(Rustup):
    asked = "add"


class DockerPull(Where):
    name = "docker"
    made = ("hello-krust:latest",)
    verb = "pull"

    def prepare(self) -> None:
        self.env |= {"CARGO": require_tool("cargo"), "RUSTC": require_tool("rustc")}
        ignore = shutil.ignore_patterns("target", ".krust")
        shutil.copytree(EXAMPLES / "hello-krust", self.folder / "hello", ignore=ignore)
        run(KRUST, "build", "--no-push", "hello", cwd=self.folder, env=self.env)
        self.when = f'[ "$1" = {self.verb} ]'
        self.words = ["run", "--engine=docker", "hello"]

    def check(self, ended: Ended) -> None:
        if ended.code:
            is_fault(ended)


class DockerRun(DockerPull):
    """Its exit code and its words are the program's."""

    verb = "run"

    def check(self, ended: Ended) -> None:
        assert "Traceback" not in ended.said
        assert "krust: cannot" not in ended.said


class DockerForgets(DockerRun):
    verb = "image"

    def check(self, ended: Ended) -> None:
        super().check(ended)
        assert ended.code == 0, "the program's"


PLACES: tuple[type[Where], ...] = (
    Cargo, CargoBuild, Rustc, Rustup, RustupAdd, Git, Helper, Kubectl, DockerPull, DockerRun, DockerForgets,
)  # fmt: skip


def clean(folder: Path, made: tuple[str, ...] = ()) -> None:
    """No other name than those of `made` was written to the store, if there is one, and nothing half."""
    if (folder / ".krust").exists():
        store = Store.open(folder / ".krust")
        assert fsck(store).problems == ()
        assert {ref.name for ref in store.refs} <= set(made)
        assert list((store.path / "tmp").iterdir()) == []


@pytest.mark.parametrize("place", PLACES)
def test_a_program_that_misbehaves_is_a_fault(
    place: type[Where], tmp_path: Path, rounds: Callable[[int, int], int], count: Callable[..., None]
) -> None:
    where = place(tmp_path)
    for what in Random(place.__name__).sample(sorted(MISDEEDS), rounds(5, len(MISDEEDS))):
        if issubclass(place, (CargoBuild, Kubectl, DockerPull)) and what == "prints without end":
            continue  # as if it worked for long, and Ctrl-C ends it
        where.misbehave(MISDEEDS[what])
        ended = where.ask()
        try:
            assert began(where.program)
            where.check(ended)
            clean(tmp_path, where.made)
        except AssertionError as error:
            error.add_note(f"{place.__name__} {what}: {ended.code} {ended.said[-500:]}")
            raise
        count(misdeeds=1)


@pytest.mark.parametrize("place", [place for place in PLACES if place.__base__ in (Where, Cargo)])
@pytest.mark.parametrize("how", ["not executable", "no program", "a folder", "of an interpreter that is not there"])
def test_a_program_that_cannot_be_run_is_a_fault(
    place: type[Where], how: str, tmp_path: Path, count: Callable[..., None]
) -> None:
    where = place(tmp_path)
    where.program.parent.mkdir()
    if how == "a folder":
        where.program.mkdir()
    else:
        where.program.write_bytes(b"#!/no/such/interpreter\n" if how.startswith("of") else b"\x00\x01garbage")
        where.program.chmod(0o644 if how == "not executable" else 0o755)
    where.env["PATH"] = str(where.program.parent)
    is_fault(where.ask(), 1, 127)
    clean(tmp_path, where.made)
    count(programs=1)


@pytest.mark.parametrize("place", [Cargo, CargoBuild, Rustc])
def test_a_program_that_is_gone_when_it_is_needed_again_is_a_fault(place: type[Where], tmp_path: Path) -> None:
    where = place(tmp_path)
    where.real, real = None, where.real
    misbehaving(where.program, f'rm "$0"; exec {real} "$@"')
    is_fault(where.ask())
    clean(tmp_path, where.made)


@pytest.mark.parametrize("place", [place for place in PLACES if place not in (Kubectl, DockerRun)])
def test_ctrl_c_ends_it_with_all_that_it_started(
    place: type[Where], tmp_path: Path, rounds: Callable[[int, int], int], count: Callable[..., None]
) -> None:
    where = place(tmp_path)
    cases = [(how, number, times) for how in HANGS for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
             for times in (1, 2)]  # fmt: skip
    for how, number, times in Random(place.__name__).sample(cases, rounds(2, len(cases))):
        where.misbehave(HANGS[how])
        (where.program.with_name(f"{where.program.name}.began")).unlink(missing_ok=True)
        sent = 0.0

        def interrupt(process: subprocess.Popen[bytes], number: signal.Signals = number, times: int = times) -> None:
            nonlocal sent
            until(lambda: began(where.program) or process.poll() is not None)
            time.sleep(0.2)
            sent = time.monotonic()
            for _ in range(times):
                process.send_signal(number)
                time.sleep(0.3)

        ended = where.ask(interrupt)
        took = time.monotonic() - sent
        try:
            assert ended.code == 130
            assert "Traceback" not in ended.said
            if times == 1:
                assert ended.fault == "krust: interrupted"
            # who hears no signal is given five seconds once, and none twice
            assert took < (9 if "no signal" in how and times == 1 else 4)
            clean(tmp_path, where.made)
        except AssertionError as error:
            error.add_note(f"{place.__name__} {how}, {times} times {number.name}: {ended.said[-500:]}")
            raise
        count(signals=times)


def test_a_container_that_the_engine_does_not_stop_is_left_to_it(tmp_path: Path) -> None:
    """krust waits as long as a stop may take, and says that it may still run; a second Ctrl-C leaves a moment."""
    where = DockerRun(tmp_path)
    lines = f'if [ "$1" = run ]; then exec sleep 1000; fi\n{HANGS["has a child that hears no signal"]}'
    for times, seconds in ((2, 4), (1, 20)):
        began = where.program.with_name("docker.began")
        began.unlink(missing_ok=True)
        where.when = '[ "$1" = run ] || [ "$1" = stop ]'
        where.misbehave(lines)
        sent = 0.0

        def interrupt(process: subprocess.Popen[bytes], began: Path = began, times: int = times) -> None:
            nonlocal sent
            until(lambda: began.exists() or process.poll() is not None)
            sent = time.monotonic()
            for _ in range(times):
                process.send_signal(signal.SIGINT)
                time.sleep(0.3)

        ended = where.ask(interrupt)
        assert ended.code == 130, ended
        assert ended.fault == "krust: interrupted"
        assert "krust: 'docker' does not end 'krust-run-" in ended.said
        assert time.monotonic() - sent < seconds
