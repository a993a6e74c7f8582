"""Commands, answers and news as the function library knows them. Pure.

Arguments and answers are MessagePack, by position; see the comment above each function. Durations
are whole microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import msgspec

from gateway.failures import Failure
from gateway.redact import redact
from gateway.shared.circuits import Change
from gateway.shared.engine import (
    Admit,
    Close,
    EndProbe,
    Give,
    Gone,
    Join,
    Keep,
    Leave,
    Open,
    Permit,
    Recall,
    Snapshot,
    Woken,
)
from gateway.shared.limits import (
    Charge,
    Decision,
    Level,
    LimitState,
    LimitStates,
    Renew,
    Reserve,
    Seed,
    Settle,
)
from gateway.shared.redis.names import Names
from gateway.shared.slots import Ticket

FAILURE_CHARS_MAX: Final = 200
_US: Final = 1_000_000

pack: Final = msgspec.msgpack.Encoder().encode
unpack: Final = msgspec.msgpack.Decoder().decode
_failure: Final = msgspec.json.Decoder(Failure)


class Question(NamedTuple):
    """A call of one function."""

    function: str
    arguments: Sequence[Any]


def us(seconds: float) -> int:
    return round(seconds * _US)


# --- commands -------------------------------------------------------------------------------------


def question(command: Any, names: Names, generation: int = 0) -> Question:
    """The call that carries a command out. `generation` is the one that this member knows of the
    circuit that opens."""
    function, arguments = _QUESTIONS[type(command)]
    found = arguments(command, names)
    return Question(function, [*found, generation] if isinstance(command, Open) else found)


def _open(command: Open, names: Names) -> list[Any]:
    return [names.circuit(command.circuit_id), us(command.cooldown_s), said(command.failure)]


def _close(command: Close, names: Names) -> list[Any]:
    generation = command.generation if command.generation is not None else False
    return [names.circuit(command.circuit_id), generation]


def _end_probe(command: EndProbe, names: Names) -> list[Any]:
    return [names.circuit(command.circuit_id), command.generation]


def _admit(command: Admit, names: Names) -> list[Any]:
    ids = [names.circuit(each) for each in command.circuit_ids]
    return [names.ticket(command.ticket), ids, command.slots_max or False, command.anyway]


def _give(command: Give, names: Names) -> list[Any]:
    return [names.ticket(command.ticket), names.circuit(command.circuit_id)]


def join(command: Join, names: Names) -> list[Any]:
    ids = [names.circuit(each) for each in command.circuit_ids]
    return [names.ticket(command.ticket), names.text(command.agent), command.weight, ids]


def reserve(command: Reserve, names: Names) -> list[Any]:
    held = charges(command.charges, names)
    return [names.ticket(command.ticket), held, us(command.hold_s), command.anyway]


def _settle(command: Settle, names: Names) -> list[Any]:
    return [names.ticket(command.ticket), charges(command.charges, names), command.is_again]


def _seed(command: Seed, names: Names) -> list[Any]:
    return [*charges([command.charge], names), names.text(command.host)]


def _states(command: LimitStates, names: Names) -> list[Any]:
    return [
        [
            [names.text(each.limit_id), each.period, each.cap or 1, us(each.per_s)]
            for each in command.wanted
        ]
    ]


def _keep(command: Keep, names: Names) -> list[Any]:
    assert names.seal is not None
    name = names.seal.name(command.key)
    return [name, _as_text(names.seal.close(name, command.entry))]


def _recall(command: Recall, names: Names) -> list[Any]:
    assert names.seal is not None
    return [[names.seal.name(key) for key in command.keys]]


def _as_text(data: bytes) -> msgspec.Raw:
    """Bytes in MessagePack's form for text, as the server's own library knows no other."""
    return msgspec.Raw(b"\xdb" + len(data).to_bytes(4, "big") + data)


def charges(found: Iterable[Charge], names: Names) -> list[list[Any]]:
    return [
        [
            names.text(each.limit_id),
            each.amount,
            each.cap if each.cap is not None else False,
            each.period,
            each.ends_at,
            us(each.per_s),
            each.is_estimated,
        ]
        for each in found
    ]


_QUESTIONS: Final[Mapping[type, tuple[str, Callable[[Any, Names], list[Any]]]]] = {
    Admit: ("admit", _admit),
    Close: ("close", _close),
    EndProbe: ("end_probe", _end_probe),
    Give: ("give", _give),
    Gone: ("gone", lambda command, names: [str(command.process_id)]),
    Join: ("join", join),
    Keep: ("keep", _keep),
    Leave: ("leave", lambda command, names: [names.ticket(command.ticket)]),
    LimitStates: ("limit_states", _states),
    Open: ("open", _open),
    Recall: ("recall", _recall),
    Renew: ("renew", lambda each, names: [names.ticket(each.ticket), us(each.hold_s)]),
    Reserve: ("reserve", reserve),
    Seed: ("seed", _seed),
    Settle: ("settle", _settle),
    Snapshot: ("snapshot", lambda command, names: []),
}


# --- answers --------------------------------------------------------------------------------------


def answer(command: Any, found: Any, names: Names) -> Any:
    """The answer of the function, as the engine gives it. Raises `TypeError`, `ValueError` or
    `LookupError` for what is none."""
    read = _ANSWERS.get(type(command))
    return read(command, found, names) if read is not None else None


def _permit(command: Admit, found: Any, names: Names) -> Permit | None:
    if found is False:
        return None
    generations, probes = found
    has_slot = command.slots_max is not None
    return Permit(command.ticket, command.circuit_ids, tuple(generations), tuple(probes), has_slot)


def _decision(command: Reserve, found: Any, names: Names) -> Decision:
    is_granted, levels = found
    return Decision(bool(is_granted), tuple(_level(each, command.charges) for each in levels))


def _level(found: Any, asked: Sequence[Charge]) -> Level:
    number, used, wait_us, crossed = found
    charge = asked[number - 1]
    return Level(charge.limit_id, int(used), charge.cap, wait_us / _US, bool(crossed))


def _limit_states(command: LimitStates, found: Any, names: Names) -> tuple[LimitState, ...]:
    ids = {names.text(each.limit_id): each.limit_id for each in command.wanted}
    return tuple(
        LimitState(ids[name], period, spent, reserved, orphaned, estimated, float(ends_at))
        for name, period, spent, reserved, orphaned, estimated, ends_at in found
    )


def _recalled(command: Recall, found: Any, names: Names) -> list[bytes | None]:
    """By their places in `keys`, as far as the engine went. None where there is no entry, or one
    that no member has sealed."""
    assert names.seal is not None
    each = zip(command.keys, found, strict=False)
    return [
        names.seal.open(names.seal.name(key), sealed) if sealed else None for key, sealed in each
    ]


def changes(found: Any, names: Names) -> list[Change]:
    """A snapshot: the open circuits that this member knows."""
    read = (
        change(["open", name, left_us, why, generation, ""], names)
        for name, left_us, why, generation in found
    )
    return [change for change in read if change is not None]


_ANSWERS: Final[Mapping[type, Callable[[Any, Any, Names], Any]]] = {
    Admit: _permit,
    LimitStates: _limit_states,
    Recall: _recalled,
    Reserve: _decision,
    Snapshot: lambda command, found, names: changes(found, names),
}


# --- news -----------------------------------------------------------------------------------------


def change(found: Any, names: Names) -> Change | None:
    """News of a circuit; None of one that this member does not know. Raises `TypeError`,
    `ValueError` or `msgspec.MsgspecError` for what it cannot read: another release may send it."""
    state, name, left_us, why, generation, by = found
    if state not in ("open", "closed"):
        raise ValueError(f"a circuit cannot be {state!r}")
    circuit_id = names.circuit_id(name)
    if circuit_id is None:
        return None
    failure = _failure.decode(why) if why else None
    return Change(circuit_id, state, left_us / _US, failure, generation, by == names.member)


def woken(found: Any) -> Woken:
    """The word to a call that waits. Raises `ValueError` or `TypeError`."""
    (name,) = found
    ticket: Ticket = int(name.rpartition(":")[2])
    return Woken(ticket)


def said(failure: Failure | None) -> str:
    """A failure as the other members may know it: short, and without what names this host."""
    if failure is None:
        return ""
    message = redact(failure.message)[:FAILURE_CHARS_MAX]
    shown = replace(failure, message=message, param=None, request_id=None, detail=None)
    return msgspec.json.encode(shown).decode()
