"""store: which operations take longer when a store has many blobs, and how much."""

from __future__ import annotations

import itertools
import math
import os
import shutil
from pathlib import Path

from bench import inputs
from bench.case import Bench, Case, Curves, Found, Row, Table, at_least, at_most
from bench.inputs import MIB
from bench.timing import Deed, timed, turns
from plumbing.oci.digest import Digest
from tests.tools import KRUST, run

_SIZES = (100, 1000, 10_000, 100_000)
_VERIFIED = 512 * MIB
_BUILD = "krust build"
_SHA256 = "one sha256 pass"


def measure(bench: Bench, found: Found) -> None:
    hello, empty, store = inputs.example("hello-krust", bench.folder), bench.folder / "empty", bench.folder / "store"
    build = (KRUST, "build", "--no-push", "-q", hello, "--store")
    run(*build, empty)
    found.curves.append(lines := Curves("what a store of many blobs takes", "blobs", "seconds", {}))
    for size in _SIZES:
        images = inputs.many_images(store, size)
        run(*build, store)
        deeds = _deeds(store, images) | {_BUILD: lambda: timed(*build, store)}
        rows = {name: Row(runs) for name, runs in turns(bench.rounds, deeds).items()}
        for name, row in rows.items():
            lines.lines.setdefault(name, []).append((size, row.wall))
        if size == _SIZES[-1]:
            found.tables.append(Table(f"a store of {size} blobs", rows))
            found.measured |= {name: rows[f"krust {name}"].wall for name in ("ls-refs", "gc --dry-run")}
            both = {_BUILD: deeds[_BUILD], "krust build, an empty store": lambda: timed(*build, empty)}
            title = "a build with nothing to do"
            many, bare = found.table(f"{title}, {len(images)} refs", turns(2 * bench.rounds, both)).values()
            inputs.keep_ref(store, "hello-krust:latest")
            few, again = found.table(f"{title}, as many blobs, one ref", turns(2 * bench.rounds, both)).values()
            found.measured |= {"refs": many.wall / bare.wall, "blobs": few.wall / again.wall}
        shutil.rmtree(store)
    found.notes.append(_growth(lines))
    _verify(bench, found)


def _deeds(store: Path, images: list[Digest]) -> dict[str, Deed]:
    """What plumbing does, by its words. `update-ref` has another image each time, or it would have nothing to do."""
    middle, digest, others = f"app-{len(images) // 2}", str(images[0]), itertools.cycle(map(str, images[:2]))
    commands = {
        "ls-refs": ("ls-refs",),
        "rev-parse a ref": ("rev-parse", middle),
        "rev-parse a digest": ("rev-parse", digest),
        "rev-parse an abbreviation": ("rev-parse", digest.removeprefix("sha256:")[:12]),
        "cat-manifest": ("cat-manifest", middle),
        "gc --dry-run": ("gc", "--dry-run"),
        "verify": ("verify",),
    }

    def deed(words: tuple[str, ...]) -> Deed:
        return lambda: timed(KRUST, *words, "--store", store)

    deeds = {f"krust {name}": deed(words) for name, words in commands.items()}
    deeds["krust update-ref"] = lambda: timed(KRUST, "update-ref", "changing", next(others), "--store", store)
    return deeds


def _growth(curves: Curves) -> str:
    """How each grows at its end: the power of the number of blobs that the time follows."""
    powers = {}
    for name, points in curves.lines.items():
        (x, y), (x2, y2) = points[-2:]
        powers[name] = math.log(y2 / y) / math.log(x2 / x)
    told = ", ".join(f"`{name}` {power:.2f}" for name, power in powers.items())
    return f"From {_SIZES[-2]} to {_SIZES[-1]} blobs the time grows as their number to the power of: {told}."


def _verify(bench: Bench, found: Found) -> None:
    """Of large blobs, where hashing is the work; its goal is by each core."""
    layout, file = inputs.image(bench.folder / "large", [_VERIFIED // 64] * 64), bench.folder / "file"
    with file.open("wb") as out:
        for blob in (layout / "blobs" / "sha256").iterdir():
            out.write(blob.read_bytes())
    deeds = {"krust verify": lambda: timed(KRUST, "verify", "--store", layout), _SHA256: inputs.sha256(file)}
    rows = found.table("512 MiB in 64 blobs", turns(bench.rounds, deeds))
    found.bound = rows["krust verify"].wall / rows[_SHA256].wall
    found.measured["verify"] = 1 / found.bound / (os.cpu_count() or 1)


CASE = Case(
    name="store",
    title="A store of many blobs",
    about="""
Stores of 100 to 100,000 small blobs, three to an image, each image with a ref. The build is of examples/hello-krust,
with nothing to do; the largest store is then given a single ref, with all of its blobs, to tell what is due to blobs
and what to refs. Then one of large blobs, where hashing is the work.
""",
    goals={
        "ls-refs": at_most(1, "s", "store of 100,000 blobs: `ls-refs`"),
        "gc --dry-run": at_most(3, "s", "store of 100,000 blobs: `gc --dry-run`"),
        "blobs": at_most(1.1, "", "store of 100,000 blobs: a no-op build, of one in an empty store"),
        "refs": at_most(1.1, "", "store of 100,000 blobs, 33,333 refs: a no-op build, of one in an empty store"),
        "verify": at_least(0.5, "", "`verify`: rate by core, of one thread of sha256"),
    },
    bound="of `verify`: one pass of sha256 over as many bytes, in one thread",
    measure=measure,
    rounds=3,
    minutes=3,
)
