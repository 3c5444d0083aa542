"""krust run: a cargo project's image in a container, here and now."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import click

from krust.cargo.process import held
from krust.cargo.selection import Selection
from krust.commands.deliver import Order, fulfil, reference
from krust.commands.options import Passing, passed, selection_options, settings_options
from krust.config.values import LOCAL
from krust.errors import EngineError, ProgramMissing
from krust.image.opening import open_workshop
from krust.kube import kubectl, pod
from krust.settings import Settings
from plumbing.commands.network import Network, network_options
from plumbing.commands.options import store_option
from plumbing.store import Store

_ENGINES = ("docker", "podman")
_PATIENCE = 5
"""Seconds that a program has to end, once it was asked to."""

_ANSWER = 10
"""Seconds that the engine has beyond that: what it is asked in the end takes it less than one."""

_MOMENT = 1
"""Seconds that it has after a second Ctrl-C."""


def find_engine(name: str | None, env: Mapping[str, str]) -> str:
    """The path of the engine, of the first that is there if none is named. Raises ProgramMissing."""
    names = _ENGINES if name is None else (name,)
    for each in names:
        if path := shutil.which(each, path=env.get("PATH")):
            return path
    missing = " or ".join(f"'{each}'" for each in names)
    raise ProgramMissing(f"cannot find {missing} on PATH; install it, or run the program by 'cargo run'")


def pull(engine: str, store: Store, name: str, env: Mapping[str, str]) -> str:
    """Have the engine pull the image `name`, REPOSITORY@DIGEST, from the store; return what it then calls it.

    The store is served meanwhile, because docker takes no layout and no archive of one.

    raises  EngineError
    """
    krust = "from krust.cli import main; main()"
    serve = [sys.executable, "-P", "-c", krust, "serve", "--read-only", f"--store={store.path}"]
    with subprocess.Popen(serve, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True) as server:
        try:
            host = (server.stdout.readline() if server.stdout else "").strip()
            insecure = ["--tls-verify=false"] if Path(engine).name == "podman" else []  # docker trusts loopback unasked
            image = f"{host}/{name}"
            code = _call([engine, "pull", "--quiet", *insecure, image], env, stderr=None)
        finally:
            server.terminate()
    if code:
        raise EngineError(
            f"cannot give '{name}' to '{engine}': it has said why; an engine on another machine needs an image that is "
            f"pushed: '{Path(engine).name} run $(krust build)'"
        )
    return image


def run(
    engine: str,
    image: str,
    words: Sequence[str],
    arguments: Sequence[str],
    env: Mapping[str, str],
    say: Callable[[str], None],
) -> int:
    """Run `image` to its end; return the program's exit code. Ctrl-C and SIGTERM stop the container, then return.

    No terminal is made for it: that would take Ctrl-C for itself, and give it to a program that, being the container's
    first process, does not hear it.

    raises  KeyboardInterrupt where the engine does not stop it either, once that was said
    """
    name = f"krust-run-{secrets.token_hex(6)}"
    command = [engine, "run", "--rm", "--interactive", "--name", name, *words, image, *arguments]
    started: list[subprocess.Popen[bytes]] = []
    try:
        with held():  # or a signal could come when it is there, and we do not know it yet
            started.append(subprocess.Popen(command, env=env))
        code = started[0].wait()
    except KeyboardInterrupt:
        if not started:
            raise
        [process] = started
        _stop(engine, name, process, env)
        if process.poll() is None:
            process.kill()
            process.wait()
            program = Path(engine).name
            say(f"'{program}' does not end '{name}', which may still run; try '{program} kill {name}'")
            raise
        code = process.returncode
    return code if code >= 0 else 128 - code


def forget(engine: str, image: str, env: Mapping[str, str]) -> None:
    """Take back the name under which the image was pulled: its port is another one each time."""
    with suppress(subprocess.TimeoutExpired):
        _call([engine, "image", "rm", image], env, seconds=_ANSWER)


def _stop(engine: str, name: str, process: subprocess.Popen[bytes], env: Mapping[str, str]) -> None:
    """Stop the container as soon as there is one, within some seconds; a second Ctrl-C leaves no more than a moment."""
    patience = _PATIENCE
    deadline = time.monotonic() + _PATIENCE + _ANSWER
    while process.poll() is None and (left := deadline - time.monotonic()) > 0:
        try:
            _call([engine, "stop", "--time", str(patience), name], env, seconds=left)
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
        except KeyboardInterrupt:
            patience = 0
            deadline = min(deadline, time.monotonic() + _MOMENT)


def _call(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    stderr: int | None = subprocess.DEVNULL,
    seconds: float | None = None,
) -> int:
    """The exit code of `command`, which reads and prints nothing. Ctrl-C in a terminal comes to krust alone.

    raises  subprocess.TimeoutExpired after `seconds`; whatever is raised, the command is killed, with its children
    """
    quiet = subprocess.DEVNULL
    started: list[subprocess.Popen[bytes]] = []
    try:
        with held():
            started.append(
                subprocess.Popen(command, env=env, stdin=quiet, stdout=quiet, stderr=stderr, start_new_session=True)
            )
        return started[0].wait(seconds)
    except BaseException:
        for process in started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        raise


@click.command("run", cls=Passing)
@click.argument("directory", default=".", type=click.Path(path_type=Path))
@selection_options
@settings_options
@click.option("--offline", is_flag=True, help="Ask no registry for the base: use what the store has.")
@click.option("--engine", type=click.Choice(_ENGINES), help="What runs it; default: the first of them on PATH.")
@click.option("--kube", is_flag=True, help="Push it, and run it as a pod, by kubectl; the pod is removed then.")
@click.option(
    "--engine-arg",
    "words",
    metavar="TEXT",
    multiple=True,
    help="A word for 'docker run', such as -p8080:80, or for kubectl, such as -nweb; repeatable.",
)
@store_option
@network_options
@click.pass_context
def command(
    ctx: click.Context,
    directory: Path,
    selection: Selection,
    flags: Mapping[str, object],
    offline: bool,
    engine: str | None,
    kube: bool,
    words: tuple[str, ...],
    store: Store,
    network: Network,
) -> int:
    """Build the cargo project in DIRECTORY, and run its image in a container; nothing is pushed.

    What follows '--' are the program's arguments. It ends as the program does; Ctrl-C stops it. It is built for this
    machine, unless --platform names another; with --kube as 'krust build' does, and pushed.
    """
    settings: Settings = ctx.obj
    if kube and engine is not None:
        raise click.UsageError("expected either --kube or --engine")
    program = kubectl.find(settings.env) if kube else find_engine(engine, settings.env)
    if not kube:
        flags = {**flags, "platforms": flags["platforms"] or (LOCAL,)}
    workshop = open_workshop(settings, directory, flags=flags)
    plans = workshop.plans(selection, network, store, offline=offline)
    if len(plans) != 1 or (len(plans[0].platforms) != 1 and not kube):
        raise click.UsageError("cannot run several images at once: name one binary, and one platform")
    order = Order(
        offline=offline,
        source_date_epoch=None,
        no_tag=False,
        no_push=not kube,
        output=None,
        image_refs=None,
        trace=None,
        as_json=False,
        jobs=4,
    )
    created = order.created(settings, workshop.git)
    [made] = fulfil(order, store, plans, workshop.compile, network, created=created)
    network.close()
    settings.console.end()
    name = plans[0].settings.name
    if kube:
        cluster = kubectl.Kubectl(path=program, words=words, env=settings.env)
        image = reference(store, made)
        return pod.run(cluster, name, image, passed(ctx), reads=_has_input(), say=settings.console.say)
    image = pull(program, store, f"{name}@{made.root.digest}", settings.env)
    code = run(program, image, words, passed(ctx), settings.env, settings.console.say)
    forget(program, image, settings.env)
    return code


def _has_input() -> bool:
    """Whether somebody may write to our standard input."""
    try:
        return not os.path.samestat(os.fstat(0), Path(os.devnull).stat())
    except OSError:
        return False
