"""texts: the YAML that `-f` names, and images in the place of the references in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from krust.commands.options import taking
from krust.errors import Faults
from krust.kube import events
from krust.kube.choose import left_out
from krust.kube.events import Span
from krust.kube.files import Source, read, sources
from krust.kube.find import Occurrence, find_in
from krust.kube.keep import Kept, find_kept_in, splice_kept
from krust.kube.locate import locate
from krust.kube.package import PREFIX, PackageReference
from krust.kube.selector import Selector
from krust.kube.splice import splice
from krust.kube.spool import Spool, Spooled
from krust.kube.text import Place, Text
from plumbing.commands.network import Network
from plumbing.commands.options import Parsed
from plumbing.errors import PlumbingError

F = TypeVar("F", bound=Callable[..., Any])

# As an image is written; which one it is is known when it is built.
_STAND_IN = f"registry.example/image@sha256:{'0' * 64}"


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

    def collected(*args: Any, **more: Any) -> Any:
        asked = Asked(**{field.name: more.pop(field.name) for field in fields(Asked)})
        if asked.files.count("-") > 1:
            raise click.UsageError("cannot read '-' twice: standard input has one end")
        return function(*args, asked=asked, **more)

    options = (
        click.option(
            "-f",
            "--filename",
            "files",
            metavar="FILE|DIR|URL|-",
            multiple=True,
            required=True,
            help="YAML or JSON: a file, a directory's, a URL's, or '-' for standard input; repeatable.",
        ),
        click.option("-R", "--recursive", is_flag=True, help="Also what is in directories of directories."),
        click.option(
            "-l",
            "--selector",
            metavar="SELECTOR",
            type=Parsed(Selector.parse, "selector"),
            help="Only objects whose labels match, as kubectl's -l has it.",
        ),
        click.option("--substrings", is_flag=True, help="Also references inside longer strings."),
        click.option(
            "--passthrough", is_flag=True, help="Let files that are not YAML through, if 'krust://' is not in them."
        ),
    )
    return taking(function, collected, options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A package that a reference means, by its directory, without links; and which of its binaries, if it says so."""

    directory: Path
    binary: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Referring:
    """A text that was read, and the references in it, in order.

    raw      where the spool has it
    places   of each reference the first, by what is written there
    without  the spans that -l leaves out
    kept     what is edited in place: each of the references, with the place of its comment
    """

    source: Source
    raw: Spooled
    references: tuple[Occurrence, ...]
    places: Mapping[str, Place]
    without: tuple[Span, ...] = ()
    kept: tuple[Kept, ...] = ()

    def resolved(self, text: Text, images: Mapping[str, str]) -> Text:
        """`text`, which is what was read, with each reference replaced. `images` by reference.

        What is edited in place has each reference in a comment. Raises KubeError, Faults.
        """
        if self.kept:
            return splice_kept(text, list(self.kept), images)
        return splice(text, [(each, images[each.reference]) for each in self.references], without=self.without)


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
    asked: Asked, network: Network, spool: Spool, faults: list[PlumbingError], *, in_place: bool = False
) -> list[Referring]:
    """The texts, read once, with their references. What is wrong with any is one of `faults`."""
    found = []
    for source, text in _texts(asked, network, faults):
        found.append(_referring(asked, source, text, spool.put(text), faults, in_place=in_place))
    return found


def unresolved(asked: Asked, network: Network) -> Iterator[Text]:
    """The texts as they are, without what -l leaves out. Raises, at its end, all that is wrong."""
    faults: list[PlumbingError] = []
    for _, text in _texts(asked, network, faults):
        wrong = _of_parts(asked, text, partial(events.check, text))
        faults += wrong
        with noting(faults):
            yield splice(text, [], without=_without(asked, text, wrong))
    Faults.check(faults)


def _texts(asked: Asked, network: Network, faults: list[PlumbingError]) -> Iterator[tuple[Source, Text]]:
    standard_input = sys.stdin.buffer if sys.stdin is not None else BytesIO()  # closed by whoever started us
    for word in asked.files:
        named: list[Source] = []
        with noting(faults):
            named = sources([word], recursive=asked.recursive)
        for source in named:
            with noting(faults):
                yield (
                    source,
                    Text.decode(
                        read(source, standard_input=standard_input, fetch=network.download),
                        source.name,
                    ),
                )


def _referring(
    asked: Asked, source: Source, text: Text, raw: Spooled, faults: list[PlumbingError], *, in_place: bool
) -> Referring:
    references: list[Occurrence] = []
    kept: list[Kept] = []

    def look(part: Span) -> None:
        if in_place:
            kept.extend(find_kept_in(text, part, substrings=asked.substrings))
        else:
            references.extend(find_in(text, part, substrings=asked.substrings))

    wrong = _of_parts(asked, text, look)
    without: list[Span] = []
    with noting(wrong):
        without = _without(asked, text, wrong)
    stay = [each.occurrence for each in kept] if in_place else references
    stay = [each for each in stay if not any(start <= each.start < end for start, end in without)]
    places: dict[str, Place] = {}
    for each in stay:
        if each.reference not in places:
            places[each.reference] = text.place(each.start)
    found = Referring(
        source=source,
        raw=raw,
        references=tuple(stay),
        places=places,
        without=tuple(without),
        kept=tuple(kept),
    )
    if not wrong:  # what would be refused in the end is refused before anything is built
        with noting(wrong):
            found.resolved(text, dict.fromkeys(places, _STAND_IN))
    faults += wrong
    return found


def _of_parts(asked: Asked, text: Text, look: Callable[[Span], None]) -> list[PlumbingError]:
    """What is wrong with any part, as `look` raises it; nothing with what may pass through."""
    wrong: list[PlumbingError] = []
    for part in events.parts(text.characters):
        with noting(wrong):
            look(part)
    return [] if asked.passthrough and PREFIX not in text.characters else wrong


def _without(asked: Asked, text: Text, wrong: Sequence[PlumbingError]) -> list[Span]:
    """What -l leaves out of a text in which nothing is `wrong`. Raises KubeError."""
    return left_out(text, asked.selector) if asked.selector is not None and not wrong else []


def results(
    texts: Sequence[Referring], spool: Spool, images: Iterable[Mapping[str, str]]
) -> Iterator[tuple[Referring, Text, Text]]:
    """Each text, as it was and with `images` for its references. Raises, at its end, all that is wrong."""
    faults: list[PlumbingError] = []
    for each, of_each in zip(texts, images, strict=True):
        before = spool.get(each.raw)
        after = None
        with noting(faults):
            after = each.resolved(before, of_each)
        if after is not None:
            yield each, before, after
    Faults.check(faults)


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
        for reference, place in text.places.items():
            with noting(faults):
                parsed = PackageReference.parse(reference, where=str(place))
                directory = locate(
                    parsed,
                    place,
                    working_directory=here,
                    folder=text.source.folder,
                    packages=images.packages,
                    is_package=images.is_package,
                )
                meant[reference] = Wanted(directory=directory, binary=parsed.binary)
        found.append(meant)
    return found


def places(texts: Sequence[Referring], meant: Sequence[Mapping[str, Wanted]]) -> dict[Wanted, str]:
    """What is wanted, each once, in order; with where it is wanted first, in words."""
    found: dict[Wanted, str] = {}
    for text, meanings in zip(texts, meant, strict=True):
        for reference, place in text.places.items():
            wanted = meanings.get(reference)
            if wanted is not None and wanted not in found:
                found[wanted] = f"'{reference}' in '{place}'"
    return found


def images_of(
    texts: Sequence[Referring], here: Path, images: Images, faults: list[PlumbingError]
) -> list[dict[str, str]]:
    """For each text, the image of each reference. Raises what is wrong with any, and `faults`, before one is made."""
    meant = meanings(texts, here, images, faults)
    made = images.images(places(texts, meant), faults)
    return [{reference: made[wanted] for reference, wanted in each.items()} for each in meant]
