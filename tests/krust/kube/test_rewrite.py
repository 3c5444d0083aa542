"""Several files in place: all or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from krust.errors import KubeError
from krust.kube.rewrite import Edited, rewrite


def edits(files: list[Path]) -> list[Edited]:
    return [Edited(path=path, before=b"old", after=b"new") for path in files]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / name / "file.yaml" for name in ("a", "b", "c")]
    for path in found:
        path.parent.mkdir()
        path.write_bytes(b"old")
    return found


def names(files: list[Path]) -> list[str]:
    return sorted(path.name for file in files for path in file.parent.iterdir())


def test_all_are_written_and_nothing_else_is_left(files: list[Path]) -> None:
    rewrite(edits(files))
    assert [path.read_bytes() for path in files] == [b"new"] * 3
    assert names(files) == ["file.yaml"] * 3


def test_what_somebody_changed_meanwhile_is_not_overwritten(files: list[Path]) -> None:
    files[1].write_bytes(b"other")
    with pytest.raises(KubeError, match=f"cannot write '{files[1]}': somebody has changed it"):
        rewrite(edits(files))
    assert [path.read_bytes() for path in files] == [b"old", b"other", b"old"]
    assert names(files) == ["file.yaml"] * 3


def failing_at(number: int, monkeypatch: pytest.MonkeyPatch, *, once: bool = False) -> None:
    """That rename, counted from 1, and all after it. No file system fails between two renames when it is asked to."""
    replace, renames = Path.replace, 0

    def failing(self: Path, target: Path) -> Path:
        nonlocal renames
        renames += 1
        if renames == number or (renames > number and not once):
            raise PermissionError(1, "Operation not permitted")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)


def test_those_before_a_failure_are_put_back(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    failing_at(3, monkeypatch, once=True)
    with pytest.raises(KubeError, match=f"cannot write '{files[2]}': operation not permitted"):
        rewrite(edits(files))
    assert [path.read_bytes() for path in files] == [b"old"] * 3
    assert names(files) == ["file.yaml"] * 3


def test_an_old_file_that_cannot_be_put_back_stays_and_is_named(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing_at(2, patch)
        with pytest.raises(KubeError, match="cannot put back") as caught:
            rewrite(edits(files[:2]))
    _, said = str(caught.value).splitlines()
    assert said.startswith(f"cannot put back '{files[0]}': ")
    old = Path(said.rpartition("what it was is in '")[2].removesuffix("'"))
    assert (files[0].read_bytes(), files[1].read_bytes(), old.read_bytes()) == (b"new", b"old", b"old")
    assert names(files[1:2]) == ["file.yaml"]
    rewrite([Edited(path=files[0], before=b"new", after=b"newer")])
    assert old.read_bytes() == b"old"


def test_a_fault_after_the_first_leaves_all_as_they_were(files: list[Path]) -> None:
    def failing() -> Iterator[Edited]:
        yield from edits(files[:2])
        assert all(len(names([path])) == 2 for path in files[:2]), "the new ones lie beside the old ones"
        raise KubeError("cannot replace it")

    with pytest.raises(KubeError, match="cannot replace it"):
        rewrite(failing())
    assert [path.read_bytes() for path in files] == [b"old"] * 3
    assert names(files) == ["file.yaml"] * 3


def test_what_is_gone_is_an_error(files: list[Path]) -> None:
    files[2].unlink()
    with pytest.raises(KubeError, match="no such file"):
        rewrite(edits(files))
    assert files[0].read_bytes() == b"old"
