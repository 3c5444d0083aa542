"""examples/k8s/: every reference means one of the examples, and kubectl takes what comes out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from krust.kube.files import sources
from krust.kube.locate import locate
from krust.kube.package import PackageReference
from krust.kube.splice import splice
from krust.kube.text import Text
from tests.krust.kube.strategies import IMAGE
from tests.krust.kube.whole import find
from tests.tools import EXAMPLES, require_tool, run

K8S = EXAMPLES / "k8s"


def test_each_reference_means_an_example(tmp_path: Path) -> None:
    meant = {}
    for source in sources([str(K8S)]):
        assert source.path
        text = Text.decode(source.path.read_bytes(), source.name)
        for each in find(text):
            place = text.place(each.start)
            meant[source.path.name] = locate(
                PackageReference.parse(each.reference, where=str(place)),
                place,
                working_directory=tmp_path,
                folder=source.folder,
                packages=dict,
                is_package=lambda directory: (directory / "Cargo.toml").is_file(),
            )
    hello, web = EXAMPLES / "hello-krust", EXAMPLES / "web"
    assert meant == {"hello.yaml": hello, "nightly.yaml": hello, "web.yaml": web}


@pytest.mark.slow
def test_kustomize_reads_them_and_what_is_resolved_is_equal_but_for_the_images() -> None:
    built = run(require_tool("kubectl"), "kustomize", K8S).stdout
    text = Text.decode(built, "standard input")
    found = find(text)
    done = splice(text, [(each, IMAGE) for each in found]).encode()
    assert done.decode() == built.decode().replace("krust://../hello-krust#hello-krust", IMAGE).replace(
        "krust://../hello-krust", IMAGE
    ).replace("krust://../web", IMAGE)
    kinds = [document["kind"] for document in yaml.safe_load_all(done)]
    assert sorted(kinds) == ["CronJob", "Deployment", "Job", "Service"]
