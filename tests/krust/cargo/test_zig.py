from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from krust.cargo import zig
from krust.cargo.targets import TARGETS, Target
from krust.cargo.toolchain import Toolchain
from krust.errors import ToolchainError


@pytest.fixture
def taken(tools: Toolchain, host: Target, env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return zig.environment(tools, [host], env=env, cache=tmp_path)


def kept(cache: Path) -> list[Path]:
    return sorted(cache.glob("zig/*/environment.json"))


def test_it_names_programs_that_are_there_and_nothing_of_the_user(taken: dict[str, str], host: Target, env) -> None:
    name = host.triple.replace("-", "_")
    for variable in (f"CARGO_TARGET_{host.variable}_LINKER", f"CC_{name}", f"CXX_{name}", f"AR_{name}"):
        assert Path(taken[variable]).exists()
    assert not set(taken) & (set(env) | {"CARGO", "RUSTC", "RUSTUP_TOOLCHAIN"})


def test_it_is_taken_once(taken: dict[str, str], tools: Toolchain, host: Target, env, tmp_path: Path) -> None:
    [file] = kept(tmp_path)
    file.write_text(json.dumps({**taken, "MARK": "kept"}))
    assert zig.environment(tools, [host], env=env, cache=tmp_path)["MARK"] == "kept"


@pytest.mark.parametrize("damage", ["[]", "{}", "{", '{"CC": 1}'])
def test_it_is_taken_again_where_it_is_damaged(
    damage: str, taken: dict[str, str], tools: Toolchain, host: Target, env, tmp_path: Path
) -> None:
    [file] = kept(tmp_path)
    file.write_text(damage)
    assert zig.environment(tools, [host], env=env, cache=tmp_path) == taken


def test_it_is_taken_again_where_a_file_is_gone_that_it_names(
    taken: dict[str, str], tools: Toolchain, host: Target, env, tmp_path: Path
) -> None:
    linker = Path(taken[f"CARGO_TARGET_{host.variable}_LINKER"])
    linker.unlink()
    assert zig.environment(tools, [host], env=env, cache=tmp_path) == taken
    assert linker.exists()


def test_each_compiler_and_each_target_has_its_own(
    taken: dict[str, str], tools: Toolchain, host: Target, env, tmp_path: Path
) -> None:
    zig.environment(replace(tools, release="1.2.3"), [host], env=env, cache=tmp_path)
    zig.environment(tools, [next(target for target in TARGETS if target != host)], env=env, cache=tmp_path)
    assert len(kept(tmp_path)) == 3


def test_what_the_user_has_set_is_no_part_of_it(tools: Toolchain, host: Target, env, tmp_path: Path) -> None:
    variable = f"CC_{host.triple.replace('-', '_')}"
    assert zig.environment(tools, [host], env={**env, variable: "mine"}, cache=tmp_path)[variable] != "mine"


def test_a_cache_that_cannot_be_written_is_an_error(tools: Toolchain, host: Target, env, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolchainError, match=r"cannot write to the cache '.*': not a directory; make it writable"):
        zig.environment(tools, [host], env=env, cache=tmp_path / "file")


def test_targets_together_are_as_each_alone(taken: dict[str, str], tools: Toolchain, env, tmp_path: Path) -> None:
    together = zig.environment(tools, TARGETS, env=env, cache=tmp_path)
    for target in TARGETS:
        alone = zig.environment(tools, [target], env=env, cache=tmp_path)
        assert alone.items() <= together.items()
    assert taken.items() <= together.items()


def test_where_nothing_says_where_zig_may_keep_its_runtime_krust_does(tools: Toolchain, host: Target, env, tmp_path):
    homeless = {**env, "HOME": "", "XDG_CACHE_HOME": ""}
    homeless.pop("ZIG_GLOBAL_CACHE_DIR", None)
    where = zig.environment(tools, [host], env=homeless, cache=tmp_path)["ZIG_GLOBAL_CACHE_DIR"]
    assert Path(where).is_relative_to(tmp_path)
    for name in ("HOME", "XDG_CACHE_HOME"):
        named = {**homeless, name: str(tmp_path)}
        assert "ZIG_GLOBAL_CACHE_DIR" not in zig.environment(tools, [host], env=named, cache=tmp_path)


def test_a_first_link_is_told_of_once(host: Target, env, tmp_path: Path) -> None:
    assert zig.unlinked(TARGETS, env=env, cache=tmp_path) == list(TARGETS)
    zig.linked(host, env=env, cache=tmp_path)
    assert host not in zig.unlinked(TARGETS, env=env, cache=tmp_path)
    assert host in zig.unlinked(TARGETS, env={**env, "ZIG_GLOBAL_CACHE_DIR": "/elsewhere"}, cache=tmp_path)
    own = {**env, f"CARGO_TARGET_{TARGETS[1].variable}_LINKER": "ld"}
    assert TARGETS[1] not in zig.unlinked(TARGETS, env=own, cache=tmp_path)
