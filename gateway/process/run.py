"""Runs a gateway, in this process or in several: sockets, ledger, workers, systemd and reloads
around an `App`."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import socket
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from gateway import __version__
from gateway.app import USER_AGENT, App
from gateway.config.audit import is_loopback
from gateway.config.load import Config
from gateway.config.schema import Server
from gateway.credentials.secret import CredentialError
from gateway.credentials.store import LEDGER_PASSWORD, Credentials
from gateway.inbound.keys import Keys, KeysError, at_home
from gateway.observe import log
from gateway.observe.ledger import Ledger
from gateway.observe.trace_settings import Stated, read_settings
from gateway.observe.traces import Tracer
from gateway.process.cluster import member, share_keys
from gateway.process.reload import Reloader
from gateway.process.server import listen, serve
from gateway.process.systemd import Notifier, inherited
from gateway.process.workers import Supervisor
from gateway.shared.workers import Workers

if TYPE_CHECKING:
    from gateway.observe.shipping.shipper import Shipper

logger = logging.getLogger("gateway.server")

MEGABYTE: Final = 1024 * 1024
DESCRIPTORS_MAX: Final = 65_536
"""More are not asked for: a process that is given a billion has to close them all when it forks."""


class CannotListen(Exception):
    """The address is taken, or may not be used; the message has the cure."""

    @classmethod
    def because(cls, error: OSError, host: str, port: int) -> CannotListen:
        """In the words that people know."""
        if error.errno == errno.EADDRINUSE:
            cure = "If a gateway runs there, `gateway status` shows it; else choose another --port."
        else:
            cure = "Choose another with --port."
        why = os.strerror(error.errno) if error.errno else error.strerror
        return cls(f"cannot listen on {host}:{port}: {why}. {cure}")


class OpenToNetwork(Exception):
    """Anyone on the network could use the provider keys; the message has the cure."""


@dataclass(frozen=True, slots=True)
class Service:
    """The settings of a run."""

    config: Config
    env: Mapping[str, str]
    """Holds the provider keys."""
    server: Server
    """The configuration's `[server]`, changed by the command line."""
    on_ready: Callable[[App, str], None]
    """Called once with the application and its URL, when it serves."""
    is_demo: bool = False
    """A demo is never reloaded, and its ledger ends with it."""


def run(service: Service) -> int:
    """Serves until a signal ends it, and returns the exit code.

    Raises `CannotListen`, `OpenToNetwork`, `KeysError`.
    """
    allow_descriptors()
    if service.config.server.workers == 1:
        run_loop(serve_one(service, Notifier(os.environ)))
        return 0
    given = inherited(os.environ)
    keys = at_home(os.environ, Path.home(), time.monotonic, time.time)
    _refuse_to_be_open(keys, _hosts(given, service.server))
    listeners = given or [_listen(service.server)]
    started_at = time.time()

    def work(number: int, workers: Workers) -> None:
        """One worker. The first one says that it is ready; the supervisor talks to systemd."""
        try:
            run_loop(
                serve_one(
                    service,
                    Notifier({}),
                    listeners,
                    workers,
                    is_first=number == 0,
                    since=started_at,
                )
            )
        except (OpenToNetwork, KeysError) as error:
            logger.error("worker %d cannot start: %s", number, error)
            raise SystemExit(1) from None

    supervisor = Supervisor(service.config.server.workers, work, Notifier(os.environ))
    log.set_up(service.config.log.format, service.config.log.level)
    return supervisor.run()


def allow_descriptors() -> None:
    """Raises the soft limit of open files to the hard one. A call needs two sockets, and the usual
    1,024 are too few for `server.maxCalls`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
    if wanted > soft != resource.RLIM_INFINITY:
        with suppress(OSError, ValueError):  # macOS has a limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Runs `main` on uvloop if it is installed, else on asyncio's loop."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


async def serve_one(
    service: Service,
    notifier: Notifier,
    listeners: Sequence[socket.socket] = (),
    workers: Workers | None = None,
    *,
    is_first: bool = True,
    since: float | None = None,
) -> None:
    """Serves in this process; its gateway was started at the Unix time `since`. Raises
    `CannotListen`, `OpenToNetwork`, `KeysError`."""
    config, server = service.config, service.server
    given = list(listeners) or inherited(os.environ)
    hosts = _hosts(given, server)
    log.set_up(config.log.format, config.log.level)
    demo_folder = TemporaryDirectory(prefix="gateway-demo-") if service.is_demo else None
    ledger = _ledger(config, demo_folder.name if demo_folder is not None else None)
    cluster = member(config, service.env)
    app = App(
        config,
        env=service.env,
        home=Path.home(),
        hosts=hosts,
        workers=workers,
        ledger=ledger,
        cluster=cluster,
        shipper=_shipper(config, service.env) if ledger is not None and not demo_folder else None,
        tracer=_tracer(config),
        counts_since=since,
    )
    if cluster is not None:
        share_keys(app, cluster, config)
    _refuse_to_be_open(app.keys, hosts)
    reloader = None if service.is_demo else _reloader(app, service.env, notifier)

    def on_ready(url: str) -> None:
        if is_first:
            service.on_ready(app, url)

    sockets = given or [_listen(server)]
    try:
        await serve(app, server, sockets, notifier=notifier, reloader=reloader, on_ready=on_ready)
    finally:
        if demo_folder is not None:
            demo_folder.cleanup()


def _ledger(config: Config, folder: str | None) -> Ledger | None:
    """The ledger, in `folder` if one is given."""
    if not config.ledger.enabled:
        return None
    path = Path(folder) / "ledger.db" if folder is not None else config.ledger_path
    waiting_bytes_max = config.ledger.waiting_mb * MEGABYTE if config.ledger.url else None
    ledger = Ledger(path, config.ledger.retention_days, waiting_bytes_max=waiting_bytes_max)
    ledger.start()
    return ledger


def _shipper(config: Config, env: Mapping[str, str]) -> Shipper | None:
    """Started, where the ledger has a URL. The client of PostgreSQL is not loaded otherwise."""
    stated = config.ledger
    if not stated.url:
        return None
    from gateway.observe.shipping.database import Database, NoPassword
    from gateway.observe.shipping.shipper import Shipper, Shipping

    credentials = Credentials(env, Path.home())

    def password() -> str | None:
        try:
            found = credentials.named(LEDGER_PASSWORD)
        except CredentialError as error:
            raise NoPassword(str(error)) from error
        return found.secret.reveal() if found is not None else None

    database = Database(stated.url, password, stated.retention_days)
    shipper = Shipper(Shipping(config.ledger_path, database))
    shipper.start()
    return shipper


def _tracer(config: Config) -> Tracer | None:
    """Started, where traces are wanted. The HTTP client for it is not loaded otherwise."""
    traces = config.traces
    stated = Stated(traces.endpoint, traces.headers, traces.propagate)
    settings, warnings = read_settings(os.environ, __version__, str(uuid4()), stated)
    for warning in warnings:
        logger.warning("%s", warning)
    if settings is None:
        return None
    from gateway.observe.collector import HttpPost

    tracer = Tracer(settings, HttpPost(settings, USER_AGENT), __version__)
    tracer.start()
    return tracer


def _reloader(app: App, env: Mapping[str, str], notifier: Notifier) -> Reloader:
    return Reloader(lambda: app.gateway.config, app.swap, notifier, env, Path.home())


def _hosts(given: Sequence[socket.socket], server: Server) -> list[str]:
    """The addresses of the sockets that systemd hands over, else that of `[server]`."""
    if not given:
        return [server.host]
    return [sock.getsockname()[0] for sock in given if sock.family != socket.AF_UNIX]


def _listen(server: Server) -> socket.socket:
    try:
        return listen(server.host, server.port)
    except OSError as error:
        raise CannotListen.because(error, server.host, server.port) from error


def _refuse_to_be_open(keys: Keys, hosts: Sequence[str]) -> None:
    wide = next((host for host in hosts if not is_loopback(host)), None)
    if wide is None or keys.any():
        return
    raise OpenToNetwork(
        f"{wide} is open to the network, and every client there could use your provider keys.\n"
        "  Make a client key first:  gateway keys add NAME\n"
        "  or listen on loopback:    --host, server.host, ListenStream= of the unit"
    )
