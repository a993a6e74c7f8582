"""The page in a real browser: it renders, refreshes itself, filters, opens a call, and signs in.

One browser for all tests. Skipped where there is no Chromium.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.observe.ledger import Ledger
from gateway.observe.ledger_glance import Asked, glance
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

    def texts(self, selector: str) -> list[str]:
        return [each.text for each in self.driver.find_elements("css selector", selector)]

    def until(self, is_so: Callable[[], Any]) -> Any:
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, WAIT_S, poll_frequency=0.05).until(lambda _: is_so())

    def requests(self) -> list[str]:
        """The addresses that the browser has asked since the last question."""
        messages = (json.loads(each["message"])["message"] for each in self.driver.get_log("performance"))
        sent = (each["params"] for each in messages if each["method"] == "Network.requestWillBeSent")
        return [each["request"]["url"] for each in sent]

    def emulate(self, width: int, scheme: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway with a ledger, a few calls, and one model that cools down."""
    folder = tmp_path_factory.mktemp("gateway")
    ledger = Ledger(folder / "ledger.db", 90)
    ledger.start()
    running = Running(folder, ledger=ledger)
    running.start(lambda lab: chains(lab, "dev>anthropic>openai"))
    running.lab.fault("anthropic", "overloaded")
    for agent in ("anthropic>openai", "custom", "anthropic>openai"):
        call(running, agent)
    yield running
    running.stop()


def call(running: Running, agent: str) -> None:
    """One call, which the ledger holds when this returns."""
    body: Any = [{"role": "user", "content": "Hi"}]
    running.sdk().chat.completions.create(model=agent, messages=body)
