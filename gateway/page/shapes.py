"""The geometry of the page's charts, as plain numbers for the templates.

Every bar is an SVG of its own that stretches to the width of its cell, so that lengths are shares
of `WIDTH` whatever the size of the screen. Texts are HTML beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from gateway.reports.history import Day, Group, Latency, Sum, Usage
from gateway.reports.requests import AttemptRow, CallRow

WIDTH: Final = 1000
COLOURS: Final = 8
"""Further models share the last colour."""
LEAST: Final = 4
"""A part that is not zero is at least so wide that it can be seen."""
WAIT_MIN_S: Final = 0.005
"""Less between two attempts is the gateway's own work, not a wait."""


class Piece(NamedTuple):
    """One part of a bar."""

    start: float
    length: float
    look: str
    """A class of the stylesheet."""
    title: str = ""


def colours(models: Iterable[Group]) -> dict[str, str]:
    """Model → the class of its colour; the largest models have colours of their own."""
    return {model.name: f"c{min(place, COLOURS - 1)}" for place, model in enumerate(models)}


def stacked(
    parts: Mapping[str, int],
    most: int,
    looks: Mapping[str, str],
    order: Sequence[str],
) -> list[Piece]:
    """The parts side by side; `most` fills the width."""
    pieces: list[Piece] = []
    start = 0.0
    for name in order:
        count = parts.get(name, 0)
        if count:
            length = max(count / most * WIDTH, LEAST) if most else 0.0
            pieces.append(Piece(round(start, 1), round(length, 1), looks[name], name))
            start += length
    return pieces


def most_tokens(groups: Iterable[Group]) -> int:
    """The tokens of the largest group in the week."""
    return max((group.week.tokens for group in groups), default=0)


class Column(NamedTuple):
    """One day as a column; its pieces are measured from the top."""

    day: Day
    pieces: list[Piece]


def columns(usage: Usage, looks: Mapping[str, str]) -> list[Column]:
    """The days of the week side by side; the largest one fills the height."""
    order = [model.name for model in usage.models]
    most = max((sum(day.parts.values()) for day in usage.days), default=0)
    return [Column(day, _from_top(stacked(day.parts, most, looks, order))) for day in usage.days]


def _from_top(pieces: list[Piece]) -> list[Piece]:
    """The same from the bottom up, as SVG counts from the top down."""
    return [piece._replace(start=_top(piece)) for piece in pieces]


def _top(piece: Piece) -> float:
    return round(max(0.0, WIDTH - piece.start - piece.length), 1)


class Lane(NamedTuple):
    """One attempt on a call's timeline, or a wait between two."""

    attempt: AttemptRow | None
    """None for a wait."""
    began_s: float
    ended_s: float
    pieces: list[Piece]


def timeline(call: CallRow) -> list[Lane]:
    """The attempts of a call, and the waits between them that are long enough to be seen."""
    whole_s = max([call.seconds, *(attempt.ended_s or 0.0 for attempt in call.attempts), 0.001])
    lanes: list[Lane] = []
    until_s = 0.0
    for attempt in call.attempts:
        if attempt.began_s - until_s >= max(WAIT_MIN_S, whole_s * LEAST / WIDTH):
            piece = _piece(until_s, attempt.began_s, whole_s, "pause")
            lanes.append(Lane(None, until_s, attempt.began_s, [piece]))
        ended_s = attempt.ended_s if attempt.ended_s is not None else call.seconds
        lanes.append(Lane(attempt, attempt.began_s, ended_s, _phases(attempt, ended_s, whole_s)))
        until_s = max(until_s, ended_s)
    return lanes


def _phases(attempt: AttemptRow, ended_s: float, whole_s: float) -> list[Piece]:
    """The wait for the first token, then the answer."""
    if attempt.first_token_s is None:
        return [_piece(attempt.began_s, ended_s, whole_s, "failed")]
    is_ok = attempt.outcome == "ok"
    answer = _piece(attempt.first_token_s, ended_s, whole_s, "answer" if is_ok else "failed")
    return [_piece(attempt.began_s, attempt.first_token_s, whole_s, "silent"), answer]


def _piece(start_s: float, end_s: float, whole_s: float, look: str) -> Piece:
    start = min(max(start_s / whole_s * WIDTH, 0.0), WIDTH - LEAST)
    length = min(max((end_s - start_s) / whole_s * WIDTH, LEAST), WIDTH - start)
    return Piece(round(start, 1), round(length, 1), look)


class Span(NamedTuple):
    """A model's times to the first token: where p50 and p95 are on a common scale."""

    latency: Latency
    p50: float
    p95: float


def spans(latencies: Sequence[Latency]) -> list[Span]:
    """The slowest p95 fills the width."""
    most = max((each.p95_s for each in latencies), default=0.0) or 1.0
    scale = (WIDTH - 20) / most
    return [_span(each, scale) for each in latencies]


def _span(latency: Latency, scale: float) -> Span:
    return Span(latency, round(latency.p50_s * scale, 1), round(latency.p95_s * scale, 1))


def kinds(week: Sum, most: int) -> list[Piece]:
    """A model's tokens by kind: input from the cache, other input, output."""
    parts = {"k0": week.cache_read, "k1": week.input - week.cache_read, "k2": week.output}
    names = {"k0": "cached input", "k1": "other input", "k2": "output"}
    pieces = stacked(parts, most, {look: look for look in parts}, list(parts))
    return [piece._replace(title=names[piece.look]) for piece in pieces]
