"""Who else on this machine may read what krust writes, and whether they can have it written elsewhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plumbing.commands.written import write_whole
from plumbing.errors import StoreError
from plumbing.store import Store
from tests.plumbing.store.images import put_image


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0o077, 0o027, 0o022])
def test_a_store_is_as_private_as_the_umask_says(mask: int, tmp_path: Path) -> None:
    """Its files may be read by whoever gets as far; nobody gets there whom the umask keeps out of the folders."""
    with umask(mask):
        store = Store.create(tmp_path / "store")
        store.update_ref("image", put_image(store))
    folders = [store.path, *(path for path in store.path.rglob("*") if path.is_dir())]
    assert {mode(path) for path in folders} == {0o777 & ~mask}
    assert not any(mode(path) & 0o022 for path in store.path.rglob("*") if path.is_file())


@pytest.mark.parametrize("mask", [0o077, 0o027, 0o022, 0])
@pytest.mark.parametrize("wanted", [0o644, 0o755])
def test_a_file_for_people_is_as_private_as_the_umask_says(mask: int, wanted: int, tmp_path: Path) -> None:
    with umask(mask):
        write_whole(tmp_path / "trace", "text", mode=wanted)
    assert mode(tmp_path / "trace") == wanted & ~mask
    assert [path.name for path in tmp_path.iterdir()] == ["trace"]


def test_nothing_is_written_through_a_link_in_a_temporary_files_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though somebody had guessed the name."""
    monkeypatch.setattr(os, "urandom", bytes)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f".krust.{bytes(8).hex()}").symlink_to(victim)
    with pytest.raises(StoreError, match="cannot write"):
        write_whole(tmp_path / "trace", "theirs")
    assert victim.read_text() == "mine"
    assert (tmp_path / f".krust.{bytes(8).hex()}").is_symlink(), "what another has made is theirs"


@pytest.mark.parametrize(("mode", "owner", "followed"), [(0o1777, 0, True), (0o1777, 1, False), (0o755, 1, True)])
def test_a_strangers_link_is_not_followed_where_everybody_may_write(
    mode: int, owner: int, followed: bool, tmp_path: Path
) -> None:
    if owner and os.geteuid():
        pytest.skip("only root can give a link away")
    victim, folder = tmp_path / "victim", tmp_path / "folder"
    victim.write_text("mine")
    folder.mkdir()
    folder.chmod(mode)
    trace = folder / "trace"
    trace.symlink_to(victim)
    os.chown(trace, os.geteuid() + owner, -1, follow_symlinks=False)
    write_whole(trace, "new")
    assert trace.read_text() == "new"
    assert victim.read_text() == ("new" if followed else "mine")
    assert trace.is_symlink() == followed
