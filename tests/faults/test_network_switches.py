"""Every switch of the test registry, at every request of a push, a fetch and a copy in turn.

Whatever a registry does: the image is there, byte for byte, or one line says why not; nothing is half written, no tag
names what is not whole; and the next time, when the registry has come to its senses, all is well.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from traceback import format_exception
from types import FrameType
from typing import Any, Literal

import pytest

from plumbing.commands.copy import copy
from plumbing.commands.fetch import fetch
from plumbing.commands.network import Network
from plumbing.commands.push import push
from plumbing.errors import PlumbingError
from plumbing.oci.reference import Reference
from plumbing.registry import Credential
from plumbing.registry.settings import Settings
from plumbing.store import Store
from plumbing.store.fsck import fsck
from tests.registry.faults import SWITCHES, Registry, registry
from tests.registry.moves import Image, Time, index
from tests.tools import KRUST

pytestmark = pytest.mark.slow

DEADLINE = 60
"""Seconds of a run: none waits for anything but loopback."""

VALUES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(SWITCHES, (True,)),
    "body_limit_413": (20_000,),
    "chunk_limits": ((1, 1000),),
    "content_range_refused": (400, 405),
    "empty_403_once": (9,),
    "fallback_race": (True, "before"),
    "flaky": ((500, 9), (503, 9), (408, 9), (404, 9), (401, 9), (200, 9), ("reset", 9)),
    "hostile_manifest": ("ambiguous", "deep", "wide", "platform", "urls"),
    "link_bad": ("origin", "endless"),
    "list_max": (1,),
    "location_changes": (True, "none"),
    "location_private_ip": (True, "169.254.169.254"),
    "mount_refused": (202, 400, 401, 404, 500),
    "oauth_post_refused": (404,),
    "odd_success": (True, (204, 204, 202)),
    "patch_unsupported": (404, 405, 411, 416),
    "put_reset": (9,),
    "realm_bad": ("null", "http", "local", "redirect", "nothing"),
    "realm_foreign": (True, "relative"),
    "redirect_bad": ("forever", "http", "local", "nothing://at/all", "http://"),
    "referrers_unsupported": (404, 401),
    "repo_must_exist": ("POST", "PATCH"),
    "reset_mid_patch": (5000,),
    "retry_after_429": ((5, 9), ("date", 9), ("soon", 9)),
    "short_read": ((1000, 206), (1000, 200), (0, 206)),
    "token_expires_mid_upload": ("PATCH", "PUT", ("requests", 2)),
    "upload_lost_once": (404, 400),
    "upload_redirect": tuple(
        (method, *where) for method in ("POST", "PATCH", "PUT") for where in ((301,), (308,), (307, "other"))
    ),
    "upload_status": (404, "0-99999999"),
    "wrong_body": ("blob", "manifest"),
}
PLAYED = [(name, value) for name in SWITCHES for value in VALUES[name]]

Move = Literal["push", "fetch", "copy"]
MOVES: tuple[Move, ...] = ("push", "fetch", "copy")
NAME, OTHER = "team/app", "team/other"


@dataclass(frozen=True)
class Case:
    """A switch at the request `number`, counted from 1; `on` also at all that come after it."""

    move: Move
    name: str
    value: Any
    number: int
    on: bool

    def plays(self, number: int) -> bool:
        return number == self.number or (self.on and number > self.number)

    @property
    def is_its_word(self) -> bool:
        """Whether the registry says from the start that the tag is another image, and that it has that already.

        What a tag means is its word (docs/security.md), and so is what it has: no move can know better. What is fetched
        is whole, and who asks for a platform is told where the config is for another.
        """
        said = (("fetch", "platform"), ("copy", "platform"), ("copy", "urls"))
        return self.name == "hostile_manifest" and (self.move, self.value) in said and self.number == 1 and self.on

    def __str__(self) -> str:
        return f"{self.move} with {self.name}={self.value!r} {'from' if self.on else 'at'} request {self.number}"


class _Network(Network):
    """As a command has it, with a clock that costs no time; `patience` is in seconds of this machine, which is busy."""

    def __init__(self, r: Registry, patience: float) -> None:
        super().__init__({}, _Voice(), plain_http=frozenset({r.name}))
        self._r = r
        self._patience = patience
        self._time = Time()

    @property
    def settings(self) -> Settings:
        usual = replace(super().settings, resolve=self._r.resolve, clock=self._time.clock)
        return replace(usual, silence=self._patience, commit=self._patience)

    @property
    def credentials(self) -> Any:
        return _Known(self._r)


@dataclass(frozen=True)
class _Known:
    r: Registry

    def find(self, host: str, repository: str) -> Credential:
        return Credential(username=self.r.user, password=self.r.password, source="the test")


class _Voice:
    def say(self, text: str) -> None:
        pass

    def detail(self, level: int, line: Callable[[], str]) -> None:
        pass

    def progress(self) -> None:
        return None


class Overdue(BaseException):
    """Not an Exception: nobody on the way may take it for a fault, and try again."""


@contextmanager
def deadline(seconds: int) -> Iterator[None]:
    def overdue(number: int, frame: FrameType | None) -> None:
        raise Overdue

    before = signal.signal(signal.SIGALRM, overdue)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def do(move: Move, r: Registry, app: Image, into: Store, *, patience: float = 20) -> None:
    """What the command of that name does."""
    there = Reference.parse(f"{r.name}/{NAME}:v1")
    network = _Network(r, patience)
    try:
        match move:
            case "push":
                push(network, app.store, app.root, there, ["v1"], jobs=1)
            case "fetch":
                fetch(network, into, there, jobs=1)
            case "copy":
                source, root = network.resolve(there)
                copy(network, source, root, f"docker://{r.name}/{OTHER}:v1", origin=there, jobs=1)
    finally:
        network.close()


def given(move: Move, r: Registry, app: Image) -> None:
    """Put the image into the registry, behind its faults, where `move` needs it there."""
    if move != "push":
        for item in app.store.walk(app.root):
            r.store.put(app.store.read(item), item.media_type)
        r.store.update_ref(f"{NAME}:v1", app.root)


def arrived(move: Move, r: Registry, app: Image, into: Store) -> bool:
    """Whether the image is where it should be, under its name, byte for byte. A name for less is an error."""
    where, name = {
        "push": (r.store, f"{NAME}:v1"),
        "copy": (r.store, f"{OTHER}:v1"),
        "fetch": (into, f"{r.name}/{NAME}:v1"),
    }[move]
    ref = where.refs.get(name)
    if ref is None:
        return False
    assert where.complete(ref), "a name, and not all that it names"
    if ref.digest != app.root.digest:
        return False
    return all(where.read(item) == app.store.read(item) for item in app.store.walk(app.root))


def one_line(error: PlumbingError) -> None:
    text = str(error)
    assert text.isprintable(), text
    assert text[0].islower(), text
    assert error.exit_code == 1


def played(case: Case, folder: Path, app: Image) -> bool:
    """Play `case`, and then the same without it. Returns whether the first had a good end."""
    into = Store.create(folder / "into")
    with registry(store=folder / "registry", **{case.name: case.value}) as r:
        r.plays = case.plays
        given(case.move, r, app)
        good = True
        with deadline(DEADLINE):
            try:
                do(case.move, r, app, into, patience=0.5 if case.name == "commit_then_timeout" else 20)
            except PlumbingError as error:
                one_line(error)
                good = False
        there = arrived(case.move, r, app, into)
        assert there or not good or case.is_its_word, "it said that it was there"
        problems = fsck(into).problems
        assert not problems
        assert list((into.path / "tmp").iterdir()) == []
        r.plays = lambda number: False
        with deadline(DEADLINE):
            do(case.move, r, app, into)
        assert arrived(case.move, r, app, into)
    return good


def requests_of(move: Move, app: Image) -> int:
    """How many requests it takes without faults."""
    with tempfile.TemporaryDirectory() as folder, registry() as r:
        given(move, r, app)
        do(move, r, app, Store.create(Path(folder) / "into"))
        return len(r.requests)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return index(tmp_path_factory.mktemp("app") / "layout")


def test_every_switch_is_played() -> None:
    assert set(VALUES) == set(SWITCHES)


@pytest.mark.parametrize("move", MOVES)
def test_every_switch_at_every_request(
    move: Move, app: Image, rounds: Callable[[int, int], int], count: Callable[..., None]
) -> None:
    requests = requests_of(move, app)
    assert requests > 5
    cases = [Case(move, name, value, number, False) for name, value in PLAYED for number in range(1, requests + 1)]
    cases += [Case(move, name, value, number, True) for name, value in PLAYED for number in range(1, requests + 1, 4)]
    failures = []
    for case in Random(requests).sample(cases, rounds(60, len(cases))):
        with tempfile.TemporaryDirectory(prefix="krust-switch-") as folder:
            try:
                good = played(case, Path(folder), app)
                count(runs=1, **{"good ends" if good else "errors": 1})
            except (Exception, Overdue) as error:  # noqa: BLE001  (whatever it is, with its case)
                failures.append(f"{case}: {''.join(format_exception(error)[-3:])}")
    assert not failures, "\n".join([f"{len(failures)} cases", *failures[:20]])


def test_a_success_that_took_nothing_is_a_fault(app: Image, tmp_path: Path) -> None:
    """A 200 to the PUT of a manifest, from something that keeps none, such as a portal. The test above found it."""
    with registry(store=tmp_path / "registry", flaky=(200, 99)) as r:
        r.plays = lambda number: r.requests[-1].method == "PUT" and "/manifests/" in r.requests[-1].path
        with pytest.raises(PlumbingError, match="cannot push"):
            do("push", r, app, Store.create(tmp_path / "into"))


def test_the_same_by_the_command(
    app: Image, tmp_path: Path, rounds: Callable[[int, int], int], count: Callable[..., None]
) -> None:
    """A process of its own, with real pauses: faults that pass, at a request by chance."""
    chance = Random(7)
    quick = [(name, value) for name, value in PLAYED if name != "commit_then_timeout"]
    for turn in range(rounds(3, 30)):
        name, value = chance.choice(quick)
        case = Case("push", name, value, chance.randrange(1, 20), False)
        with registry(store=tmp_path / f"registry{turn}", **{name: value}) as r:
            r.plays = case.plays
            login = b64encode(f"{r.user}:{r.password}".encode()).decode()
            (tmp_path / "auth.json").write_text(json.dumps({"auths": {r.host: {"auth": login}}}))
            for last in (False, True):
                done = subprocess.run(
                    [KRUST, "push", f"{app.store.path}:image", f"{r.host}/{NAME}:v1"],
                    env={**os.environ, "HOME": str(tmp_path), "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")},
                    capture_output=True,
                    text=True,
                    timeout=120,
                    check=False,
                )
                there = arrived("push", r, app, app.store)
                assert "Traceback" not in done.stderr, (case, done.stderr)
                assert done.returncode == (0 if there else 1), (case, done)
                if not there:
                    assert done.stdout == ""
                    assert re.fullmatch("krust: [a-z].*", done.stderr.splitlines()[-1]), (case, done.stderr)
                assert there or not last, (case, done.stderr)
                r.plays = lambda number: False
        count(processes=2)
