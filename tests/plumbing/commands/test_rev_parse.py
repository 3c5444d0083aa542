from __future__ import annotations

import pytest

from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store
from tests.plumbing.commands.conftest import Plumbing
from tests.plumbing.store.images import put_image


@pytest.fixture
def image(store: Store) -> Descriptor:
    image = put_image(store, "one")
    store.update_ref("hello:latest", image)
    return image


def test_a_digest_a_name(image: Descriptor, plumbing: Plumbing) -> None:
    names = ["hello", image.digest.hex[:7], ".krust", f".krust@{image.digest}", f"ghcr.io/x/y@{image.digest}"]
    assert plumbing("rev-parse", *names).lines == [str(image.digest)] * len(names)
    assert [Descriptor.parse(line).size for line in plumbing("rev-parse", *names, "--json").lines] == [image.size] * 5


@pytest.mark.parametrize(("options", "end"), [([], "\n"), (["-z"], "\0")])
def test_a_batch_after_the_names(options: list[str], end: str, image: Descriptor, plumbing: Plumbing) -> None:
    names = end.join(["hello:latest", "", "hello"])  # the last need not be ended
    ran = plumbing("rev-parse", "hello", "--batch", "-", *options, stdin=names.encode())
    assert ran.lines == [str(image.digest)] * 3


def test_an_ambiguous_name_lists_what_it_may_be(store: Store, plumbing: Plumbing) -> None:
    for digit in "12":
        (store.path / "blobs" / "sha256" / f"abcdef0{digit}{'0' * 56}").touch()
    assert plumbing("rev-parse", "abcdef0", code=1).err == (
        f"plumbing: ambiguous name 'abcdef0': it may be sha256:abcdef01{'0' * 56}, sha256:abcdef02{'0' * 56};"
        " write more of its digits\n"
    )
