"""krust build --verify-reproducible: built twice, and compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.krust.commands.conftest import Krust

pytestmark = pytest.mark.slow  # each test compiles twice


def test_what_is_reproducible_becomes_an_image(krust: Krust, hello: Path) -> None:
    built = krust("build", "--no-push", "--verify-reproducible", hello)
    assert built.code == 0, built
    assert "krust: building again in" in built.stderr
    assert built.stdout == krust("build", "--no-push", hello).stdout


def test_what_is_not_is_named_with_its_section_and_offset_and_nothing_is_written(
    krust: Krust, hello: Path, tmp_path: Path
) -> None:
    (hello / "build.rs").write_text(
        "fn main() { let now = std::time::SystemTime::now();"
        ' println!("cargo:rustc-env=NOW={:?}", now); println!("cargo:rerun-if-changed=build.rs"); }'
    )
    (hello / "src" / "main.rs").write_text('fn main() { println!("{}", env!("NOW")); }')
    refused = krust("build", "--no-push", "--verify-reproducible", hello)
    assert (refused.code, refused.stdout) == (1, "")
    assert "cannot reproduce 'hello-krust'" in refused.fault
    assert re.search(r"for linux/\S+, section \.rodata, offset 0x[0-9a-f]+: ", refused.stderr), refused.stderr
    assert not (tmp_path / ".krust").exists()
