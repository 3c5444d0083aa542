"""Players: processes that use a store all the time while others in it are killed. `python -m tests.faults.players`.

writer STORE LOG   points names to new images, and notes in LOG what it is about to report, and what it has reported
reader STORE LOG   reads each ref to its last blob, and notes what is missing of one that still stands
gc STORE LOG       deletes what no ref needs and is older than GRACE
"""

from __future__ import annotations

import sys
import time
from itertools import count
from pathlib import Path
from typing import TextIO

from plumbing.errors import PlumbingError
from plumbing.store import Store
from plumbing.store.gc import gc
from tests.plumbing.store.images import put_image

GRACE = 45
"""Seconds: longer than any command here takes, so that none loses what it has not named yet."""


def write(store: Store, log: TextIO) -> None:
    for number in count():
        image = put_image(store, "shared", f"{log.name} {number}" * 100)
        name = f"writer:{number % 4}"
        print("about", name, image.digest, file=log, flush=True)
        store.update_ref(name, image)
        print("wrote", name, image.digest, file=log, flush=True)
        time.sleep(0.3)


def read(store: Store, log: TextIO) -> None:
    while True:
        for ref in store.refs:
            try:
                list(store.walk(ref.descriptor))
                whole = store.complete(ref.descriptor)
            except PlumbingError:
                whole = False
            if not whole and ref.name and store.refs.get(ref.name) == ref.descriptor:
                print("hole", ref.name, ref.descriptor.digest, file=log, flush=True)
        time.sleep(1)


def collect(store: Store, log: TextIO) -> None:
    while True:
        for item in gc(store, now=time.time(), grace=GRACE):
            print("deleted", item.digest, file=log, flush=True)
        time.sleep(2)


if __name__ == "__main__":
    _, part, path, to = sys.argv
    with open(to, "a") as file:
        {"writer": write, "reader": read, "gc": collect}[part](Store.open(Path(path)), file)
