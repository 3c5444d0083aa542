"""Paths of this machine, and what is compiled into programs in their place: the same source, the same bytes, anywhere.

Panics and debug information name source files, and so do C's assert() and __FILE__.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from krust.cargo.targets import Target
from krust.cargo.toolchain import Toolchain

Places = tuple[tuple[Path, str], ...]
"""Each with the name that it gets. The last that matches counts, so what lies inside another comes later."""


def places(toolchain: Toolchain, root: Path, env: Mapping[str, str], *, target_directory: Path | None = None) -> Places:
    """What is to be remapped where the workspace or package at `root` is built.

    A directory above `root` is called by its way from there, so that a dependency by path outside of the workspace has
    one name wherever both of them lie. The standard library's source gets the name that it has where the library comes
    prebuilt: with rust-src installed rustc would put in where that lies.
    """
    found: dict[Path, str] = {}
    for place in (root.resolve(), root):  # rustc's working directory is the first, where the second is a link
        above = [*place.parents][:-1]  # but for the root of the file system, where what is not of the project lies
        found |= {folder: "/src" + "/.." * steps for steps, folder in enumerate((place, *above))}
    found[cargo_home(env)] = "/cargo"
    if target_directory and target_directory != root / "target":  # where build scripts write source, too
        found[target_directory] = "/src/target"
    for source in (toolchain.source, toolchain.source.resolve()):  # Debian's is a link
        found[source] = f"/rustc/{toolchain.commit or toolchain.release}"
    return tuple(sorted(found.items(), key=lambda place: len(place[0].parts)))


def rust_flags(places: Places) -> tuple[str, ...]:
    return tuple(f"--remap-path-prefix={place}={name}" for place, name in places)


def c_flags(
    places: Places, targets: Iterable[Target], env: Mapping[str, str], *, cpus: Mapping[Target, str] | None = None
) -> dict[str, str]:
    """CFLAGS and CXXFLAGS for `targets`, as the cc crate reads them: the user's, and ours after them.

    cpus  what is compiled for another processor than any of its platform, by names that the C compiler takes

    The crate knows four names of each, from CFLAGS_<triple> to CFLAGS; it once took the first that is set, and takes
    all today. What the user has set in a lesser name is therefore repeated in the one that we set.
    """
    quoted = env.get("CC_SHELL_ESCAPED_FLAGS") is not None
    words = [f"-ffile-prefix-map={place}={name}" for place, name in places]
    # Where flags are split at white space there is no way to write one that has some; such a path is left to show.
    ours = shlex.join(words) if quoted else " ".join(word for word in words if len(word.split()) == 1)
    variables = {}
    for target in targets:
        cpu = f"-mcpu={cpus[target]}" if cpus and target in cpus else ""  # first, so that the user's may win
        for kind in ("CFLAGS", "CXXFLAGS"):
            names = [f"{kind}_{target}", f"{kind}_{target.triple.replace('-', '_')}", f"TARGET_{kind}", kind]
            set_ = next((name for name in names if name in env), kind)
            flags = (cpu, env.get(set_, ""), ours)
            variables[names[0] if set_ == names[0] else names[1]] = " ".join(filter(None, flags))
    return variables


def cargo_home(env: Mapping[str, str]) -> Path:
    """Where cargo keeps what it downloads."""
    if chosen := env.get("CARGO_HOME"):
        return Path(chosen).absolute()
    return (Path(env["HOME"]) if env.get("HOME") else Path.home()) / ".cargo"
