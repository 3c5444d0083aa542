"""Power: the machine stops after any call. What is left on the disk is a clean store, with all that was reported.

What may be left is worked out by power.py from the calls of one run, for each of its calls.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from plumbing.errors import PlumbingError
from tests.faults.deeds import DEEDS, STAGING, Deed, World
from tests.faults.power import DATA, GARBAGE, LEAST, NAMES, Choice, Disk, Left, mixed, write
from tests.faults.shim import Shim

pytestmark = pytest.mark.slow

_SEED = int(os.environ.get("FAULTS_SEED", "20261123"))
_CHOICES = {"nothing else": LEAST, "names": NAMES, "names, and garbage": GARBAGE, "bytes": DATA}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("power")
    with World.built(folder, Shim.built(folder)) as world:
        yield world


@dataclass(frozen=True, slots=True)
class Cuts:
    """Cuts of the power in a world, and what was wrong after them. The same is not looked at twice."""

    world: World
    deed: Deed
    wrong: list[str] = field(default_factory=list)
    _seen: set[object] = field(default_factory=set)

    def cut(self, disk: Disk, choice: Choice, when: str, *, is_reported: bool, again: bool = False) -> None:
        """Look at what `choice` leaves on `disk`. `again`: and whether the deed can be done from there."""
        left = disk.left(choice)
        looks = (frozenset(left.items()), is_reported, again)
        if looks in self._seen:
            return
        self._seen.add(looks)
        self.wrong.extend(f"{self.deed}, cut {when}: {each}" for each in self._wrong(left, is_reported, again))

    def _wrong(self, left: Left, is_reported: bool, again: bool) -> Iterator[str]:
        world = self.world
        shutil.rmtree(world.folder)
        world.folder.mkdir()
        write(left, world.folder)
        try:
            yield from world.problems()
        except PlumbingError as error:
            yield str(error)
        if torn := world.half_written(self.deed, apart_from=STAGING):
            yield f"half written: {torn}"
        if is_reported and self.deed.lasts and not world.is_done(self.deed):
            yield "lost, and had been reported as done"
        if again:
            was_done = world.is_done(self.deed)
            done = world.run(self.deed)
            if not (world.is_done(self.deed) and (done.code == 0 or was_done)):
                yield f"again: exit {done.code}, {done.err}"

    @property
    def count(self) -> int:
        return len(self._seen)


@pytest.mark.parametrize("deed", DEEDS, ids=str)
def test_a_cut_after_any_call(deed: Deed, world: World, rounds: Callable[[int, int], int], count) -> None:
    world.tell(deed)
    world.renew()
    disk = Disk(world.folder)
    calls = world.run(deed).calls
    chance = random.Random(_SEED)
    cuts = Cuts(world, deed)
    every = rounds(10, 2)
    for number, call in enumerate(calls, 1):
        disk.take(call)
        when = f"after call {number} ({call})"
        is_reported = number == len(calls)
        for name, choice in _CHOICES.items():
            cuts.cut(disk, choice, f"{when}, {name}", is_reported=is_reported, again=number % every == 0)
        for turn in range(rounds(1, 10)):
            cuts.cut(disk, mixed(chance), f"{when}, mix {turn} of seed {_SEED}", is_reported=is_reported)
    count(power_cuts=cuts.count)
    assert not cuts.wrong, "\n".join(cuts.wrong)


@pytest.mark.parametrize("deed", [deed for deed in DEEDS if deed.names], ids=str)
def test_what_another_had_begun_lasts_too(deed: Deed, world: World, rounds: Callable[[int, int], int], count) -> None:
    """One is killed before it syncs what it has named; the next one finds that, and reports it as done."""
    calls = world.tell(deed).calls
    chance = random.Random(_SEED)
    cuts = Cuts(world, deed)
    ends = [number for number, call in enumerate(calls, 1) if calls[number - 2].call in ("rename", "mkdir", "symlink")]
    for number in chance.sample(ends, min(len(ends), rounds(3, 100))):
        world.renew()
        disk = Disk(world.folder)
        for done in (world.run(deed, at=number, fault="kill"), world.run(deed)):
            for call in done.calls:
                disk.take(call)
        for name, choice in _CHOICES.items():
            when = f"at the end, when one before was killed at call {number} ({calls[number - 1]}), {name}"
            cuts.cut(disk, choice, when, is_reported=done.code == 0)
    count(power_cuts=cuts.count)
    assert not cuts.wrong, "\n".join(cuts.wrong)


@pytest.mark.parametrize("inode", ["file", "folder"])
def test_without_a_sync_a_cut_is_seen(inode: str, world: World) -> None:
    """Else nothing above would say anything."""
    deed = next(deed for deed in DEEDS if deed.name == "update-ref")
    world.tell(deed)
    world.renew()
    disk = Disk(world.folder)
    for call in world.run(deed).calls:
        if call.call != "fsync" or (inode == "file") == stat.S_ISDIR(call.mode):
            disk.take(call)
    cuts = Cuts(world, deed)
    for choice in (LEAST, NAMES, GARBAGE):
        cuts.cut(disk, choice, "", is_reported=True)
    assert cuts.wrong != []
