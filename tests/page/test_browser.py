"""The page in a real browser: it renders, refreshes itself, filters, opens a call, and signs in.

One browser for all tests. Skipped where there is no Chromium.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.observe.ledger import Ledger
from tests.e2e.harness import Running, chains
from tests.page.browser import AXE, MISSING, chromium

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

WAIT_S = 10.0


class Page:
    """The page as a person sees it."""

    def __init__(self, driver: Any, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, address: str = "/") -> None:
        self.driver.get(self.url + address)

    def run(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        """In one step: the page may replace itself between finding an element and using it."""
        self.run(f"document.querySelector({selector!r}).click()")

    def texts(self, selector: str) -> list[str]:
        """What is shown of each element, read in one step as well."""
        found: list[str] = self.run(
            f"return [...document.querySelectorAll({selector!r})].map(each => each.innerText)"
        )
        return found

    def until(self, is_so: Callable[[], Any]) -> Any:
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, WAIT_S, poll_frequency=0.05).until(lambda _: is_so())

    def requests(self) -> list[str]:
        """The addresses that the browser has asked since the last question."""
        messages = (
            json.loads(each["message"])["message"] for each in self.driver.get_log("performance")
        )
        sent = (
            each["params"] for each in messages if each["method"] == "Network.requestWillBeSent"
        )
        return [each["request"]["url"] for each in sent]

    def emulate(self, width: int, scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


REFUSED = re.compile(r"responded with a status of 40[13] ")
"""What Chromium's console says of a sign-in that is refused."""

CHAIN, LOCAL = "anthropic>openai", "custom"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway with a ledger, some calls, and one model that cools down."""
    folder = tmp_path_factory.mktemp("gateway")
    ledger = Ledger(folder / "ledger.db", 90)
    ledger.start()
    running = Running(folder, ledger=ledger)
    running.start(lambda lab: chains(lab, CHAIN, LOCAL))
    running.lab.fault("anthropic", "overloaded")
    for agent in (CHAIN, LOCAL):
        call(running, agent)
    yield running
    running.stop()


def call(running: Running, agent: str) -> None:
    body: Any = [{"role": "user", "content": "Hi"}]
    running.sdk().chat.completions.create(model=agent, messages=body)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def page(gateway: Running, driver: Any) -> Iterator[Page]:
    """The page; no test may leave a word in the console or ask another host."""
    found = Page(driver, gateway.url)
    found.emulate(1280, "light")
    found.open()
    yield found
    assert [
        line["message"] for line in driver.get_log("browser") if not REFUSED.search(line["message"])
    ] == []
    hosts = {urlsplit(url).netloc for url in found.requests() if url.startswith("http")}
    assert hosts <= {urlsplit(gateway.url).netloc}


def models(page: Page) -> list[str]:
    """The models of the calls that are listed."""
    return page.texts(".calls tbody tr:not(.opened) .model .name")


def test_it_shows_what_happens_and_keeps_itself_current(gateway: Running, page: Page) -> None:
    page.until(lambda: models(page) == ["custom", "openai"])
    assert "cooling down" in page.find(".chip.cooling").text
    assert not page.find("#reload").is_displayed()
    page.run("document.querySelector('.tall').scrollTop = 0; window.marked = true")
    focused = page.find(".calls .row")
    page.run("document.querySelector('.calls .row').focus()")
    call(gateway, LOCAL)
    page.until(lambda: len(models(page)) == 3)
    assert page.run("return window.marked"), "it was not loaded again"
    assert page.driver.switch_to.active_element == focused, "the focus stays on its call"


def test_it_can_be_narrowed_and_a_call_opens_its_timeline(page: Page) -> None:
    page.click("#filter input")
    page.until(lambda: set(models(page)) == {"openai"})
    assert page.driver.current_url.endswith("/?calls=not-plain")
    page.click(".calls .row")
    page.until(lambda: page.texts(".lanes li"))
    first, *_, last = page.texts(".lanes li")
    assert "overloaded" in first
    assert "first token at" in last
    page.click(".calls .row")
    page.until(lambda: not page.texts(".lanes li"))
    assert page.run("return document.querySelector('#filter input').checked")


def test_without_a_script_links_and_the_form_do_the_same(page: Page) -> None:
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.open("/?agent=custom")
        assert set(models(page)) == {"custom"}
        assert page.find("#reload").is_displayed()
        page.click(".calls .row")
        page.until(lambda: page.texts(".lanes li"))
        page.click("#apply")
        page.until(lambda: page.driver.current_url.endswith("/?agent=custom"))
    finally:
        page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.skipif(not AXE.exists(), reason="needs `npm install` in tests/e2e/node")
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_it_is_accessible_and_fits(page: Page, width: int, scheme: str) -> None:
    page.emulate(width, scheme)
    page.open("/?calls=not-plain")
    page.click(".calls .row")
    page.until(lambda: page.texts(".lanes li"))
    page.run(AXE.read_text())
    found = page.driver.execute_async_script("axe.run().then(arguments[0])")
    assert [
        (each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]
    ] == []
    assert page.run("return document.documentElement.scrollWidth") <= width


def test_an_admin_key_opens_it_and_an_ordinary_one_does_not(gateway: Running, page: Page) -> None:
    """The last test: from here on a key is needed."""
    ordinary, admin = gateway.app.keys.add("ci"), gateway.app.keys.add("me", admin=True)
    page.until(lambda: page.texts("#key"))
    page.find("#key").send_keys(ordinary + "\n")
    page.until(lambda: "not an admin key" in "".join(page.texts("#message")))
    page.find("#key").send_keys(admin + "\n")
    page.until(lambda: page.texts("#agents"))
    assert page.run("return document.cookie") == ""
    assert admin not in page.driver.page_source + page.driver.current_url
    page.click("[name=sign_out]")
    page.until(lambda: page.texts("#key"))
