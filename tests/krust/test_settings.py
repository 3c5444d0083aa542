from __future__ import annotations

from pathlib import Path

import pytest

from krust.settings import store_path


@pytest.mark.parametrize("manifest", [b"[workspace]", b"[workspace", b"# \xff", b"a = " + b"[" * 9999])
def test_the_store_is_beside_the_workspace_whatever_its_members_say(manifest: bytes, tmp_path: Path) -> None:
    member = tmp_path / "member"
    member.mkdir()
    (member / "Cargo.toml").write_bytes(manifest)
    (tmp_path / "Cargo.toml").write_text("[workspace]")
    assert store_path(member) == (".krust" if manifest == b"[workspace]" else "../.krust")
