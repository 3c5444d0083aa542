"""make, with a compiler that is a function: what is written, in which order, and what has happened when it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from krust.cargo.compile import Binary
from krust.errors import CargoError, SettingError
from krust.image.make import Compile, Made, make
from krust.image.plan import Plan
from krust.image.steps import Steps
from plumbing.commands.ls_layer import ls_layer
from plumbing.commands.network import Network
from plumbing.errors import RegistryError, SourceError
from plumbing.layer.entries import Source
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.platform import Platform
from plumbing.store import Store
from plumbing.store.fsck import fsck
from plumbing.store.names import Found
from tests.krust.config.conftest import Case
from tests.krust.image.conftest import AMD64, ARM64, binary, manifest
from tests.registry.faults import registry

Make = Callable[..., list[Made]]


@pytest.fixture
def made(steps: Steps, network: Network) -> Make:
    def made(plans: Sequence[Plan], compile: Compile, *, push: bool = False, tags: bool = True) -> list[Made]:
        return make(steps, plans, compile, network, created=0, push=push, tags=tags)

    return made


def plan(case: Case, metadata: str = 'base = "scratch"', *, bin: str = "hello", **more: object) -> Plan:
    settings = case.resolve(metadata, bins=("hello", "other", "third"), target=bin, flags=more)
    return Plan(settings=settings, platforms=(AMD64,), files=())


def with_platforms(plan: Plan, *platforms: Platform, files: tuple[Source, ...] = ()) -> Plan:
    return Plan(settings=plan.settings, platforms=platforms, files=files)


def compiler(folder: Path) -> Compile:
    """Makes each executable at once: its contents are its name and platform."""

    def compile(plans: Sequence[Plan], finished: Callable[[Binary], None]) -> None:
        for plan in plans:
            for platform in plan.platforms:
                name = plan.executable.name
                path = folder / platform.architecture / name
                finished(binary(plan, platform, path, f"{name} {platform}".encode()))

    return compile


def names(store: Store) -> set[str | None]:
    return {ref.name for ref in store.refs}


def size_of_program(store: Store, root: Descriptor) -> int:
    return [member.size for member in ls_layer(Found(store, manifest(store, root).layers[-1]))][-1]


def test_images_come_in_the_order_asked_whichever_is_there_first(
    case: Case, store: Store, made: Make, tmp_path: Path
) -> None:
    plans = [plan(case, bin=name) for name in ("third", "hello", "other")]

    def backwards(plans: Sequence[Plan], finished: Callable[[Binary], None]) -> None:
        compiler(tmp_path)(plans[::-1], finished)

    images = made(plans, backwards)
    assert [image.plan.executable.name for image in images] == ["third", "hello", "other"]
    assert names(store) == {"third:latest", "hello:latest", "other:latest"}
    for image in images:
        found = store.refs.get(image.refs[0])
        assert found is not None
        assert found.digest == image.root.digest


def test_platforms_share_the_layer_of_files(case: Case, store: Store, made: Make, tmp_path: Path) -> None:
    wanted = with_platforms(plan(case), ARM64, AMD64, files=(Source(src=b"x", dest="/etc/x"),))
    [image] = made([wanted], compiler(tmp_path))
    one, other = (manifest(store, image.root, platform).layers for platform in (AMD64, ARM64))
    assert len(one) == len(other) == 2
    assert one[0] == other[0]
    assert [each.binary.platform for each in image.images] == [ARM64, AMD64]


def test_an_image_is_written_while_the_compiler_works(case: Case, store: Store, made: Make, tmp_path: Path) -> None:
    def slow(plans: Sequence[Plan], finished: Callable[[Binary], None]) -> None:
        compiler(tmp_path)(plans[:1], finished)
        for _ in range(1000):
            if any(blob.is_file() for blob in (store.path / "blobs" / "sha256").glob("*")):
                break
            threading.Event().wait(0.01)
        else:
            pytest.fail("nothing is written before the compiler has ended")
        assert names(store) == set()
        compiler(tmp_path)(plans[1:], finished)

    made([plan(case), plan(case, bin="other")], slow)
    assert names(store) == {"hello:latest", "other:latest"}


def test_what_is_built_differently_is_built_apart(case: Case, made: Make, tmp_path: Path) -> None:
    base = 'base = "scratch"\n'
    calls: list[list[str]] = []

    def counted(plans: Sequence[Plan], finished: Callable[[Binary], None]) -> None:
        calls.append([plan.executable.name for plan in plans])
        compiler(tmp_path)(plans, finished)

    plans = [plan(case, base), plan(case, f'{base}features = ["f"]', bin="other"), plan(case, base, bin="third")]
    images = made(plans, counted)
    assert calls == [["hello", "third"], ["other"]]
    assert [image.plan.executable.name for image in images] == ["hello", "other", "third"]


def test_a_program_is_read_before_the_next_call_may_replace_it(
    case: Case, store: Store, made: Make, tmp_path: Path
) -> None:
    """On the default base, which takes a while to write: the program is read after that."""
    first, second = plan(case, ""), plan(case, 'features = ["f"]', bin="other")
    sizes = {"hello": 1000, "other": 2000}

    def same_place(plans: Sequence[Plan], finished: Callable[[Binary], None]) -> None:
        for each in plans:
            finished(binary(each, AMD64, tmp_path / "server", bytes(sizes[each.executable.name])))

    images = made([first, second], same_place)
    assert [size_of_program(store, image.root) for image in images] == [1000, 2000]


def test_images_of_one_name_are_refused_before_anything_is_compiled(case: Case, store: Store, made: Make) -> None:
    def never(*_: object) -> None:
        pytest.fail("compiled")

    with pytest.raises(SettingError, match=r"cannot call 2 images 'x': --bin hello of hello and --bin other of hello"):
        made([plan(case, name="x"), plan(case, bin="other", name="x")], never)
    assert names(store) == set()


def test_a_compiler_that_fails_names_nothing(case: Case, store: Store, made: Make, tmp_path: Path) -> None:
    def failing(plans: Sequence[Plan], finished: Callable[[Binary], None]) -> None:
        compiler(tmp_path)(plans[:1], finished)
        raise CargoError("cannot build")

    with registry() as r:
        plans = [plan(case, bin=name, image=f"{r.host}/{name}") for name in ("hello", "other")]
        with pytest.raises(CargoError):
            made(plans, failing, push=True)
        assert not [name for name in names(r.store) if name and "@" not in name]
    assert names(store) == set()
    assert fsck(store).problems == ()
    assert list((store.path / "tmp").iterdir()) == []


def test_a_program_that_cannot_be_read_stops_it(case: Case, store: Store, made: Make, tmp_path: Path) -> None:
    def vanishing(plans: Sequence[Plan], finished: Callable[[Binary], None]) -> None:
        gone = binary(plans[0], AMD64, tmp_path / "gone")
        gone.path.unlink()
        finished(gone)
        compiler(tmp_path)(plans[1:], finished)

    with pytest.raises(SourceError, match="gone"):
        made([plan(case), plan(case, bin="other")], vanishing)
    assert names(store) == set()


def test_refs_move_though_one_cannot_be_pushed_and_no_tag_does(
    case: Case, store: Store, made: Make, tmp_path: Path
) -> None:
    with registry() as r, registry(repo_must_exist="POST") as closed:
        plans = [plan(case, image=f"{r.host}/hello"), plan(case, bin="other", image=f"{closed.host}/other")]
        with pytest.raises(RegistryError):
            made(plans, compiler(tmp_path), push=True)
        assert not [name for name in names(r.store) if name and "@" not in name]
    assert names(store) == {"hello:latest", "other:latest"}
