"""An image out of the store: what was at the place before is lost in no case."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from krust.errors import SettingError
from krust.image.export import export
from plumbing.store import Store
from tests.registry.moves import image


def test_a_layout_that_cannot_take_its_place_leaves_the_one_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = image(tmp_path / "old"), image(tmp_path / "new", seed=1)
    target = tmp_path / "to" / "layout"
    target.parent.mkdir()
    export(old.store, {"app:v1": old.root}, target)
    rename = Path.rename

    def interrupted(self: Path, to: Path) -> Path:
        if self.name == "layout" and to == target:
            raise KeyboardInterrupt
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", interrupted)  # nobody is quick enough to do it between two renames
    with pytest.raises(KeyboardInterrupt):
        export(new.store, {"app:v2": new.root}, target)
    assert [ref.name for ref in Store.open(target).refs] == ["app:v1"]
    assert list(target.parent.iterdir()) == [target]
    monkeypatch.undo()
    export(new.store, {"app:v2": new.root}, target)
    assert [ref.name for ref in Store.open(target).refs] == ["app:v2"]
    assert list(target.parent.iterdir()) == [target]


def test_a_pipe_is_not_replaced_by_an_archive(tmp_path: Path) -> None:
    made = image(tmp_path / "made")
    os.mkfifo(tmp_path / "out.tar")
    with pytest.raises(SettingError, match="something else is there"):
        export(made.store, {"app:v1": made.root}, tmp_path / "out.tar")
    assert (tmp_path / "out.tar").is_fifo()
