"""texts: the YAML that `-f` names, and images in the place of the references in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import wraps
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from krust.errors import Faults
from krust.kube.choose import left_out
from krust.kube.events import Span
from krust.kube.files import Source, read, sources
from krust.kube.find import Occurrence, find
from krust.kube.keep import Kept, find_kept, splice_kept
from krust.kube.locate import locate
from krust.kube.package import PackageReference
from krust.kube.selector import Selector
from krust.kube.splice import splice
from krust.kube.text import Place, Text
from plumbing.commands.network import Network
from plumbing.commands.options import Parsed
from plumbing.errors import PlumbingError

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which texts, what of them, and what in them is a reference; see `text_options`."""

    files: tuple[str, ...]
    recursive: bool
    selector: Selector | None
    substrings: bool
    passthrough: bool


def text_options(function: F) -> F:
    """`asked: Asked`."""

    @wraps(function)
    def collected(*args: Any, **more: Any) -> Any:
        asked = Asked(**{field.name: more.pop(field.name) for field in fields(Asked)})
        if asked.files.count("-") > 1:
            raise click.UsageError("cannot read '-' twice: standard input has one end")
        return function(*args, asked=asked, **more)

    decorated: Any = collected
    for option in (
        click.option(
            "--passthrough", is_flag=True, help="Let files that are not YAML through, if 'krust://' is not in them."
        ),
        click.option("--substrings", is_flag=True, help="Also references inside longer strings."),
        click.option(
            "-l",
            "--selector",
            metavar="SELECTOR",
            type=Parsed(Selector.parse, "selector"),
            help="Only objects whose labels match, as kubectl's -l has it.",
        ),
        click.option("-R", "--recursive", is_flag=True, help="Also what is in directories of directories."),
        click.option(
            "-f",
            "--filename",
            "files",
            metavar="FILE|DIR|URL|-",
            multiple=True,
            required=True,
            help="YAML or JSON: a file, a directory's, a URL's, or '-' for standard input; repeatable.",
        ),
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # it is `function`, with other parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A package that a reference means, by its directory, without links; and which of its binaries, if it says so."""

    directory: Path
    binary: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Referring:
    """A text, and the references in it, in order. `without` are the spans that -l leaves out.

    kept  what is edited in place: each of the references, with the place of its comment
    """

    source: Source
    text: Text
    references: tuple[Occurrence, ...]
    without: tuple[Span, ...] = ()
    kept: tuple[Kept, ...] = ()

    def place(self, reference: Occurrence) -> Place:
        return self.text.place(reference.start)

    def resolved(self, images: Mapping[str, str]) -> Text:
        """With each reference replaced. `images` by reference. Raises KubeError."""
        return splice(self.text, [(each, images[each.reference]) for each in self.references], without=self.without)

    def edited(self, images: Mapping[str, str]) -> Text:
        """With each reference replaced, and kept in a comment. `images` by reference. Raises KubeError."""
        return splice_kept(self.text, list(self.kept), images)


class Images(Protocol):
    """Where the images of packages come from."""

    def packages(self) -> Mapping[str, Path]:
        """Those that can be called by their names: their directories."""

    def is_package(self, directory: Path) -> bool: ...

    def images(self, wanted: Mapping[Wanted, str], faults: list[PlumbingError]) -> Mapping[Wanted, str]:
        """The image of each of `wanted`, which has the place in words where it is.

        raises  what is wrong with any, and `faults`, before anything is done
        """


@contextmanager
def noting(faults: list[PlumbingError]) -> Iterator[None]:
    """Put an error of the block aside: whoever looks at many things tells all that is wrong with them."""
    try:
        yield
    except PlumbingError as error:
        faults.append(error)


def referring(
    asked: Asked, network: Network, faults: list[PlumbingError], *, in_place: bool = False
) -> list[Referring]:
    """The texts, read once, with their references. What is wrong with one is one of `faults`."""
    found: list[Referring] = []
    standard_input = sys.stdin.buffer if sys.stdin is not None else BytesIO()  # closed by whoever started us
    for word in asked.files:
        named: list[Source] = []
        with noting(faults):
            named = sources([word], recursive=asked.recursive)
        for source in named:
            with noting(faults):
                text = read(source, standard_input=standard_input, fetch=network.download)
                found.append(_referring(asked, source, text, in_place=in_place))
    return found


def _referring(asked: Asked, source: Source, text: Text, *, in_place: bool) -> Referring:
    how = {"substrings": asked.substrings, "passthrough": asked.passthrough}
    if in_place:
        kept = tuple(find_kept(text, **how))
        return Referring(source=source, text=text, references=tuple(each.occurrence for each in kept), kept=kept)
    references = find(text, **how)
    without = left_out(text, asked.selector) if asked.selector is not None else []
    stay = [each for each in references if not any(start <= each.start < end for start, end in without)]
    return Referring(source=source, text=text, references=tuple(stay), without=tuple(without))


def unresolved(asked: Asked, network: Network) -> list[Text]:
    """The texts as they are, without what -l leaves out. Raises KubeError, RegistryError, Faults."""
    faults: list[PlumbingError] = []
    texts = []
    for each in referring(asked, network, faults):
        with noting(faults):
            texts.append(splice(each.text, [], without=each.without))
    Faults.check(faults)
    return texts


def meanings(
    texts: Sequence[Referring],
    here: Path,
    images: Images,
    faults: list[PlumbingError],
) -> list[dict[str, Wanted]]:
    """For each text, what its references mean. What means nothing is one of `faults`, wherever it stands."""
    found: list[dict[str, Wanted]] = []
    for text in texts:
        meant: dict[str, Wanted] = {}
        for reference in text.references:
            if reference.reference in meant:
                continue
            with noting(faults):
                place = text.place(reference)
                parsed = PackageReference.parse(reference.reference, where=str(place))
                directory = locate(
                    parsed,
                    place,
                    working_directory=here,
                    folder=text.source.folder,
                    packages=images.packages,
                    is_package=images.is_package,
                )
                meant[reference.reference] = Wanted(directory=directory, binary=parsed.binary)
        found.append(meant)
    return found


def places(texts: Sequence[Referring], meant: Sequence[Mapping[str, Wanted]]) -> dict[Wanted, str]:
    """What is wanted, each once, in order; with where it is wanted first, in words."""
    found: dict[Wanted, str] = {}
    for text, meanings in zip(texts, meant, strict=True):
        for reference in text.references:
            wanted = meanings.get(reference.reference)
            if wanted is not None and wanted not in found:
                found[wanted] = f"'{reference.reference}' in '{text.place(reference)}'"
    return found


def images_of(
    texts: Sequence[Referring], here: Path, images: Images, faults: list[PlumbingError]
) -> list[dict[str, str]]:
    """For each text, the image of each reference. Raises what is wrong with any, and `faults`, before one is made."""
    meant = meanings(texts, here, images, faults)
    made = images.images(places(texts, meant), faults)
    return [{reference: made[wanted] for reference, wanted in each.items()} for each in meant]
