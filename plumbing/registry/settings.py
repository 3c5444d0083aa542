"""Settings of the way out: what a person may say about hosts, certificates, proxies and patience."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

Log = Callable[[int, Callable[[], str]], None]
"""Takes a level, 1 for requests and answers, 2 for their headers too, and who makes the line, without secrets.

Mostly nobody wants the line, and to make it takes as long as much else that a request needs."""

Warn = Callable[[str], None]
"""Takes a line that a person should see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Time, so that tests need none.

    sleep   for some seconds, or until the event happens
    jitter  a factor around 1: many clients must not come back at once
    """

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float, Event], object] = lambda seconds, event: event.wait(seconds)
    jitter: Callable[[], float] = lambda: random.uniform(0.8, 1.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Hosts are written as in references: `host` or `host:port`.

    plain_http  hosts that are spoken to without TLS; loopback hosts may be without being named
    insecure    hosts whose certificate is not checked
    ca          PEM file of authorities to trust besides the system's
    trust       PEM file of authorities to trust in place of the system's
    proxies     proxy URLs by the scheme of what is fetched: "http", "https"
    no_proxy    as the variable NO_PROXY; loopback hosts never go by a proxy
    realms      hosts that may give out tokens although they are local addresses
    resolve     addresses, with a port or without, by host or host:port; asked before the system, as curl's --resolve
    connect, silence, commit
                seconds without a sign of life: while connecting, while sending or receiving, after all was sent
    chunk       bytes of each request of an upload, for proxies that limit a body; None sends a blob in one
    """

    plain_http: frozenset[str] = frozenset()
    insecure: frozenset[str] = frozenset()
    ca: Path | None = None
    trust: Path | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    no_proxy: str = ""
    realms: frozenset[str] = frozenset()
    resolve: Mapping[str, str] = field(default_factory=dict)
    user_agent: str = "krust"
    connect: float = 30.0
    silence: float = 60.0
    commit: float = 300.0
    chunk: int | None = None
    clock: Clock = field(default_factory=Clock)
