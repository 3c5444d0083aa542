"""krust doctor: what there is to build, push and run with, and what would get the rest."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from krust.cargo.doctor import Examination, Fact, PlatformFacts, examine
from krust.cargo.git import Git
from krust.config.found import Found
from krust.config.keys import REPO
from krust.config.layers import person, variables
from krust.config.placeholders import Facts
from krust.config.resolve import user_config_path
from krust.errors import ProjectError
from krust.settings import Settings
from plumbing.commands.group import FAILED
from plumbing.commands.network import credentials_option
from plumbing.errors import PlumbingError, shown
from plumbing.oci import document
from plumbing.oci.reference import Reference
from plumbing.registry.credentials import Credentials

_WAYS = {
    "installed": "installed",
    "rustup": "rustup has it; the next build gets it",
    "built": "built from source, and kept",
    "source": "can be built from rust-src, once, in about two minutes",
    "none": "missing",
}
_ENGINE = "apt-get install docker.io, or podman"
_KUBECTL = "apt-get install kubernetes-client, or see https://kubernetes.io/docs/tasks/tools"


def programs(path: str) -> list[Fact]:
    """What other commands than `build` run, as far as it is on `path`."""
    engine = next((found for name in ("docker", "podman") if (found := shutil.which(name, path=path))), None)
    return [
        Fact(name="engine", found=engine, remedy=_ENGINE),
        Fact(name="kubectl", found=shutil.which("kubectl", path=path), remedy=_KUBECTL),
    ]


def login(directory: Path, env: Mapping[str, str], credentials: Credentials) -> Fact:
    """Who would push to KRUST_REPO, or to the person's own `repo`, and where that is kept; no registry is asked."""
    try:
        facts = Facts(version="", git=Git(directory, env), env=env)
        repo = Found([person(user_config_path(env)), variables(env)], facts).optional(REPO).value
        if repo is None:
            return Fact(name="repository", found=None, remedy="set KRUST_REPO, such as ghcr.io/me")
        host = Reference.parse(f"{repo}/any").registry
        credential = credentials.find(host)
    except PlumbingError as error:
        return Fact(name="repository", found=None, remedy=str(error))
    who = str(credential) if credential is not None else f"nobody; 'krust login {host}' if it asks who you are"
    return Fact(name="repository", found=f"{repo}, as {who}")


def lines(examination: Examination, facts: list[Fact]) -> Iterator[str]:
    """One for each thing: what it is, what there is of it or the command that would get it."""
    for fact in (*examination.tools, *facts):
        yield f"{fact.name:16}{fact.found or f'missing: {fact.remedy}'}"
    for platform in examination.platforms:
        yield f"{platform.platform!s:16}{_platform(platform)}"


def _platform(facts: PlatformFacts) -> str:
    way = _WAYS[facts.way] + (f": {facts.remedy}" if facts.remedy else "")
    if facts.host:
        return f"{way}; this machine's"
    runs = facts.emulator.found or f"missing: {facts.emulator.remedy}"
    return f"{way}; {facts.emulator.name} {runs}"


def account(examination: Examination, facts: list[Fact]) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "tools": [_fact(fact) for fact in (*examination.tools, *facts)],
        "platforms": [
            {
                "platform": str(one.platform),
                "target": one.triple,
                "standardLibrary": one.way,
                **({"remedy": one.remedy} if one.remedy else {}),
                "emulator": _fact(one.emulator),
                "host": one.host,
            }
            for one in examination.platforms
        ],
    }


def _fact(fact: Fact) -> dict[str, str]:
    found = {"found": fact.found} if fact.found is not None else {"remedy": fact.remedy or ""}
    return {"name": fact.name, **found}


@click.command("doctor")
@click.argument("directory", default=".", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@credentials_option
@click.pass_context
def command(ctx: click.Context, directory: Path, as_json: bool, credentials: Credentials) -> None:
    """Say what is there to build in DIRECTORY, for each platform, and for what is missing the command that gets it.

    Nothing is changed and no registry is asked. Exit 1 if this machine's platform cannot be built.
    """
    settings: Settings = ctx.obj
    if not directory.is_dir():
        raise ProjectError(f"cannot look at '{shown(directory)}': no such directory")
    examination = examine(directory, env=settings.env, cache=settings.cache)
    facts = [*programs(settings.env.get("PATH", "")), login(directory, settings.env, credentials)]
    if as_json:
        click.echo(document.dump(account(examination, facts)).decode())
    else:
        for line in lines(examination, facts):
            click.echo(line)
    if not examination.host_can_be_built:
        ctx.exit(FAILED)
