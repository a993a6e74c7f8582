"""Fills the templates. Everything is escaped; nothing is said about prompts, answers or keys.

The words of providers' errors are left out too, as a provider may quote a prompt in them: `gateway
requests ID` shows them.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from gateway.page import shapes, words
from gateway.page.assets import FOLDER, asset
from gateway.reports.history import History
from gateway.reports.overview import NEEDS_A_HAND, Overview
from gateway.reports.status import ModelState, Status

CALLS_SHOWN: Final = 20
"""Calls under way that are listed."""

FILTERS: Final = (
    *("duration", "whole_duration", "iso", "moment"),
    *("weekday", "tokens", "money", "share"),
)
"""Functions of `words` that the templates use as filters."""


def page(found: Overview, base_url: str, *, is_signed_in: bool) -> str:
    """The whole page. `base_url` is what clients use, without a trailing slash."""
    return _template("page.html").render(
        found=found,
        status=found.status,
        usage=found.history.usage if found.history is not None else None,
        base_url=base_url,
        is_signed_in=is_signed_in,
        agents=_agents(found.status, found.history),
        link=lambda **changes: link(found, **changes),
        now=found.at,
    )


def sign_in(message: str = "") -> str:
    """The form that asks for an admin key."""
    return _template("sign_in.html").render(message=message)


def notice(title: str, text: str, *, again: str = "") -> str:
    """A page that only says something; `again` is the label of a link to the page."""
    return _template("notice.html").render(title=title, text=text, again=again)


def link(found: Overview, **changes: str | None) -> str:
    """The address of the page with other filters or another open call."""
    asked = found.asked
    now = {
        "agent": asked.agent,
        "calls": "not-plain" if asked.not_plain else None,
        "call": asked.call,
    }
    stated = {name: value for name, value in {**now, **changes}.items() if value}
    return "/?" + urlencode(stated) if stated else "/"


def _agents(status: Status, history: History | None) -> list[str]:
    """The names in the filter: those that are configured, and those that were called this week."""
    usage = history.usage if history is not None else None
    called = [group.name for group in usage.agents] if usage is not None else []
    return sorted({*(agent.agent for agent in status.agents), *called})


_KINDS: Final = {"credential": "key refused", "model_unknown": "unknown model id"}


def kind_in_words(kind: str | None) -> str:
    """`rate_limit` as `rate limit`."""
    return _KINDS.get(kind or "", (kind or "").replace("_", " "))


class Chip:
    """One model of a chain: a state in one word, and a note."""

    def __init__(self, model: ModelState) -> None:
        self.model = model
        self.look, self.word = _look(model)
        self.why = kind_in_words(model.kind)


def _look(model: ModelState) -> tuple[str, str]:
    if model.state == "open":
        look = "refused" if model.kind in NEEDS_A_HAND else "cooling"
        return look, f"cooling down {words.whole_duration(model.cooldown_left_s)}"
    if model.state == "half_open":
        return "probing", "probing"
    return ("full", "full") if model.full else ("ready", "ready")


@cache
def _template(name: str) -> Template:
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {name: getattr(words, name) for name in FILTERS}
    made.filters.update(filters, kind=kind_in_words)
    made.globals.update(
        asset=lambda name: asset(name).url,
        ago=words.ago,
        plural=words.plural,
        chip=Chip,
        shapes=shapes,
        calls_shown=CALLS_SHOWN,
    )
    return made
