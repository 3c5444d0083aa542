"""Every form of a name: design, section 5."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.errors import Ambiguous, Malformed, NotFound, PlumbingError, StoreError
from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.store import Store
from plumbing.store.names import find
from plumbing.store.refs import ANNOTATION
from tests.plumbing.store.images import put_image

FETCHED = "ghcr.io/me/app:v1"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def image(here: Path, store: Store) -> Descriptor:
    image = put_image(store, "one")
    for name in ("hello:latest", "hello:v1", FETCHED, "beef123:latest"):
        store.update_ref(name, image)
    return image


FORMS: dict[str, Callable[[Descriptor], str]] = {
    "a digest": lambda image: str(image.digest),
    "hex": lambda image: image.digest.hex,
    "seven digits": lambda image: image.digest.hex[:7],
    "an abbreviation with its algorithm": lambda image: f"sha256:{image.digest.hex[:12]}",
    "a name": lambda image: "hello",
    "a name and a tag": lambda image: "hello:v1",
    "a name that could be an abbreviation": lambda image: "beef123",
    "a reference by tag": lambda image: FETCHED,
    "a reference by digest": lambda image: f"ghcr.io/other/repository@{image.digest}",
    "a reference by tag and digest": lambda image: f"{FETCHED}@{image.digest}",
    "a layout and a name": lambda image: ".krust:hello",
    "a layout, a name and a tag": lambda image: ".krust:hello:v1",
    "a layout and a digest": lambda image: f".krust@{image.digest}",
    "a layout and a digest as another": lambda image: f".krust:{image.digest}",
    "a layout and an abbreviation": lambda image: f".krust:{image.digest.hex[:7]}",
    "a layout and a reference": lambda image: f".krust:{FETCHED}",
    "a layout of one root": lambda image: ".krust",
    "a layout by another way": lambda image: "../x/.krust/:hello",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_means_the_image(
    form: Callable[[Descriptor], str], image: Descriptor, store: Store, here: Path
) -> None:
    if ".." in form(image):
        (here.parent / "x").unlink(missing_ok=True)
        (here.parent / "x").symlink_to(here)
    found = find(form(image), store)
    assert found.descriptor.digest == image.digest
    assert found.descriptor.media_type == mediatype.MANIFEST
    assert found.store.path.resolve() == store.path.resolve()


def test_what_a_ref_knows_is_told(image: Descriptor, store: Store) -> None:
    assert find("hello", store).ref == "hello:latest"
    assert find("hello:v1", store).descriptor.annotations == {ANNOTATION: "hello:v1"}
    assert find(str(image.digest), store).ref is None


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        (
            "nothing",
            NotFound,
            "cannot find 'nothing': no ref, digest or layout of that name in '{store}'; 'krust ls-refs'",
        ),
        ("hello:v2", NotFound, "cannot find 'hello:v2': no ref"),
        ("", NotFound, "cannot find '': no ref"),
        ("abcdef", NotFound, "cannot find 'abcdef': no ref"),  # six digits are no abbreviation
        ("0000000", NotFound, "cannot find '0000000': no ref"),
        ("ghcr.io/me/app", NotFound, "cannot find 'ghcr.io/me/app': no ref"),
        (f"sha256:{'0' * 64}", NotFound, f"cannot read 'sha256:{'0' * 64}': no such blob in '{{store}}'"),
        (f"a.io/b@sha256:{'0' * 64}", NotFound, f"cannot read 'sha256:{'0' * 64}': no such blob in '{{store}}'"),
        ("../../etc/passwd", NotFound, "cannot find '../../etc/passwd': no ref"),
        ("sha256:../../index.json", NotFound, "cannot find 'sha256:../../index.json': no ref"),
        ("no-layout:hello", NotFound, "cannot find 'no-layout:hello': no ref"),
        (".krust:nothing", NotFound, "cannot find 'nothing': no ref, digest or layout of that name in '.krust'"),
        (".krust@latest", Malformed, "malformed digest 'latest': expected sha256"),
        ("\x1b[2J", NotFound, r"cannot find '\x1b[2J': no ref"),
        ("a\0b", NotFound, r"cannot find 'a\x00b': no ref"),
        ("a" * 5000, NotFound, f"cannot find '{'a' * 120}…': no ref"),
        ("a:" * 5000, NotFound, "cannot find 'a:a:"),
        ("\udcff", NotFound, r"cannot find '\udcff': no ref"),
    ],
)
def test_what_means_nothing_is_said(
    name: str, error: type[PlumbingError], said: str, image: Descriptor, store: Store
) -> None:
    with pytest.raises(error) as caught:
        find(name, store)
    assert str(caught.value).startswith(said.format(store=store.path))


def test_an_ambiguous_abbreviation_lists_the_candidates(image: Descriptor, store: Store) -> None:
    twins = [Digest("sha256", f"abcdef0{digit}{'0' * 56}") for digit in "12"]
    for twin in twins:
        store.blobs.path(twin).touch()
    with pytest.raises(Ambiguous) as caught:
        find("abcdef0", store)
    assert str(caught.value) == (
        f"ambiguous name 'abcdef0': it may be {twins[0]}, {twins[1]}; write more of its digits"
    )
    assert find("abcdef01", store).descriptor.digest == twins[0]


def test_a_layout_of_several_roots_lists_them(image: Descriptor, store: Store) -> None:
    other = put_image(store, "two")
    entries = json.loads((store.path / "index.json").read_bytes())
    entries["manifests"] = [*entries["manifests"][:1], other.to_json()]
    (store.path / "index.json").write_text(json.dumps(entries))
    with pytest.raises(Ambiguous) as caught:
        find(".krust", store)
    assert caught.value.candidates == [".krust:hello:latest", f".krust@{other.digest}"]
    assert str(caught.value).endswith("; name one")


def test_a_layout_without_roots_is_said(store: Store, here: Path) -> None:
    with pytest.raises(NotFound, match=r"^cannot choose from '.krust': the layout has no refs; write one"):
        find(".krust", store)


def test_a_layout_goes_before_a_ref(image: Descriptor, store: Store) -> None:
    other = Store.create(Path("hello"))
    theirs = put_image(other, "theirs")
    other.update_ref("a:1", theirs)
    assert find("hello", store).descriptor.digest == theirs.digest != image.digest


def test_the_longest_path_wins(store: Store, here: Path) -> None:
    images = {}
    for path in ("a", "a:b"):
        layout = Store.create(Path(path))
        images[path] = put_image(layout, path)
        layout.update_ref("c:latest", images[path])
        layout.update_ref("b:c", images[path])
    assert find("a:c", store).descriptor.digest == images["a"].digest
    assert find("a:b:c", store).descriptor.digest == images["a:b"].digest


def test_a_store_that_is_not_there_is_said(here: Path) -> None:
    with pytest.raises(
        StoreError, match=r"^cannot open '.krust': no OCI layout there; 'krust build --no-push' makes a store$"
    ):
        find("hello", Store(Path(".krust")))


@given(st.text() | st.text("ab01./:@-", max_size=30))
def test_any_text_means_something_or_is_said_not_to(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    store = Store.create(tmp_path_factory.getbasetemp() / "empty")
    with pytest.raises(PlumbingError):
        find(text, store)
