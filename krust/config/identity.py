"""Identity: what an image is, in the words of its package and its repository. docs/decisions/0007-labels.md.

image-spec 1.1, annotations.md, "Pre-Defined Annotation Keys".
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from krust.cargo.metadata import BinaryTarget
from krust.config.merge import Named
from krust.config.origin import Origin, Rank

PREFIX = "org.opencontainers.image."
REVISION = f"{PREFIX}revision"

FROM: dict[str, str] = {
    "title": "the package's name; the binary's, where the package has several",
    "version": "`version`",
    "description": "`description`",
    "licenses": "`license`, with `OR` for the slash of old packages",
    "source": "`repository`",
    "url": "`homepage`",
    "documentation": "`documentation`",
    "revision": "git's commit; with `-dirty` where tracked files differ from it",
}
"""Each name, without its prefix, with where its text comes from."""


def identity(target: BinaryTarget, revision: Callable[[], str | None], *, without: Collection[str]) -> Named:
    """The labels that are true of `target` if nobody says otherwise; those that are not known are not there.

    revision  asked only where it is wanted
    without   names that are not wanted
    """
    package = target.package
    cargo = Origin(rank=Rank.DEFAULT, name="package", file=package.manifest_path, literal=True)
    texts = {
        "title": default_name(target),
        "version": package.version,
        "description": package.description,
        "licenses": package.license and package.license.replace("/", " OR "),
        "source": package.repository,
        "url": package.homepage,
        "documentation": package.documentation,
    }
    found: Named = {f"{PREFIX}{name}": (_line(text), cargo) for name, text in texts.items() if text and text.strip()}
    if REVISION not in without and (commit := revision()):
        found[REVISION] = (commit, Origin(rank=Rank.DEFAULT, name="git", literal=True))
    return {name: said for name, said in found.items() if name not in without}


def default_name(target: BinaryTarget) -> str:
    """The package's name, if it has but one binary; the binary's, or example's, otherwise."""
    siblings = [other for other in target.package.executables if other.kind == target.kind]
    own = target.kind == "example" or len(siblings) > 1
    return target.name if own else target.package.name


def _line(text: str) -> str:
    return " ".join(text.split())
