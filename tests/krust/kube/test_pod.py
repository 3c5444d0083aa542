"""A pod and a kubectl that fails. tests/krust/commands/test_run_kube.py has a cluster."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from krust.errors import EngineError
from krust.kube import pod
from krust.kube.kubectl import Kubectl
from tests.faults.programs import HANGS, misbehaving


@pytest.mark.slow
@pytest.mark.parametrize("deed", [HANGS["has a child that hears no signal"], "exit 1"], ids=["hangs", "fails"])
def test_a_pod_that_cannot_be_removed_is_said_after_a_while(deed: str, tmp_path: Path) -> None:
    path = misbehaving(tmp_path / "kubectl", f'[ "$1" = get ] && exit 1\n{deed}', when='[ "$1" != create ]')
    kubectl = Kubectl(path=str(path), words=[], env=os.environ)
    said: list[str] = []
    with pytest.raises(EngineError, match="cannot follow"):
        pod.run(kubectl, "app", "registry.example/app", [], reads=False, say=said.append)
    assert len(said) == 1
    assert re.fullmatch(
        r"cannot remove the pod '(app-[0-9a-f]{10})', if it is there: 'kubectl delete pod \1' tries again", said[0]
    )
