"""Connections that break, stall and trickle, in front of the tests' registry and of docker-registry, http and https."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from plumbing.errors import PlumbingError, Unreachable
from plumbing.registry.settings import Settings
from plumbing.store.fsck import fsck
from tests.faults.proxy import Deed, Spoil, Way, proxy
from tests.registry.distribution import distribution
from tests.registry.faults import registry
from tests.registry.moves import Image, Person, image

pytestmark = pytest.mark.slow

SERVERS = ("http", "https", "docker-registry", "docker-registry by TLS")
SIZE = 300_000


@dataclass(frozen=True)
class There:
    port: int
    settings: Settings

    def person(self, patience: float = 4.0) -> Person:
        """With `patience` for who says nothing, in seconds of a machine that may be busy."""
        return Person(settings=replace(self.settings, connect=patience, silence=patience, commit=patience))


@pytest.fixture(scope="module", params=SERVERS)
def there(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    with _there(request.param, tmp_path_factory.mktemp("there") / "it") as it:
        yield it


@contextmanager
def _there(which: str, folder: Path) -> Iterator[There]:
    if which.startswith("docker"):
        with distribution("tls" if "TLS" in which else "open", folder) as d:
            yield There(int(d.host.rpartition(":")[2]), d.settings)
    else:
        with registry(tls=which == "https") as r:
            yield There(r.ports["main"], Settings(ca=r.ca))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return image(tmp_path_factory.mktemp("app") / "layout", SIZE, 5000)


def whole(one: Image, other: Image) -> bool:
    return all(one.store.read(item) == other.store.read(item) for item in other.store.walk(other.root))


@contextmanager
def passing(spoil: Spoil) -> Iterator[None]:
    """An error of one line is right where it breaks each time, and nowhere else."""
    error = None
    try:
        yield
    except PlumbingError as raised:
        error = raised
    assert error is None or (str(error).isprintable() and spoil.times == ALWAYS), (spoil, error)


ALWAYS = 9999
DEEDS: tuple[Deed, ...] = ("cut", "reset", "swallow", "delay")
WAYS: tuple[Way, ...] = ("up", "down")


def test_a_connection_that_breaks_at_any_byte(
    there: There, app: Image, tmp_path: Path, rounds: Callable[[int, int], int], count: Callable[..., None]
) -> None:
    """Broken once or twice: all is well in the end. Broken each time: an error, and all is well when it has passed."""
    chance = Random(there.port)
    for turn in range(rounds(4, 25)):
        spoil = Spoil(
            chance.choice(DEEDS),
            way=chance.choice(WAYS),
            after=chance.choice((0, 1, 10, 300, 2000, chance.randrange(SIZE), SIZE, chance.randrange(2 * SIZE))),
            times=chance.choice((1, 2, ALWAYS)),
            seconds=0.5,
        )
        name = f"broken/{turn}"
        store = tmp_path / f"there{turn}"
        with proxy(there.port, spoil) as p:
            with passing(spoil):
                there.person().push(p.host, app, name=name, jobs=2)
            count(**{f"times {spoil.deed}": p.played})
            p.spoil = None
            there.person().push(p.host, app, name=name, jobs=2)
            p.spoil, p.played = spoil, 0
            with passing(spoil):
                there.person().fetch(p.host, "v1", store, name=name, jobs=2)
            count(**{f"times {spoil.deed}": p.played})
            p.spoil = None
            fetched = there.person().fetch(p.host, "v1", store, name=name)
            assert whole(fetched, app), spoil
            assert fsck(fetched.store).problems == ()
            assert list((fetched.store.path / "tmp").iterdir()) == []


@pytest.mark.parametrize("after", [0, 100, 50_000])
def test_a_registry_that_answers_a_byte_a_second_is_given_up(
    there: There, app: Image, tmp_path: Path, after: int, count: Callable[..., None]
) -> None:
    """In `silence`, which is a minute for people; the five tries are made as for any other silence."""
    there.person().push(f"127.0.0.1:{there.port}", app, name="slow")
    person = there.person(1.0)
    began = time.monotonic()
    with proxy(there.port, Spoil("trickle", after=after, times=ALWAYS)) as p:
        with pytest.raises(Unreachable, match=r"it fell silent|takes no connection"):
            person.fetch(p.host, "v1", tmp_path / "there", name="slow", jobs=1)
        count(trickles=p.played)
    assert time.monotonic() - began < 40
    assert not any((tmp_path / "there" / "tmp").iterdir())


def test_a_registry_that_takes_a_byte_a_second_is_given_up(there: There, tmp_path: Path) -> None:
    large = image(tmp_path / "large", 30_000_000)
    with (
        proxy(there.port, Spoil("trickle", way="up", after=5000, times=ALWAYS)) as p,
        pytest.raises(Unreachable, match=r"it fell silent|takes no connection"),
    ):
        there.person(1.0).push(p.host, large, name="slow/up", jobs=1)


def test_a_delay_is_no_fault(there: There, app: Image, count: Callable[..., None]) -> None:
    with proxy(there.port, Spoil("delay", after=0, times=ALWAYS, seconds=0.3)) as p:
        person = there.person()
        person.push(p.host, app, name="delayed")
        assert person.time.sleeps == []
        count(delays=p.played)


def test_a_slow_line_is_no_fault(app: Image, tmp_path: Path) -> None:
    """A hundred bytes a second is slow, and goes on."""
    small = image(tmp_path / "small", 10)
    with registry() as r:
        Person().push(r.host, small)
        with proxy(r.ports["main"], Spoil("drip", after=0, times=ALWAYS)) as p:
            person = Person(settings=Settings(silence=0.5))
            fetched = person.fetch(p.host, "v1", tmp_path / "there", jobs=1)
    assert whole(fetched, small)
    assert person.time.sleeps == []
