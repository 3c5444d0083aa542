"""A thousand pushes by sixteen processes to one registry: all arrive, whole and under their tags."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from plumbing.registry import Registry
from plumbing.store import Store
from plumbing.store.fsck import fsck
from plumbing.sync import copy
from tests.krust.commands.serving import serving
from tests.registry.debian import docker_registry
from tests.registry.moves import Image, image

pytestmark = pytest.mark.slow

PROCESSES = 16


@contextmanager
def there(which: str, folder: Path) -> Iterator[str]:
    with docker_registry(folder / "it") if which == "docker-registry" else serving(folder / "it") as host:
        yield host


def push(host: str, app: Image, name: str, tag: str, faults: Path) -> None:
    """By the real clock: docker-registry answers 500 for what another is writing, and is asked again a second later.

    faults  takes a line for each such answer
    """
    with faults.open("a") as file:

        def note(level: int, line: Callable[[], str]) -> None:
            if line().startswith("< 5"):
                file.write(f"{line()}\n")

        with Registry(host, log=note) as registry:
            repository = registry.repository(name, push=True)
            copy(app.store, repository, app.root)
            repository.tag(tag, app.root, app.store.read(app.root))


def push_many(host: str, folder: Path, number: int, of: int) -> None:
    """Images of their own, each with its own tag."""
    for turn in range(of):
        app = image(folder / f"app{number}-{turn}", 2000, 100, seed=1000 * number + turn)
        push(host, app, "crowd", f"t{number}-{turn}", folder / f"faults{number}")


def push_same(host: str, folder: Path, number: int, of: int) -> None:
    store = Store.open(folder / "same")
    for turn in range(of):
        app = Image(store, next(iter(store.refs)).descriptor)
        push(host, app, f"same/{turn}", f"t{number}", folder / f"faults{number}")


def by_many(work: Callable[[str, Path, int, int], None], host: str, folder: Path, of: int) -> list[str]:
    """Have all of them do `work`. Returns the server's answers that told of a fault of its own."""
    context = multiprocessing.get_context("spawn")  # threads of this process would not survive a fork
    with ExitStack() as stack:
        processes = [context.Process(target=work, args=(host, folder, number, of)) for number in range(PROCESSES)]
        for process in processes:
            process.start()
            stack.callback(process.kill)
        for process in processes:
            process.join(600)
        assert [process.exitcode for process in processes] == [0] * PROCESSES
    return [line for faults in folder.glob("faults*") for line in faults.read_text().splitlines()]


def is_whole(host: str, name: str, tags: set[str], images: int, into: Path) -> None:
    """Fetch all of it, which verifies every byte."""
    store = Store.create(into)
    with Registry(host) as registry:
        repository = registry.repository(name)
        assert set(repository.tags()) == tags
        roots = {repository.resolve(tag) for tag in tags}
        assert len(roots) == images
        for root in roots:
            copy(repository, store, root)
            assert store.complete(root)
    assert fsck(store).problems == ()


@pytest.mark.parametrize("which", ["docker-registry", "krust serve"])
def test_many_processes_push_to_one_registry(
    which: str, tmp_path: Path, rounds: Callable[[int, int], int], count: Callable[..., None]
) -> None:
    of = rounds(1, 63)
    with there(which, tmp_path) as host:
        faults = by_many(push_many, host, tmp_path, of)
        tags = {f"t{number}-{turn}" for number in range(PROCESSES) for turn in range(of)}
        is_whole(host, "crowd", tags, len(tags), tmp_path / "there")
    assert which == "docker-registry" or faults == []
    count(pushes=PROCESSES * of, faults_of_the_server=len(faults))


@pytest.mark.parametrize("which", ["docker-registry", "krust serve"])
def test_many_processes_push_the_same_at_once(
    which: str, tmp_path: Path, rounds: Callable[[int, int], int], count: Callable[..., None]
) -> None:
    of = rounds(1, 10)
    image(tmp_path / "same", 3_000_000, 1000, 100_000)
    with there(which, tmp_path) as host:
        faults = by_many(push_same, host, tmp_path, of)
        for turn in range(of):
            tags = {f"t{number}" for number in range(PROCESSES)}
            is_whole(host, f"same/{turn}", tags, 1, tmp_path / f"there{turn}")
    assert which == "docker-registry" or faults == []
    count(pushes=PROCESSES * of, faults_of_the_server=len(faults))
