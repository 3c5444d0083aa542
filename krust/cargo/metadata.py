"""What a project has, in cargo's words (`cargo metadata`), and what of it was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from krust.cargo.process import output
from krust.cargo.toolchain import Toolchain
from krust.errors import CargoError, ProjectError
from plumbing.errors import Malformed, shown
from plumbing.oci import document
from plumbing.oci.document import Fields

_LIMIT = 64 * 1024 * 1024
"""Bytes of metadata that are read. A workspace of 1500 packages has 8 MiB."""

_QUESTION = ("--format-version=1", "--no-deps")

Kind = Literal["bin", "example"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Executable:
    """A target of a package that cargo makes an executable of."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A member of the workspace. `metadata` is its Cargo.toml's table package.metadata, `license` is SPDX's."""

    id: str
    name: str
    version: str
    manifest_path: Path
    executables: tuple[Executable, ...] = ()
    default_run: str | None = None
    description: str | None = None
    license: str | None = None
    repository: str | None = None
    homepage: str | None = None
    documentation: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def directory(self) -> Path:
        return self.manifest_path.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryTarget:
    """One executable to build."""

    package: Package
    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"--{self.kind} {self.name} of {self.package.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A workspace, or a package alone. `default_members` are the IDs of what cargo builds at its root.

    `directory` is where krust was asked to build: cargo runs there, as it would for the person who asks, so that
    rust-toolchain.toml and .cargo/config.toml count.
    """

    directory: Path
    root: Path
    target_directory: Path
    packages: tuple[Package, ...]
    default_members: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)


def load(
    toolchain: Toolchain,
    directory: Path,
    *,
    env: Mapping[str, str],
    cargo_args: Sequence[str] = (),
    meanwhile: Callable[[], object] = lambda: None,
) -> Project:
    """The project that `directory` is, or is in: the nearest Cargo.toml upwards counts, as it does for cargo.

    cargo_args  what cargo is to be given when it builds; of these `--config`, `-Z` and `--target-dir` matter here
    meanwhile   called while cargo reads
    raises      ProjectError where there is no Cargo.toml; CargoError where cargo cannot read it, and has said why
    """
    manifest = find_manifest(directory)
    raw = output(
        [toolchain.cargo, "metadata", *_QUESTION, f"--manifest-path={manifest}", *configuration(cargo_args)],
        cwd=directory,
        env=env,
        failure=f"cannot read '{manifest}': cargo has said why above",
        meanwhile=meanwhile,
    )
    return parse(raw.encode(), directory, target_directory=_target_directory(cargo_args, directory))


def parse(raw: bytes, directory: Path, *, target_directory: Path | None = None) -> Project:
    """The project of `directory`, of which `cargo metadata` said `raw`. Raises CargoError where that means nothing.

    target_directory  where cargo is told to put what it makes; None: where it says
    """
    try:
        fields = Fields(document.load(raw, "cargo metadata", limit=_LIMIT), "cargo metadata")
        members = fields.texts("workspace_members")
        return Project(
            directory=directory.absolute(),
            root=Path(fields.text("workspace_root")),
            target_directory=target_directory or Path(fields.text("target_directory")),
            packages=tuple(_package(each) for each in fields.objects("packages")),
            # Cargo has told it since 1.71; before, the root package or else every member was what it built.
            default_members=fields.texts("workspace_default_members") or members,
            metadata=_table(fields),
        )
    except Malformed as error:
        raise CargoError(f"cannot understand cargo: {error}; update Rust, or tell krust's authors") from error


def find_manifest(directory: Path) -> Path:
    """The nearest Cargo.toml, from `directory` upwards, as an absolute path."""
    start = directory.absolute()
    if not start.is_dir():
        what = "not a directory" if start.exists() else "no such directory"
        raise ProjectError(f"cannot build '{shown(directory)}': {what}; name the one that holds a Cargo.toml")
    for folder in (start, *start.parents):
        if (manifest := folder / "Cargo.toml").is_file():
            return manifest
    raise ProjectError(f"cannot build '{directory}': no Cargo.toml in it or above it; name a cargo project's directory")


def _target_directory(cargo_args: Sequence[str], directory: Path) -> Path | None:
    """What `--target-dir` says, which `cargo metadata` does not take."""
    found = None
    words = iter(cargo_args)
    for word in words:
        name, equals, value = word.partition("=")
        if name == "--target-dir" and (said := value if equals else next(words, "")):
            found = directory.absolute() / said  # with any '..' in it, as cargo has it
    return found


def configuration(cargo_args: Sequence[str]) -> list[str]:
    """Those of `cargo_args` that change what cargo's configuration is: each `--config` and each `-Z`."""
    found: list[str] = []
    words = iter(cargo_args)
    for word in words:
        if word in ("--config", "-Z"):
            found += [word, *([value] if (value := next(words, None)) is not None else [])]
        elif word.startswith(("--config=", "-Z")):
            found.append(word)
    return found


def choose(
    project: Project,
    directory: Path,
    *,
    package: str | None = None,
    binary: str | None = None,
    example: str | None = None,
) -> BinaryTarget:
    """The one executable that is meant by `directory` and the names, if any, as `cargo run` would choose it.

    raises  ProjectError where none is meant, or several: the message lists the candidates
    """
    packages = _packages(project, directory, package)
    wanted, kind = (example, "example") if example is not None else (binary, "bin")
    all_of_kind = [
        BinaryTarget(package=each, kind=executable.kind, name=executable.name)
        for each in packages
        for executable in each.executables
        if executable.kind == kind
    ]
    found = [each for each in all_of_kind if wanted is None or each.name == wanted]
    if wanted is None and len(found) > 1:
        found = [each for each in found if each.package.default_run in (None, each.name)]
        defaults = [each for each in found if each.package.default_run is not None]
        found = defaults if len(packages) == 1 and defaults else found
    match found:
        case [target]:
            return target
        case []:
            raise _none(project, packages, all_of_kind, kind, wanted)
    raise _several(found, wanted)


def _packages(project: Project, directory: Path, name: str | None) -> list[Package]:
    if name is not None:
        found = [each for each in project.packages if name in (each.name, f"{each.name}@{each.version}", each.id)]
        if not found:
            there = _list(each.name for each in project.packages)
            raise ProjectError(f"cannot build package '{name}': no such member of '{project.root}'; {there}")
        return found
    manifest = find_manifest(directory).resolve()
    if manifest.parent != project.root.resolve():
        for each in project.packages:
            if each.manifest_path.resolve() == manifest:
                return [each]
    return [each for each in project.packages if each.id in project.default_members]


def _none(
    project: Project, packages: Sequence[Package], others: Sequence[BinaryTarget], kind: str, wanted: str | None
) -> ProjectError:
    where = packages[0].name if len(packages) == 1 else str(project.root)
    if wanted is not None:
        subject = f"cannot build {'example' if kind == 'example' else 'binary'} '{wanted}'"
        return ProjectError(f"{subject}: '{where}' has none of that name; {_list(map(_flags, others))}")
    examples = [f"--example {each.name}" for one in packages for each in one.executables if each.kind == "example"]
    then = _list(examples) if examples else "add src/main.rs or a [[bin]] section, or name another package with -p"
    return ProjectError(f"cannot build '{where}': no binary target; {then}")


def _several(found: Sequence[BinaryTarget], wanted: str | None) -> ProjectError:
    subject = f"'{wanted}' may be" if wanted is not None else "there are"
    names = {each.package.name for each in found}
    ways = [_flags(each) if len(names) == 1 else f"-p {each.package.name} {_flags(each)}" for each in found]
    return ProjectError(f"cannot choose a binary: {subject} several binaries; name one of {', '.join(ways)}")


def _flags(target: BinaryTarget) -> str:
    return f"--{target.kind} {target.name}"


def _list(names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"there are {listed}" if listed else "there are none"


def _package(fields: Fields) -> Package:
    return Package(
        id=fields.text("id"),
        name=fields.text("name"),
        version=fields.text("version"),
        manifest_path=Path(fields.text("manifest_path")),
        executables=tuple(_executables(fields)),
        default_run=fields.optional_text("default_run"),
        description=fields.optional_text("description"),
        license=fields.optional_text("license"),
        repository=fields.optional_text("repository"),
        homepage=fields.optional_text("homepage"),
        documentation=fields.optional_text("documentation"),
        metadata=_table(fields),
    )


def _executables(fields: Fields) -> Iterable[Executable]:
    for each in fields.objects("targets"):
        # An example may be a library too: its crate type says so.
        if "bin" in each.texts("crate_types"):
            kinds = each.texts("kind")
            if "bin" in kinds:
                yield Executable(kind="bin", name=each.text("name"))
            elif "example" in kinds:
                yield Executable(kind="example", name=each.text("name"))


def _table(fields: Fields) -> Mapping[str, Any]:
    """The metadata table; `package.metadata` may be anything in TOML, and only a table means something to krust."""
    value = fields.value.get("metadata")
    return value if isinstance(value, dict) else {}
