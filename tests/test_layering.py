"""The house's rules (docs: CONTRIBUTING.md, "Layers"), kept by reading every import, name and string of both packages.

An import counts wherever it stands, inside a function too: that only makes it late, not allowed.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath

import pytest

from tests.tools import ROOT

PACKAGES = ("plumbing", "krust")

# ---------------------------------------------------------------------------------------------------------- the rules

_VALUES = ("plumbing.errors", "plumbing.oci")
_NOUNS = (*_VALUES, "plumbing.files", "plumbing.threads", "plumbing.layer", "plumbing.store", "plumbing.registry")
_PLUMBING = (*_NOUNS, "plumbing.sync", "plumbing.archive", "plumbing.server", "plumbing.commands")
_SETTINGS = ("krust.errors", "krust.console", "krust.settings")

# Who may import whom. A room may always import from itself and from its package's `__init__`. Siblings are not in
# each other's lists, and nothing of plumbing lists anything of krust.
ROOMS: dict[str, tuple[str, ...]] = {
    "plumbing": (),
    "plumbing.errors": (),
    "plumbing.oci": ("plumbing.errors",),
    "plumbing.files": (),
    "plumbing.threads": (),
    "plumbing.layer": (*_VALUES, "plumbing.threads"),
    "plumbing.store": (*_VALUES, "plumbing.files", "plumbing.threads"),
    "plumbing.registry": (*_VALUES, "plumbing.files"),  # logins are written whole
    "plumbing.sync": _NOUNS,
    "plumbing.archive": _NOUNS,  # a store out of a tar: it needs both nouns, as sync does
    "plumbing.server": _NOUNS,
    "plumbing.commands": (*_NOUNS, "plumbing.sync", "plumbing.archive", "plumbing.server"),
    "plumbing.__main__": ("plumbing.errors", "plumbing.commands"),
    "krust": (),
    "krust.errors": ("plumbing.errors",),
    "krust.console": ("krust.errors", *_VALUES),
    "krust.settings": ("krust.errors", "krust.console", *_NOUNS),
    "krust.cargo": (*_SETTINGS, *_VALUES),
    # what is said of a package and its files: it knows packages, git's facts and what a layer can hold
    "krust.config": ("krust.errors", "krust.cargo", *_VALUES, "plumbing.layer"),
    # its steps are the plumbing commands, called as functions
    "krust.image": (*_SETTINGS, "krust.cargo", "krust.config", *_PLUMBING),
    "krust.kube": (*_SETTINGS, *_VALUES, "plumbing.files"),
    "krust.commands": (*_SETTINGS, "krust.cargo", "krust.config", "krust.image", "krust.kube", *_PLUMBING),
    "krust.cli": (*_SETTINGS, "krust.commands", *_PLUMBING),
    "krust.__main__": ("krust.cli",),
}
_OUTSIDE = "not below this room; see ROOMS"


@dataclass(frozen=True, slots=True)
class Door:
    """Only `rooms` (or single modules in them) may use `names`."""

    names: tuple[str, ...]
    rooms: tuple[str, ...]
    reason: str


DOORS = (
    Door(
        ("httpcore", "httpx", "http.client", "urllib.request", "requests", "urllib3"),
        ("plumbing.registry",),
        "one way out to the network, which knows about credentials, redirects and retries",
    ),
    Door(("starlette", "uvicorn"), ("plumbing.server",), "the server is one room; nothing else speaks ASGI"),
    Door(
        ("tarfile", "zlib", "gzip", "isal", "zstandard", "bz2", "lzma"),
        ("plumbing.layer",),
        "the bytes of a layer are decided in one place",
    ),
    Door(
        ("xattr", "os.getxattr", "os.setxattr", "os.listxattr", "os.removexattr"),
        ("plumbing.store", "plumbing.layer"),
        "attributes are hints on blobs and capabilities of files, nothing else",
    ),
    Door(("yaml",), ("krust.kube",), "only Kubernetes speaks YAML"),
    Door(("rich",), ("krust.console",), "one place decides what a person sees, and it is slow to import"),
    Door(
        ("click",),
        ("plumbing.commands", "plumbing.__main__", "krust.commands", "krust.cli"),
        "libraries know no command line",
    ),
    Door(
        (
            "subprocess",
            "pty",
            "os.system",
            "os.popen",
            "os.fork",
            "os.execv",
            "os.execvp",
            "os.execvpe",
            "os.posix_spawn",
        ),
        ("krust.cargo", "krust.kube.kubectl", "krust.commands.run", "plumbing.registry.credentials"),
        "programs are run by the rooms that are about them, so that one interrupt ends them all",
    ),
    Door(
        ("os.environ", "os.environb", "os.getenv", "os.putenv", "os.unsetenv"),
        ("krust.settings",),
        "the environment is a setting: it comes in as an argument",
    ),
    Door(
        ("importlib.import_module", "__import__"),
        ("plumbing.commands", "plumbing.__main__", "krust.cli"),
        "a computed import hides from this test; only the tables of commands need one",
    ),
    Door(("platformdirs",), ("krust.settings",), "where files of the user lie is a setting"),
    Door(("pathspec",), ("krust.image.files",), "the patterns of .krustignore, and of nothing else"),
    Door(("ziglang",), ("krust.cargo",), "the linker belongs to the compiler"),
    Door(("certifi", "tzdata"), ("krust.image",), "what the built-in base image is made of"),
)


@dataclass(frozen=True, slots=True)
class Word:
    """Only `rooms` may write `text` in a string, a docstring too."""

    text: str
    rooms: tuple[str, ...]
    reason: str


_LAYOUT = "where things lie in an OCI layout is the store's to know"
WORDS = (
    Word("index.json", ("plumbing.store",), _LAYOUT),
    Word("oci-layout", ("plumbing.store",), _LAYOUT),
    Word("blobs/", ("plumbing.store", "plumbing.registry", "plumbing.server"), _LAYOUT + "; URLs have them too"),
)

# -------------------------------------------------------------------------------------------------------- the scanner


@dataclass(frozen=True)
class Module:
    path: str
    tree: ast.Module

    @cached_property
    def name(self) -> str:
        return ".".join(PurePosixPath(self.path).with_suffix("").parts).removesuffix(".__init__")

    @cached_property
    def room(self) -> str | None:
        return room_of(self.name)

    @cached_property
    def uses(self) -> list[tuple[int, str]]:
        """Each (line, dotted name) that this module imports, or reaches through a name that it imported."""
        found = [(node.lineno, name) for node, _, name in self._imports()]
        bound = {alias: name for _, alias, name in self._imports()}
        parts = {id(node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute) and id(node) not in parts and (dotted := _dotted(node)):
                first, _, rest = dotted.partition(".")
                if first in bound:
                    found.append((node.lineno, f"{bound[first]}.{rest}"))
            elif isinstance(node, ast.Name) and node.id == "__import__":
                found.append((node.lineno, node.id))
        return found

    def _imports(self) -> Iterator[tuple[ast.stmt, str, str]]:
        """Each import as (statement, the name that it binds, what that name stands for)."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node, "", alias.name
                    if alias.asname:
                        yield node, alias.asname, alias.name
                    else:
                        first = alias.name.partition(".")[0]
                        yield node, first, first
            elif isinstance(node, ast.ImportFrom):
                source = self._absolute(node)
                for alias in node.names:
                    yield node, alias.asname or alias.name, f"{source}.{alias.name}"

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        is_package = self.path.endswith("/__init__.py")
        parts = self.name.split(".")
        base = parts[: len(parts) - node.level + is_package]
        return ".".join([*base, *filter(None, [node.module])])


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return None


def is_in(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def room_of(name: str) -> str | None:
    """The room that a module, or a name in it, belongs to; None where the table has none."""
    inside = [room for room in ROOMS if is_in(name, room) and room not in PACKAGES]
    if inside:
        return max(inside, key=len)
    package, _, rest = name.partition(".")
    # A package's own __init__ holds `__version__` and its like; anything else is a module that no room was given to.
    return package if package in PACKAGES and (not rest or rest.startswith("__")) else None


def violations(sources: Mapping[str, str]) -> list[str]:
    """Each breach in `sources` (text by path) as 'path:line: what: why'."""
    modules = [Module(path, ast.parse(text, path)) for path, text in sorted(sources.items())]
    found = [line for module in modules for line in (*_rooms(module), *_doors(module), *_words(module))]
    return [*found, *_cycles(modules)]


def _rooms(module: Module) -> Iterator[str]:
    if module.room is None:
        yield f"{module.path}:1: in no room: say in ROOMS who may import it and what it may import"
        return
    allowed = {module.room, module.room.partition(".")[0], *ROOMS[module.room]}
    for line, name in module.uses:
        if name.partition(".")[0] in PACKAGES and room_of(name) not in allowed:
            yield f"{module.path}:{line}: uses '{name}': {_OUTSIDE}"


def _doors(module: Module) -> Iterator[str]:
    for line, name in module.uses:
        doors = [door for door in DOORS if any(is_in(name, thing) for thing in door.names)]
        for door in doors:
            if not any(is_in(module.name, room) for room in door.rooms):
                yield f"{module.path}:{line}: uses '{name}': {door.reason}"
        first = name.partition(".")[0]
        if not doors and first not in sys.stdlib_module_names and first not in PACKAGES:
            yield f"{module.path}:{line}: uses '{name}': a library without a door; say in DOORS who may use it, and why"


def _words(module: Module) -> Iterator[str]:
    for line, text in _strings(module.tree):
        for word in WORDS:
            if word.text in text and not any(is_in(module.name, room) for room in word.rooms):
                yield f"{module.path}:{line}: writes '{word.text}': {word.reason}"


def _strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each text with its line; what is joined by `/` has it at its end, as in the path that it becomes."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)):
                yield node.lineno, text
            case ast.Constant(value=bytes(raw)):
                yield node.lineno, raw.decode(errors="replace")
            case ast.BinOp(op=ast.Div(), left=left, right=right):
                for part in (left, right):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield part.lineno, f"{part.value}/"


def _cycles(modules: list[Module]) -> Iterator[str]:
    names = {module.name for module in modules}
    graph = {
        module.name: {target for _, name in module.uses if (target := _module(name, names)) not in (None, module.name)}
        for module in modules
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"{' > '.join(reversed(error.args[1]))}: modules that import each other are one module"


def _module(name: str, names: set[str]) -> str | None:
    """The module that a dotted name is in: `plumbing.oci.digest.Digest` is in `plumbing.oci.digest`."""
    while name and name not in names:
        name = name.rpartition(".")[0]
    return name or None


# ---------------------------------------------------------------------------------------------------------- the tests


def test_the_packages_keep_the_rules() -> None:
    sources = {
        path.relative_to(ROOT).as_posix(): path.read_text()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    assert "plumbing/errors.py" in sources
    broken = violations(sources)
    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize(
    ("path", "source", "said"),
    [
        ("plumbing/oci/digest.py", "from krust import settings", "uses 'krust.settings': not below"),
        ("plumbing/oci/digest.py", "import krust", "uses 'krust': not below"),
        ("plumbing/oci/digest.py", "def f():\n    import plumbing.store.lock", ":2: uses 'plumbing.store.lock'"),
        ("plumbing/oci/digest.py", "from ..layer import tar", "uses 'plumbing.layer.tar'"),
        ("plumbing/oci/__init__.py", "from ..layer import tar", "uses 'plumbing.layer.tar'"),
        ("plumbing/oci/digest.py", "import plumbing\nplumbing.sync.copy()", ":2: uses 'plumbing.sync.copy'"),
        ("plumbing/layer/tar.py", "from plumbing.store import Store", "uses 'plumbing.store.Store'"),
        ("plumbing/server/app.py", "from plumbing.sync import copy", "uses 'plumbing.sync.copy'"),
        ("krust/cargo/compile.py", "from krust.kube import find", "uses 'krust.kube.find'"),
        ("krust/image/write.py", "from krust.commands import TABLE", "uses 'krust.commands.TABLE'"),
        ("plumbing/helpers.py", "", "in no room"),
        ("plumbing/sync.py", "import httpcore", "one way out to the network"),
        ("plumbing/store/gc.py", "from os import environ", "comes in as an argument"),
        ("plumbing/store/gc.py", "import os as o\no.environ['HOME']", ":2: uses 'os.environ'"),
        ("plumbing/store/gc.py", "import os\nos.getenv('HOME')", ":2: uses 'os.getenv'"),
        ("krust/image/write.py", "import tarfile", "the bytes of a layer"),
        ("krust/commands/build.py", "import subprocess", "one interrupt ends them all"),
        ("krust/commands/build.py", "import os\nos.execvp('ls', ['ls'])", "one interrupt ends them all"),
        ("krust/cargo/compile.py", "__import__('httpx')", "hides from this test"),
        ("krust/cargo/compile.py", "from importlib import import_module", "hides from this test"),
        ("krust/cargo/compile.py", "import tomlkit", "a library without a door"),
        ("krust/image/write.py", "(layout / 'index.json')", "the store's to know"),
        ("krust/image/write.py", "f'blobs/{x}'", "the store's to know"),
        ("krust/image/write.py", "layout / 'blobs' / x", "the store's to know"),
        ("krust/image/write.py", '"""Writes an oci-layout."""', "the store's to know"),
    ],
)
def test_a_breach_is_found_and_says_where_and_why(path: str, source: str, said: str) -> None:
    (broken,) = set(violations({path: source}))
    assert broken.startswith(f"{path}:")
    assert said in broken


def test_a_cycle_is_found_also_through_a_late_import() -> None:
    sources = {
        "plumbing/oci/digest.py": "from plumbing.oci.index import Index",
        "plumbing/oci/index.py": "def f():\n    from . import digest",
    }
    (broken,) = violations(sources)
    assert re.match(r"plumbing.oci.(\w+) > plumbing.oci.\w+ > plumbing.oci.\1: ", broken)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("plumbing/oci/digest.py", "from plumbing.errors import Malformed\nimport hashlib"),
        ("plumbing/store/blobs.py", "import xattr\nfrom plumbing.oci.digest import Digest\n'blobs/sha256'"),
        ("plumbing/registry/client.py", "import httpx\nf'/v2/{name}/blobs/{digest}'"),
        ("krust/settings.py", "import os\nos.environ.get('KRUST_REPO')"),
        ("krust/cli.py", "from krust import __version__\nfrom plumbing.commands import TABLE\nimport click"),
        ("krust/cargo/compile.py", "import subprocess\nimport os\nos.pathsep"),
        ("krust/kube/find.py", "settings.environ"),
        ("krust/image/write.py", "{'blobs': 3}"),
    ],
)
def test_what_is_allowed_is_let_through(path: str, source: str) -> None:
    assert violations({path: source}) == []
