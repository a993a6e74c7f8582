"""Limits as people write them: `20 USD/day`, `200000 tokens/minute`; and amounts as people read
them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal, get_args

Kind = Literal["budget", "rate"]
WhenDown = Literal["share", "open", "closed"]
"""What one process may use of a limit while the engine that the gateways share is away: its share,
all of it, or nothing."""

MICRO: Final = 1_000_000
"""Micro-dollars in a dollar."""
AMOUNT_MAX: Final = 2**53
"""Beyond it, programs that read our JSON as floats lose digits."""

_TEXT: Final = re.compile(
    r"\s*(\$?)\s*([\d_,.]+)\s*([A-Za-z]*)\s*(?:/|\bper\b)\s*([A-Za-z]+)\s*"
    r"(?:\swhenDown\s*=\s*[\"']?(\w*)[\"']?\s*)?"
)
_NUMBER: Final = re.compile(r"\d+(?:_\d+)*(?:\.\d+)?", re.ASCII)
_UNITS: Final = {
    "usd": "USD", "dollar": "USD", "dollars": "USD", "token": "tokens", "tokens": "tokens",
    "call": "calls", "calls": "calls",
}  # fmt: skip
_WHEN_DOWN: Final[dict[str, WhenDown]] = {word: word for word in get_args(WhenDown)}
_PER: Final = {
    "budget": ("hour", "day", "week", "month"),
    "rate": ("minute",),
}
_OF: Final = {"budget": ("USD", "tokens"), "rate": ("calls", "tokens")}
_CURE: Final = {
    "budget": 'Write it as "20 USD/day" or "5000000 tokens/month"; per hour, day, week or month.',
    "rate": 'Write it as "60 calls/minute" or "200000 tokens/minute".',
}


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget (`20 USD/day`) or a rate (`60 calls/minute`) of an agent, a client key or the whole
    gateway."""

    owner: str
    """`gateway`, `agent dev` or `key bot`."""
    text: str
    """As people write it."""
    amount: int
    """Micro-dollars, tokens or calls."""
    unit: str
    """`USD`, `tokens` or `calls`."""
    per: str
    """`minute` of a rate; `hour`, `day`, `week` or `month` of a budget."""
    when_down: WhenDown | None = None
    """None: as `[cluster] whenDown`."""
    id: str = field(init=False)
    """Names the limit whatever its amount: a budget that is raised keeps what is spent."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", f"{self.owner} {self.unit}/{self.per}")

    @property
    def is_rate(self) -> bool:
        return self.per == "minute"


class LimitError(Exception):
    """A limit that cannot be used: what is wrong, and the cure."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(f"{message} {cure}")
        self.message = message
        self.cure = cure


def parse(text: str, kind: Kind, owner: str = "gateway") -> Limit:
    """The limit that `text` states. Raises `LimitError`."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise LimitError(f'"{text}" is not a {kind}.', _CURE[kind])
    dollar, number, word, per, when_down = match.groups()
    unit = _UNITS.get(word.lower() or ("usd" if dollar else ""), "")
    if not unit or (dollar and unit != "USD"):
        raise LimitError(f'"{text}" is not a {kind}: it has no unit that is known.', _CURE[kind])
    per = per.lower()
    if unit not in _OF[kind] or per not in _PER[kind]:
        message = f'"{text}" is not a {kind}: {_why(kind, unit, per)}.'
        raise LimitError(message, _cure(kind, unit, per))
    amount = _amount(text, number, unit, kind)
    if when_down is not None and when_down not in _WHEN_DOWN:
        message = f'"{text}": whenDown is one of {", ".join(_WHEN_DOWN)}.'
        raise LimitError(message, f'Write it as "{shown(amount, unit)}/{per} whenDown=closed".')
    own = _WHEN_DOWN[when_down] if when_down is not None else None
    return Limit(owner, f"{shown(amount, unit)}/{per}", amount, unit, per, own)


def parse_all(
    budgets: str | Sequence[str] | None,
    rates: str | Sequence[str] | None,
    owner: str,
) -> tuple[Limit, ...]:
    """Every limit of one owner: the budgets first. Raises `LimitError`, also for two of one
    kind."""
    limits = [parse(text, "budget", owner) for text in listed(budgets)]
    limits += [parse(text, "rate", owner) for text in listed(rates)]
    for number, limit in enumerate(limits):
        for other in limits[:number]:
            if other.id == limit.id:
                message = f'"{other.text}" and "{limit.text}" limit the same.'
                raise LimitError(message, "Keep the smaller one.")
    return tuple(limits)


def listed(texts: str | Sequence[str] | None) -> list[str]:
    """One text or several, as a list."""
    if texts is None:
        return []
    return [texts] if isinstance(texts, str) else list(texts)


def shown(amount: int, unit: str) -> str:
    """`19.87 USD`, `200000 tokens`. Of dollars, as many digits as it takes to see something."""
    if unit != "USD":
        return f"{amount} {unit}"
    dollars, digits = Decimal(amount) / MICRO, _digits(amount)
    text = f"{dollars:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} USD"


def _digits(micro: int) -> int:
    """Digits behind the point, as many as it takes to see something."""
    if micro % 10_000 == 0 or micro >= 10 * MICRO:
        return 2
    return 4 if micro % 100 == 0 or micro >= 1000 else 6


def joined(limits: Iterable[Limit]) -> str:
    """`20 USD/day, 60 calls/minute`."""
    return ", ".join(limit.text for limit in limits)


def _amount(text: str, number: str, unit: str, kind: Kind) -> int:
    if not _NUMBER.fullmatch(number):
        message = f'"{text}": {number} is not a number.'
        raise LimitError(message, "Write digits without commas, such as 200000.")
    value = Decimal(number.replace("_", "")) * (MICRO if unit == "USD" else 1)
    if value != value.to_integral_value():
        smallest = "0.000001 USD" if unit == "USD" else f"1 {unit.removesuffix('s')}"
        raise LimitError(f'"{text}": the smallest part is {smallest}.', _CURE[kind])
    if not 1 <= value <= AMOUNT_MAX:
        raise LimitError(f'"{text}" must be above 0 and below {AMOUNT_MAX}.', _CURE[kind])
    return int(value)


def _why(kind: Kind, unit: str, per: str) -> str:
    if unit not in _OF[kind]:
        return f"a {kind} is in {' or '.join(_OF[kind])}"
    return f"a {kind} is per {', '.join(_PER[kind])}"


def _cure(kind: Kind, unit: str, per: str) -> str:
    """Another key is meant where the limit would be one of the other kind."""
    other: Kind = "rate" if kind == "budget" else "budget"
    if unit in _OF[other] and per in _PER[other]:
        return f"This is a {other}: write it as `{other} = …`."
    return _CURE[kind]
