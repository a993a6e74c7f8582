"""The page as HTML: complete, escaped, without inline code, and without what no page may show."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gateway.failures import Failure, Kind
from gateway.observe.ledger_glance import Asked
from gateway.page.assets import FOLDER, TYPES, asset
from gateway.page.render import link, notice, page, sign_in
from gateway.page.words import ago, duration, money, share, tokens
from gateway.reports.overview import Overview, overview
from gateway.reports.status import AgentState, AttemptState, CallState, ModelState, Status
from gateway.types import Agent, Attempt, Client
from tests.makers import call as make_call
from tests.makers import model
from tests.observe.test_ledger import WALL, answered, written

EVIL = '"><script>alert(1)</script>'
LONG_ID = "accounts/some-vendor/models/a-model-with-a-very-long-name-2026-11-25-preview"


def chain() -> list[ModelState]:
    return [
        ModelState(
            "sonnet",
            "a",
            "claude-sonnet-5",
            "open",
            41.2,
            "429 rate limit: canary-prompt",
            "rate_limit",
        ),
        ModelState("gpt", "o", LONG_ID, "half_open", 0.0, None),
        ModelState("small", "o", "small", "closed", 0.0, None, None, full=True),
        ModelState("local", "c", "qwen3:32b", "closed", 0.0, None),
    ]


def status(agent: str = "dev") -> Status:
    tried = AttemptState("sonnet", "rate_limit")
    calls = [
        CallState(
            "req_live", agent, "ci", "local", [tried], waiting=False, seconds=3.0, stream=True
        ),
        CallState("req_wait", agent, "ci", None, [tried], waiting=True, seconds=75.0, stream=True),
    ]
    return Status("serving", "0.2.0", 7200.0, 2, 1, [AgentState(agent, chain())], calls)


def shown(path: Path | None, asked: Asked = Asked(), agent: str = "dev") -> str:  # noqa: B008
    found = overview(status(agent), path, {}, asked, now=WALL)
    return page(found, "http://127.0.0.1:8484", is_signed_in=False)


class Text(HTMLParser):
    """The words, and every attribute, of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value) for name, value in attrs]


def text(html: str) -> str:
    return " ".join(Text(html).words)


def test_every_block_is_there(tmp_path: Path) -> None:
    words = text(shown(written(tmp_path / "ledger.db", answered("req_1"))))
    for block in (
        "serving 0.2.0 · up 2 h",
        "Under way 2 1 waiting",
        "Errors in 5 min 0",
        "sonnet claude-sonnet-5 cooling down 41 s rate limit",
        f"gpt {LONG_ID} probing",
        "small full",
        "local qwen3:32b ready",
        "dev ci local req_live 1 3.0 s",
        "dev ci waiting req_wait 1 75 s",
        "2 s ago dev dev local qwen3:32b 200 2 rate limit 1.0 s 2.0 s 100 20",
        "Tokens and money",
        "Time to the first token Model p50 p95 Calls p50 to p95 local qwen3:32b 1.0 s 1.0 s 1",
        "Needs attention local no price is known",
    ):
        assert block in words


def test_a_call_opens_its_timeline(tmp_path: Path) -> None:
    path = written(tmp_path / "ledger.db", answered("req_1"))
    closed, opened = shown(path), shown(path, Asked(call="req_1"))
    assert "cooldown 7 s" not in text(closed)
    assert "sonnet claude-sonnet-5 rate limit (429) at 500 ms, cooldown 7 s" in text(opened)
    assert "first token at 1.0 s, end at 2.0 s" in text(opened)
    assert 'aria-expanded="true"' in opened


def test_a_wait_between_two_attempts_is_shown(tmp_path: Path) -> None:
    call = answered("req_1")
    call.attempts[1].started_at += 0.3
    path = written(tmp_path / "ledger.db", call)
    assert "waits 300 ms" in text(shown(path, Asked(call="req_1")))


def test_a_model_that_only_the_operator_can_help_is_red() -> None:
    refused = replace(chain()[0], kind="credential")
    found = overview(
        replace(status(), agents=[AgentState("dev", [refused])]), None, {}, Asked(), now=WALL
    )
    html = page(found, "http://box:8484", is_signed_in=False)
    assert '<li class="chip refused">' in html
    assert "needs a hand" in text(html)
    assert "cooling down 41 s key refused" in text(html)
    assert '<li class="chip refused">' not in shown(None)


def test_what_others_wrote_is_escaped(tmp_path: Path) -> None:
    odd = make_call(model(name=EVIL, model_id=EVIL))
    odd.attempts.append(
        Attempt(odd.agent.models[0], 1, committed_at=1.0, ended_at=2.0, finish_reason=EVIL)
    )
    odd = replace(odd, id=EVIL, agent=Agent(EVIL, odd.agent.models), client=Client(EVIL))
    path = written(tmp_path / "ledger.db", odd)
    html = shown(path, Asked(agent=EVIL, call=EVIL), agent=EVIL)
    assert html.count("<script") == 1
    assert EVIL not in html


def test_what_a_provider_said_is_left_out(tmp_path: Path) -> None:
    """A provider may quote the prompt in its error."""
    call = answered("req_1", content="canary-prompt")
    call.attempts[0].failure = Failure(Kind.RATE_LIMIT, "canary-prompt", status=429)
    path = written(tmp_path / "ledger.db", call)
    assert "canary-prompt" not in shown(path, Asked(call="req_1"))


@pytest.mark.parametrize("html", [sign_in("No."), notice("a", "b", again="c"), shown(None)])
def test_no_code_or_style_is_inline(html: str) -> None:
    for tag, name, value in Text(html).attributes:
        assert name != "style"
        assert not name.startswith("on")
        if name in ("src", "href", "action"):
            assert re.match(r"[/#](?!/)", value or ""), f"{tag} {name}={value}"
    assert "<style" not in html
    assert not re.search(r"<script(?! src)", html)


def test_an_empty_gateway_says_what_to_do_first() -> None:
    new = replace(status(), in_flight=0, calls=[])
    found = overview(new, None, {}, Asked(), now=WALL)
    html = page(found, "http://box:8484", is_signed_in=True)
    assert "curl http://box:8484/v1/chat/completions" in text(html)
    assert '-H "Authorization: Bearer $GATEWAY_KEY"' in text(html)
    none = overview(replace(new, agents=[]), None, {}, Asked(), now=WALL)
    assert "gateway init" in text(page(none, "http://box:8484", is_signed_in=False))


def test_links_keep_what_is_asked() -> None:
    found: Overview = overview(status(), None, {}, Asked("a b", not_plain=True), now=WALL)
    assert link(found) == "/?agent=a+b&calls=not-plain"
    assert link(found, agent=None, call="x") == "/?calls=not-plain&call=x"


def test_the_address_of_a_file_changes_with_its_content() -> None:
    for name in TYPES:
        found = asset(name)
        assert found.body == (FOLDER / "static" / name).read_bytes()
        assert re.fullmatch(rf"/page/{re.escape(name)}\?[0-9a-f]{{12}}", found.url)


def test_the_files_name_no_other_host() -> None:
    for file in FOLDER.rglob("*.*"):
        if file.suffix in (".html", ".css", ".js"):
            assert not re.search(r"(https?:)?//[a-z]+\.|@import", file.read_text()), file


@pytest.mark.parametrize(
    ("shown_", "words"),
    [
        (duration(None), "–"),
        (duration(0.0421), "42 ms"),
        (duration(3.21), "3.2 s"),
        (duration(42.4), "42 s"),
        (duration(300), "5 min"),
        (duration(2e5), "2 d"),
        (ago(WALL, WALL + 0.4), "now"),
        (ago(WALL, WALL + 5), "5 s ago"),
        (tokens(None), "–"),
        (tokens(940), "940"),
        (tokens(12_345), "12.3k"),
        (tokens(999_950), "1.0M"),
        (tokens(123_456), "123k"),
        (money(0), "$0.00"),
        (money(0.00001), "<$0.0001"),
        (money(0.0042), "$0.0042"),
        (money(1234.5), "$1,234.50"),
        (share(None), "–"),
        (share(0.004), "0.4 %"),
        (share(0.5), "50 %"),
    ],
)
def test_words(shown_: str, words: str) -> None:
    assert shown_ == words
