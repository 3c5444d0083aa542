"""Pod: an image run in a cluster, once, to its end.

What it writes comes by `kubectl logs --follow`, from its first byte: `kubectl attach` gives what is written once it has
attached. A cluster keeps both outputs as one, so they come as one. Standard input goes by `kubectl attach`.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from threading import Thread
from typing import Any

from krust.errors import EngineError
from krust.kube.kubectl import Kubectl, Running

# Of a container that waits: it will not start by waiting longer. ErrImagePull comes first, and may be a moment's.
_HOPELESS = (
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
)
_PATIENCE = 5
"""Seconds that a program has to end, once it was asked to."""

_REMOVAL = 15
"""Seconds that the cluster has to take note that the pod is not wanted any more."""

_LOGS_PATIENCE = 30
"""Seconds that the rest of what an ended program wrote may take."""


def run(
    kubectl: Kubectl, name: str, image: str, arguments: Sequence[str], *, reads: bool, say: Callable[[str], None]
) -> int:
    """Run `image` as a pod, which is removed then; return the program's exit code. An interrupt stops and removes it.

    name    what the pod's name begins with
    reads   whether the program gets our standard input; else it has none
    say     takes words for people
    raises  EngineError where the pod cannot start, or is gone
    """
    pod = _name(name)
    try:
        kubectl("create", "-f", "-", standard_input=json.dumps(manifest(pod, image, arguments, reads=reads)).encode())
    except KeyboardInterrupt:
        _remove(kubectl, pod, say)
        raise
    try:
        return _to_its_end(kubectl, pod, reads=reads, say=say)
    finally:
        _remove(kubectl, pod, say)


def manifest(pod: str, image: str, arguments: Sequence[str], *, reads: bool) -> dict[str, Any]:
    """Core v1, Pod. Without `arguments` the image's own are used; standard input ends when ours does."""
    container: dict[str, Any] = {"name": "main", "image": image, "stdin": reads, "stdinOnce": reads}
    if arguments:
        # $(NAME) would be an environment variable of the container's, and $$ is a dollar.
        container["args"] = [word.replace("$", "$$") for word in arguments]
    labels = {"app.kubernetes.io/managed-by": "krust"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod, "labels": labels},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }


def _name(name: str) -> str:
    """A DNS label of its own: RFC 1123, at most 63 characters."""
    label = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-")
    return f"{label or 'krust'}-{secrets.token_hex(5)}"


def _remove(kubectl: Kubectl, pod: str, say: Callable[[str], None]) -> None:
    words = ("delete", "pod", pod, "--ignore-not-found", "--wait=false", f"--grace-period={_PATIENCE}")
    if not kubectl.quietly(*words, seconds=_REMOVAL):
        say(f"cannot remove the pod '{pod}', if it is there: 'kubectl delete pod {pod}' tries again")


def _to_its_end(kubectl: Kubectl, pod: str, *, reads: bool, say: Callable[[str], None]) -> int:
    logs: Running | None = None
    said = ""
    with ExitStack() as running:
        for status in _statuses(kubectl, pod):
            if why := _unschedulable(status):
                if why != said:
                    say(f"the pod '{pod}' waits for a node: {why}")
                said = why
                continue
            state = _state(status)
            if logs is None and ("running" in state or "terminated" in state):
                logs = running.enter_context(kubectl.started("logs", "--follow", f"pod/{pod}", says=True))
                if reads and "running" in state:
                    attached = kubectl.started("attach", "--stdin", "--quiet", f"pod/{pod}", reads=True)
                    _watch(running.enter_context(attached), say)
            if status.get("phase") in ("Succeeded", "Failed"):
                if logs is not None:
                    logs.wait(_LOGS_PATIENCE)
                return _exit_code(pod, status, state)
            waiting = state.get("waiting", {})
            if waiting.get("reason") in _HOPELESS:
                raise EngineError(
                    f"cannot start '{pod}': {waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
                )
    raise EngineError(f"cannot follow '{pod}': it is gone; somebody has deleted it")


def _statuses(kubectl: Kubectl, pod: str) -> Iterator[Mapping[str, Any]]:
    """PodStatus, whenever it changes, until the pod is deleted. A server ends a watch now and then."""
    decoder = json.JSONDecoder()
    while True:
        with kubectl.started("get", "pod", pod, "--watch", "--output-watch-events", "-o=json", told=True) as watch:
            text, raw = "", b""
            while more := watch.read():
                raw += more
                text, raw = text + raw[: raw.rfind(b"\n") + 1].decode(), raw[raw.rfind(b"\n") + 1 :]
                while text.lstrip():
                    try:
                        event, end = decoder.raw_decode(text.lstrip())
                    except ValueError:
                        break  # half an event
                    text = text.lstrip()[end:]
                    if event["type"] == "DELETED":
                        return
                    yield event["object"].get("status", {})
            if watch.wait():
                raise EngineError(f"cannot follow '{pod}': 'kubectl get' has said why")


def _state(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """ContainerState of the only container: `waiting`, `running` or `terminated`."""
    statuses: Sequence[Mapping[str, Any]] = status.get("containerStatuses") or [{}]
    found: Mapping[str, Any] = statuses[0].get("state", {})
    return found


def _unschedulable(status: Mapping[str, Any]) -> str | None:
    conditions = status.get("conditions", ())
    found = [each for each in conditions if each.get("reason") == "Unschedulable" and each.get("status") == "False"]
    return found[0].get("message") if found else None


def _exit_code(pod: str, status: Mapping[str, Any], state: Mapping[str, Any]) -> int:
    ended = state.get("terminated")
    if ended is None:
        why = ": ".join(filter(None, (status.get("reason"), status.get("message")))) or "it has not said why"
        raise EngineError(f"cannot tell how '{pod}' ended: {why}")
    code: int = ended["exitCode"]
    return code


def _watch(attached: Running, say: Callable[[str], None]) -> None:
    """Say if standard input does not get through, for a program that waits for it would wait for ever."""

    def wait() -> None:
        if (attached.wait() or 0) > 0:  # less than 0: it was ended by us, because the program was at its end
            say("the program may lack standard input: 'kubectl attach' has failed")

    Thread(target=wait, daemon=True).start()
