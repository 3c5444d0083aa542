from __future__ import annotations

import json
from pathlib import Path

import pytest

from plumbing.oci import mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store
from tests.plumbing.commands.conftest import Plumbing
from tests.plumbing.store.images import put_image


def test_every_option_has_its_field(store: Store, plumbing: Plumbing) -> None:
    Path("file").write_text("file")
    layer = json.loads(plumbing("write-layer", "file=/file", "--json").out)
    words = f"""--platform linux/arm/v7 --layer {layer["digest"]} --entrypoint /app --entrypoint -v --arg a --arg b
        --env A=1=2 --env PATH=/x --user 65532:65532 --workdir /work --label a=b --label c= --port 8080/tcp
        --volume /data --stop-signal SIGINT --created 60 --created-by me""".split()
    digest = plumbing("write-config", *words).out.strip()
    assert json.loads(plumbing("cat-blob", digest).out) == {
        "created": "1970-01-01T00:01:00Z",
        "architecture": "arm",
        "os": "linux",
        "variant": "v7",
        "config": {
            "User": "65532:65532",
            "ExposedPorts": {"8080/tcp": {}},
            "Env": ["PATH=/x", "A=1=2"],
            "Entrypoint": ["/app", "-v"],
            "Cmd": ["a", "b"],
            "Volumes": {"/data": {}},
            "WorkingDir": "/work",
            "Labels": {"a": "b", "c": ""},
            "StopSignal": "SIGINT",
        },
        "rootfs": {"type": "layers", "diff_ids": [layer["diffID"]]},
        "history": [{"created": "1970-01-01T00:01:00Z", "created_by": "me"}],
    }
    descriptor = Descriptor.parse(plumbing("write-config", *words, "--json").out)
    assert (str(descriptor.digest), descriptor.media_type) == (digest, mediatype.CONFIG)


def test_on_top_of_a_base(store: Store, plumbing: Plumbing) -> None:
    base = put_image(store, "base")
    layer = store.put(b"mine", mediatype.LAYER)
    digest = plumbing("write-config", "--platform", "linux/amd64", "--base", base.digest, "--layer", layer.digest)
    value = json.loads(plumbing("cat-blob", digest.out.strip()).out)
    assert len(value["rootfs"]["diff_ids"]) == len(value["history"]) == 2


@pytest.mark.parametrize("created", ["-1", "253402300800"])
def test_a_time_that_cannot_be_is_refused(created: str, plumbing: Plumbing) -> None:
    ran = plumbing("write-config", "--platform", "linux/amd64", "--created", created, code=1)
    assert ran.err == (f"plumbing: malformed time of creation '{created}': expected seconds from 0 to 253402300799\n")
