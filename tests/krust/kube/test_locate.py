"""Which package a reference means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from krust.errors import KubeError
from krust.kube.locate import locate
from krust.kube.package import PackageReference
from krust.kube.text import Place

PLACE = Place(file="k8s/web.yaml", line=3, column=9)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A working directory with packages, and k8s/ with one more."""
    for package in ("web", "examples/hello-krust", "both", "k8s/both", "k8s/near"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "Cargo.toml").touch()
    (tmp_path / "link").symlink_to("web")
    (tmp_path / "k8s/same").symlink_to("../same")
    (tmp_path / "same").symlink_to("web")
    return tmp_path


def meant(here: Path, path: str, *, folder: str | None = "k8s", packages: Mapping[str, str] | None = None) -> Path:
    named = {"hello": "examples/hello-krust", "web-server": "web"} if packages is None else packages
    directory = locate(
        PackageReference(path=path),
        PLACE,
        working_directory=here,
        folder=here / folder if folder else None,
        packages=lambda: {name: here / directory for name, directory in named.items()},
        is_package=lambda directory: (directory / "Cargo.toml").is_file(),
    )
    return directory.relative_to(here.resolve())


@pytest.mark.parametrize(
    ("path", "directory"),
    [
        ("web", "web"),
        ("./web/", "web"),
        ("k8s/../web", "web"),
        ("link", "web"),
        ("near", "k8s/near"),
        ("../web", "web"),
        ("same", "web"),
        ("hello", "examples/hello-krust"),
        ("web-server", "web"),
    ],
)
def test_a_directory_counts_before_a_name(here: Path, path: str, directory: str) -> None:
    assert meant(here, path) == Path(directory)
    assert meant(here, str(here / directory)) == Path(directory)


def test_a_directory_in_both_places_is_an_error_that_names_both(here: Path) -> None:
    with pytest.raises(KubeError) as raised:
        meant(here, "both")
    assert all(f"'{part}'" in str(raised.value) for part in ("krust://both", PLACE, here / "both", here / "k8s/both"))
    assert meant(here, "both", folder=None) == Path("both")
    assert meant(here, "both", folder=".") == Path("both")


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("helo", "krust://hello"),
        ("examples/hello-crust", "krust://examples/hello-krust"),
        ("exmples/hello-krust", "krust://examples/hello-krust"),
        ("wev", "krust://web"),
        ("web-srver", "krust://web-server"),
    ],
)
def test_an_unknown_one_is_an_error_with_its_place_and_the_nearest(here: Path, path: str, near: str) -> None:
    with pytest.raises(KubeError, match=f"of 'krust://{path}' in 'k8s/web.yaml:3:9'.* '{near}'$"):
        meant(here, path)


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("wbe", "web"),
        ("examples/hello-crust", "examples/hello-krust"),
        ("neat", "near"),
        ("a/b", None),
    ],
)
def test_outside_a_workspace_the_nearest_is_one_beside_it(here: Path, path: str, near: str | None) -> None:
    with pytest.raises(KubeError) as raised:
        meant(here, path, packages={})
    assert str(raised.value).endswith(f" 'krust://{near}'" if near else "has that name")
