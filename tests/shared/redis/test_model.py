"""The pure engine and the function library in a real server answer the same commands alike."""

from __future__ import annotations

import os
from itertools import count
from typing import Any, Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from gateway.failures import Failure, Kind
from gateway.shared.circuits import Change
from gateway.shared.engine import (
    Admit,
    Close,
    EndProbe,
    Engine,
    Give,
    Gone,
    Join,
    Leave,
    News,
    Open,
    Permit,
    Snapshot,
)
from gateway.shared.limits import Charge, Decision, LimitStates, Renew, Reserve, Seed, Settle
from gateway.shared.redis import library, messages
from gateway.shared.redis.names import Names
from tests.redis_server import RedisServer, needs_redis

pytestmark = needs_redis

ACCOUNT: Final = ("custom", "http://lab", "key:default")
MODELS: Final = [(*ACCOUNT, "a"), (*ACCOUNT, "b")]
FAILURES: Final = [
    Failure(Kind.RATE_LIMIT, "slow down", status=429, retry_after_s=60.0),
    Failure(Kind.OVERLOADED, "busy"),
    None,
]
TEST_CHUNK: Final = """
clock = function() return tonumber(redis.call('GET', P .. 'now')) end
say = function(channel, news)
  redis.call('RPUSH', P .. 'said', cmsgpack.pack({channel, news}))
end
"""
"""The clock is a key, and what is said is kept."""

_groups: Final = count(1)


class Both(RuleBasedStateMachine):
    """Two members. Every command goes to both engines, and every answer is compared."""

    server: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.prefix = f"{{gw:{next(_groups)}}}:"
        self.engine = Engine()
        self.now_us = 1_000_000_000
        self.names = {1: Names("1"), 2: Names("2")}
        for names in self.names.values():
            for circuit_id in (*MODELS, ACCOUNT):
                names.circuit(circuit_id)
        self.permits: dict[tuple[int, int], Permit] = {}
        self.held: dict[tuple[int, int], int] = {}
        """What holds something → the day to which it belongs."""
        self.day = 0

    # --- both -------------------------------------------------------------------------------------

    def do(self, member: int, command: Any) -> Any:
        signed = command
        if "ticket" in command._fields:
            signed = command._replace(ticket=(member, command.ticket))
        answer, news = self.engine.do(signed, self.now_us / 1e6)
        theirs, said = self._call(member, command)
        if isinstance(answer, Permit):
            answer = answer._replace(ticket=command.ticket)
        if isinstance(answer, Permit | Decision) or isinstance(command, Admit | Reserve):
            assert theirs == answer, command
        ours = [self._shown(each) for each in news]
        if isinstance(command, Gone):
            ours, said = sorted(ours, key=repr), sorted(said, key=repr)
        assert said == ours, command
        return answer

    def _call(self, member: int, command: Any) -> tuple[Any, list[Any]]:
        names = self.names[member]
        function, arguments = messages.question(command, names)
        self.server.set(f"{self.prefix}now", self.now_us)
        raw = self.server.fcall(
            library.PREFIX + function, 1, self.prefix, str(member), messages.pack(arguments)
        )
        said = self.server.lrange(f"{self.prefix}said", 0, -1)
        self.server.delete(f"{self.prefix}said")
        found = messages.answer(command, messages.unpack(raw), names)
        return found, [self._read(*messages.unpack(each)) for each in said]

    def _read(self, channel: str, news: Any) -> Any:
        if channel == "news":
            change = messages.change(news, self.names[1])
            assert change is not None
            return self._shown(change)
        member, _, ticket = news[0].partition(":")
        assert channel == f"to:{member}"
        return (int(member), int(ticket))

    def _shown(self, news: News) -> Any:
        if isinstance(news, Change):
            cooldown_s = round(news.cooldown_s, 6)
            return (news.circuit_id, news.state, cooldown_s, news.failure, news.generation)
        return news.ticket

    # --- what happens -----------------------------------------------------------------------------

    members = st.integers(1, 2)
    tickets = st.integers(1, 4)
    models = st.sampled_from(MODELS)

    @rule(seconds=st.sampled_from([0, 1, 30, 61, 200]))
    def time_passes(self, seconds: int) -> None:
        self.now_us += seconds * 1_000_000

    @rule(
        member=members,
        ticket=tickets,
        model=models,
        slots=st.sampled_from([None, 1, 2]),
        anyway=st.sampled_from([False, False, True]),
    )
    def admit(self, member: int, ticket: int, model: Any, slots: int | None, anyway: bool) -> None:
        if (member, ticket) in self.permits:
            return
        permit = self.do(member, Admit(ticket, (model, ACCOUNT), slots, anyway))
        if permit is not None:
            self.permits[member, ticket] = permit

    @rule(
        member=members,
        circuit=st.sampled_from([*MODELS, ACCOUNT]),
        seconds=st.integers(0, 200),
        failure=st.sampled_from(FAILURES),
    )
    def open(self, member: int, circuit: Any, seconds: int, failure: Failure | None) -> None:
        self.do(member, Open(circuit, float(seconds), failure))

    @rule(member=members, circuit=st.sampled_from([*MODELS, ACCOUNT]))
    def close(self, member: int, circuit: Any) -> None:
        self.do(member, Close(circuit))

    @precondition(lambda self: self.permits)
    @rule(data=st.data(), word=st.sampled_from(["succeed", "release", "give", "keep"]))
    def end(self, data: st.DataObject, word: str) -> None:
        member, ticket = data.draw(st.sampled_from(sorted(self.permits)))
        permit = self.permits.pop((member, ticket))
        command: Any = Close if word == "succeed" else EndProbe
        for circuit_id, generation, is_probe in zip(*permit[1:4], strict=True):
            if is_probe and word != "keep":
                self.do(member, command(circuit_id, generation))
        if permit.has_slot:
            self.do(member, Give(ticket, permit.circuit_ids[0]))

    @rule(
        member=members,
        ticket=tickets,
        models=st.lists(models, min_size=1, max_size=2, unique=True),
        agent=st.sampled_from(["dev", "ops"]),
        weight=st.integers(1, 3),
    )
    def join(self, member: int, ticket: int, models: Any, agent: str, weight: int) -> None:
        if (member, ticket) not in self.permits:
            self.do(member, Join(ticket, agent, weight, tuple(models)))

    @rule(member=members, ticket=tickets)
    def leave(self, member: int, ticket: int) -> None:
        self.do(member, Leave(ticket))

    @rule(member=members)
    def gone(self, member: int) -> None:
        self.permits = {key: each for key, each in self.permits.items() if key[0] != member}
        self.held = {key: day for key, day in self.held.items() if key[0] != member}
        _, news = self.engine.do(Gone(member), self.now_us / 1e6)
        _, said = self._call(3 - member, Gone(member))
        mine = sorted((self._shown(each) for each in news), key=repr)
        assert sorted(said, key=repr) == mine

    # --- limits -----------------------------------------------------------------------------------

    @staticmethod
    def charges(day: int, amount: int, *, estimated: bool = False) -> tuple[Charge, ...]:
        return (
            Charge("all", amount, 100, f"2026-11-{25 + day}", 86_400.0 * (20 + day), 0, estimated),
            Charge("dev", amount, 60, per_s=60.0),
            Charge("seen", amount, None, "2026-11", 86_400.0 * 30),
        )

    def states(self) -> None:
        """Periods that are over are dropped by one and kept for a while by the other."""
        wanted = tuple(each for day in range(4) for each in self.charges(day, 0))
        ours, _ = self.engine.do(LimitStates(wanted), self.now_us / 1e6)
        theirs, _ = self._call(1, LimitStates(wanted))
        found = {(state.limit_id, state.period): state for state in theirs}
        for state in ours:
            assert found[state.limit_id, state.period] == state

    @rule()
    def next_day(self) -> None:
        self.day = min(self.day + 1, 3)

    @rule(member=members, ticket=tickets, amount=st.integers(0, 70), anyway=st.booleans())
    def reserve(self, member: int, ticket: int, amount: int, anyway: bool) -> None:
        if (member, ticket) in self.held:
            return
        command = Reserve(ticket, self.charges(self.day, amount), anyway=anyway)
        if self.do(member, command).is_granted:
            self.held[member, ticket] = self.day
        self.states()

    @rule(member=members, ticket=tickets, amount=st.integers(0, 90), again=st.booleans())
    def settle(self, member: int, ticket: int, amount: int, again: bool) -> None:
        day = self.held.pop((member, ticket), self.day)
        charges = self.charges(day, amount, estimated=amount % 2 == 0)
        self.do(member, Settle(ticket, charges, again))
        self.states()

    @rule(member=members, ticket=tickets)
    def renew(self, member: int, ticket: int) -> None:
        self.do(member, Renew(ticket))
        self.states()

    @rule(member=members, amount=st.integers(0, 50))
    def seed(self, member: int, amount: int) -> None:
        charge = self.charges(self.day, amount)[0]
        self.do(member, Seed(charge, host=f"host {member}"))
        self.states()

    def teardown(self) -> None:
        ours, _ = self.engine.do(Snapshot(), self.now_us / 1e6)
        theirs, _ = self._call(1, Snapshot())
        shown = [sorted(map(self._shown, each), key=repr) for each in (theirs, ours)]
        assert shown[0] == shown[1]


EXAMPLES: Final = int(os.environ.get("CLUSTER_EXAMPLES", "60"))
"""A long run, with other examples each time: `CLUSTER_EXAMPLES=5000 pytest tests/shared/redis`."""


def test_both_engines_answer_alike(server: RedisServer) -> None:
    with server.client() as client:
        client.function_load(library.source(TEST_CHUNK), replace=True)
        Both.server = client
        run_state_machine_as_test(
            Both,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=30,
                deadline=None,
                derandomize="CLUSTER_EXAMPLES" not in os.environ,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
