"""The composition root: the only place that builds things, and the swap of a reload.

What a configuration says becomes a `Gateway`; what must survive a reload (connections, breaker,
replay, metrics) is built once, in `App`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway import __version__
from gateway.chain import Backoff, Policy
from gateway.config.load import Config
from gateway.config.schema import Breaker as BreakerConfig
from gateway.config.schema import Fallback
from gateway.credentials.pi.renew import Renewal
from gateway.credentials.refused import RefusedKeys, has_key
from gateway.credentials.signing import Signer
from gateway.credentials.store import Credentials
from gateway.dialects import (
    CALL_PATHS,
    COUNT_PATHS,
    EMBEDDINGS_INBOUND,
    INBOUND,
    Counting,
    conversation_of,
)
from gateway.dialects.model_lists import LISTS, agent_of_alias
from gateway.dialects.responses.inbound.store import ResponsesStore
from gateway.failures import VERDICTS, Kind, Verdict
from gateway.inbound import keys
from gateway.inbound.counting import CountingEndpoint
from gateway.inbound.endpoint import CallEndpoint
from gateway.inbound.faces import face_of_path
from gateway.inbound.gate import Gate
from gateway.inbound.health import Health, Phase
from gateway.inbound.http import Receive, Scope, Send, send_text
from gateway.inbound.http11 import Http11Exchange
from gateway.inbound.memory import Memory, StoredEndpoint
from gateway.inbound.models import ModelsEndpoint
from gateway.inbound.ollama import OllamaEndpoint
from gateway.inbound.page import PageEndpoint, assets
from gateway.inbound.resolve import Names
from gateway.inbound.routes import Application, Mounted
from gateway.inbound.serving import Gateway, allowed_hosts, allowed_origins
from gateway.inbound.status import StatusEndpoint
from gateway.limits import gauges
from gateway.limits.limiter import Limiter
from gateway.limits.limiter import Settings as LimitSettings
from gateway.limits.overview import Overview
from gateway.limits.periods import zone_of
from gateway.observe import log
from gateway.observe.cluster import ClusterMetrics
from gateway.observe.ledger import Ledger
from gateway.observe.merge import merged
from gateway.observe.metrics import CircuitStates, Metrics
from gateway.observe.observer import Observer
from gateway.observe.traces import Tracer
from gateway.relay import Relay
from gateway.shared.breaker import Breaker, Settings
from gateway.shared.circuits import Change
from gateway.shared.engine import News
from gateway.shared.local import Local
from gateway.shared.port import Shared
from gateway.shared.shared_replay import SharedReplay
from gateway.shared.waiting_room import WaitingRoom
from gateway.shared.workers import Workers
from gateway.text.limits import Limit
from gateway.types import Model
from gateway.upstream.client import UpstreamClient
from gateway.upstream.http1 import Pool
from gateway.upstream.transport import Transport

if TYPE_CHECKING:
    from gateway.observe.shipping.shipper import Shipper
    from gateway.shared.redis.cluster import Cluster

logger = logging.getLogger("gateway.app")

KEY_LOOK_S: Final = 0.5
"""How often the file of a provider's key is looked at, at most."""
USER_AGENT: Final = f"local-agent-gateway/{__version__}"


class App:
    """A running gateway: the ASGI application, and the parts it is made of."""

    def __init__(
        self,
        config: Config,
        *,
        env: Mapping[str, str],
        home: Path,
        hosts: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        workers: Workers | None = None,
        cluster: Cluster | None = None,
        ledger: Ledger | None = None,
        shipper: Shipper | None = None,
        tracer: Tracer | None = None,
        counts_since: float | None = None,
    ) -> None:
        self._workers = workers
        self._ledger = ledger
        self._shipper = shipper
        self._clock = clock
        self._began = clock()
        self._hosts = hosts or (config.server.host,)
        self._transports: dict[str | None, Transport] = {}
        self.phase: Phase = "starting"
        self.metrics = Metrics()
        self._tracer = tracer
        self.observer = Observer(
            self.metrics, *(each.record for each in (ledger, tracer) if each is not None)
        )
        self._cluster = cluster
        self.shared: Shared = cluster or workers or Local(clock)
        self.breaker = Breaker(self.shared, clock, _settings(config.breaker, config.fallback))
        self.room = WaitingRoom(self.shared)
        self.shared.subscribe(self._receive)
        self.keys = keys.at_home(env, home, clock, wall)
        self.credentials = Credentials(env, home, clock=clock, look_every_s=KEY_LOOK_S)
        self._refused = RefusedKeys(self.credentials, lambda: self.gateway.models.values())
        self._renewal = Renewal(self.credentials, user_agent=USER_AGENT)
        shared_replay = SharedReplay(workers, cluster.vault if cluster is not None else None)
        self._upstream = UpstreamClient(
            self._transport,
            Signer(self.credentials),
            shared_replay.replay,
            clock=clock,
            wall=wall,
            user_agent=USER_AGENT,
            renew=self._renewal.renew,
            fetch=shared_replay.fetch,
        )
        # all members of a cluster name the same period of a budget
        limits_wall = cluster.now if cluster is not None else wall
        self.limiter = Limiter(
            self.shared, clock=clock, wall=limits_wall, on_refused=self.metrics.refused
        )
        self.limits = Overview(
            self.limiter,
            self.shared,
            limits=self._limits,
            agents=lambda: self.gateway.agents,
            models=lambda: self.gateway.models,
            wall=limits_wall,
            ledger=ledger.path if ledger is not None else None,
        )
        self._register_metrics()
        self.gateway = self._build(config)
        self.limits.begin(counts_since)
        self.face_of_path = face_of_path(CALL_PATHS, INBOUND["chat"])
        self._answers = ResponsesStore(clock, others=workers)
        begin_trace = tracer.begin if tracer is not None else None
        self.endpoint = CallEndpoint(
            self,
            self.observer,
            clock=clock,
            wall=wall,
            conversation_of=conversation_of,
            begin_trace=begin_trace,
        )
        self.asgi = self._application(wall)

    def _register_metrics(self) -> None:
        """Has the metrics read what is counted elsewhere."""
        registry, ledger = self.metrics.registry, self._ledger
        self.metrics.read_waiting(lambda: len(self.room))
        if ledger is not None:
            self.metrics.read_unrecorded(lambda: ledger.lost)
        registry.register(CircuitStates(self.breaker.circuits, self._clock))
        for collector in (self._tracer, self._shipper):
            if collector is not None:
                registry.register(collector)
        if self._cluster is not None:
            registry.register(ClusterMetrics(self._cluster.health, self._clock))

    def _build(self, config: Config) -> Gateway:
        self.room.calls_max = config.fallback.max_waiting
        policy = Policy(
            Backoff(
                config.fallback.backoff_seconds,
                config.fallback.backoff_max_seconds,
                config.fallback.rounds,
                config.fallback.max_wait_seconds,
            ),
            self.breaker.settings.verdicts,
            config.breaker.leave_early,
        )
        if self._cluster is not None:
            self._cluster.configured(config.models.values(), config.root, __version__)
        relay = Relay(
            self._upstream, self.breaker, policy, self.room, clock=self._clock, jitter=random.random
        )
        hosts = allowed_hosts(config.server.allowed_hosts, self._hosts)
        origins = allowed_origins(config.server.allowed_origins)
        names = Names(config.agents, config.models, agent_of_alias)
        stated = config.root.limits
        self.limiter.settings = LimitSettings(
            config.limits, zone_of(stated.time_zone), stated.unpriced == "refuse"
        )
        is_limited = bool(config.limits) or any(agent.limits for agent in config.agents.values())
        return Gateway(config, relay, self.keys, hosts, origins, names, self.limiter, is_limited)

    def swap(self, config: Config) -> None:
        """Puts a validated configuration in force. Calls in flight finish on the old one."""
        self.breaker.settings = _settings(config.breaker, config.fallback)
        self.gateway = self._build(config)

    def _limits(self) -> list[Limit]:
        """Every limit that is in force: the gateway's, the agents' and the keys'."""
        config = self.gateway.config
        of_agents = [limit for agent in config.agents.values() for limit in agent.limits]
        return [*config.limits, *of_agents, *self.keys.limits()]

    def look_for_new_keys(self) -> None:
        """Ends the cooldown of every credential whose key is another than the refused one."""
        for circuit_id in self._refused.changed():
            self.breaker.key_changed(circuit_id)

    async def aclose(self) -> None:
        """Closes every connection to a provider."""
        self.page.close()
        if self._cluster is not None:
            await self._cluster.membership.aclose()
        await self._renewal.aclose()
        if self._ledger is not None:
            await asyncio.to_thread(self._ledger.close)
        if self._shipper is not None:
            await asyncio.to_thread(self._shipper.close)
        if self._tracer is not None:
            await asyncio.to_thread(self._tracer.close)
        for transport in self._transports.values():
            await transport.aclose()

    def use_transport(self, transport: Transport) -> None:
        """Sends through `transport` instead of our own pool whatever needs no proxy."""
        self._transports[None] = transport

    def _transport(self, model: Model) -> Transport:
        transport = self._transports.get(model.proxy)
        if transport is None:
            transport = self._transports[model.proxy] = _new_transport(model.proxy)
        return transport

    def _receive(self, news: News) -> None:
        if isinstance(news, Change) and news.is_own:
            self._circuit_changed(news)

    def _circuit_changed(self, change: Change) -> None:
        log.circuit_changed(change)
        if change.failure is not None and change.failure.kind is Kind.CREDENTIAL:
            self._refused.note(change.circuit_id)

    def _application(self, wall: Callable[[], float]) -> Gate:
        health = Health(lambda: self.phase, self._facts)
        models = ModelsEndpoint(lambda: self.gateway, int(wall()), LISTS)
        memories: Mapping[str, Memory] = {"responses": self._answers}
        stored = StoredEndpoint(lambda: self.gateway, self._answers)
        ollama = OllamaEndpoint(lambda: self.gateway, wall())
        calls = {
            path: self.endpoint.serving(face, memories.get(face.NAME))
            for path, face in CALL_PATHS.items()
        }
        calls["/embeddings"] = self.endpoint.serving(EMBEDDINGS_INBOUND["chat"], operation="embed")
        under_way, limits = self.endpoint.under_way, self.limits.rows
        group = self._cluster.membership.group if self._cluster is not None else None
        status = StatusEndpoint(
            lambda: self.gateway,
            self.breaker,
            self._status,
            under_way,
            self._clock,
            limits,
            group,
            partial(has_key, self.credentials),
        )
        ledger = self._ledger.path if self._ledger is not None else None
        self.page = PageEndpoint(lambda: self.gateway, status.report, self.keys, ledger, wall)
        counts = {
            path: self._counting(how, memories.get(how.face.NAME))
            for path, how in COUNT_PATHS.items()
        }
        application = Application(
            calls,
            {
                "/models": Mounted(models),
                "/models/{id:path}": Mounted(models),
                **counts,
                "/responses/{id:path}": Mounted(stored, ("GET", "DELETE")),
            },
            {
                "/livez": Mounted(health.live),
                "/readyz": Mounted(health.ready),
                "/health": Mounted(health.health),
                # how Claude Code looks whether its server is there
                "/api/hello": Mounted(health.live),
                "/metrics": Mounted(self._metrics),
                "/status": Mounted(status),
                "/page/{name}": Mounted(assets),
                "/api/version": Mounted(ollama.version),
                "/api/tags": Mounted(ollama.tags),
                "/api/show": Mounted(ollama.show, ("POST",)),
            },
            self.page,
        )
        self._calls = application.calls
        return Gate(application, self, self.face_of_path, self.page.refuse)

    def answer(self, exchange: Http11Exchange) -> Coroutine[Any, Any, None] | None:
        """Answers a call on one of our own connections; None for what takes the way of ASGI: every
        other request, and what the gate refuses."""
        serve = self._calls.get(exchange.path) if exchange.method == "POST" else None
        if serve is None:
            return None
        shared = self.asgi.shared(exchange)
        if shared is None:
            return None
        exchange.shared = shared
        return serve(exchange)

    def _counting(self, how: Counting, memory: Memory | None) -> Mounted:
        return Mounted(
            CountingEndpoint(lambda: self.gateway, how, self._upstream, memory), ("POST",)
        )

    def _facts(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "agents": len(self.gateway.agents),
            "models": len(self.gateway.config.entries),
            "in_flight": self.observer.in_flight,
        }

    def _status(self) -> dict[str, Any]:
        facts = {
            "status": self.phase,
            "version": __version__,
            "uptime_s": round(self._clock() - self._began, 1),
        }
        return {**facts, "in_flight": self.observer.in_flight, "waiting": len(self.room)}

    def join_others(self) -> None:
        """Begins to listen to the other workers and gateways, if there are any. Called on the
        running loop."""
        if self._cluster is not None:
            self._cluster.begin()
        if self._workers is not None:
            self._workers.join(self._own_metrics)

    def _own_metrics(self) -> str:
        return self.metrics.text().decode()

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = (
            merged(await self._workers.pages())
            if self._workers is not None
            else self._own_metrics()
        )
        limits = await self.limits.rows()
        text += gauges.text(limits) if limits else ""
        await send_text(send, 200, text, b"text/plain; version=0.0.4; charset=utf-8")


def _new_transport(proxy: str | None) -> Transport:
    """Our own pool, or httpx's where a proxy is configured (its import is not paid for
    otherwise)."""
    if proxy is None:
        return Pool()
    from gateway.upstream.proxy import HttpxTransport

    return HttpxTransport(proxy=proxy)


def _settings(breaker: BreakerConfig, fallback: Fallback) -> Settings:
    return Settings(breaker.cooldown_max_seconds, breaker.growth, _verdicts(breaker, fallback))


def _verdicts(breaker: BreakerConfig, fallback: Fallback) -> Mapping[Kind, Verdict]:
    """The table of `failures.py` with the user's numbers and decisions."""
    seconds = {
        Kind.QUOTA: breaker.quota_seconds,
        Kind.CREDENTIAL: breaker.credential_seconds,
        Kind.MODEL_UNKNOWN: breaker.model_unknown_seconds,
    }
    verdicts = {}
    for kind, verdict in VERDICTS.items():
        changes: dict[str, Any] = {}
        if verdict.cooldown_s:
            changes["cooldown_s"] = seconds.get(kind, breaker.cooldown_seconds)
        if verdict.after > 1:
            changes["after"] = breaker.failures
        if kind.value in fallback.always:
            changes["moves_on"] = "always"
        if kind.value in fallback.never:
            changes["moves_on"] = "never"
        verdicts[kind] = replace(verdict, **changes)
    return verdicts
