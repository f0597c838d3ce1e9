"""A real Chromium for the web page's tests: one per module, driven by Debian's own chromedriver."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.bots.model import BotPosition, BotState, BotStatus
from tests.patience import PATIENCE
from tests.server_helpers import bot_state

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--disable-extensions", "--force-color-profile=srgb", "--lang=en",
)  # fmt: skip
PHONE = (390, 844)
DESKTOP = (1366, 768)
_POLL = 0.05
_NETWORK = (
    "CONNECTION_REFUSED", "CONNECTION_RESET", "EMPTY_RESPONSE", "INCOMPLETE_CHUNKED_ENCODING", "ABORTED",
    "INTERNET_DISCONNECTED", "NETWORK_CHANGED",
)  # fmt: skip
EXPECTED = re.compile(rf"status of (401|403|409|429|503)|ERR_({'|'.join(_NETWORK)})")
"""What the browser itself writes about calls that failed."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One Chromium for all tests of a module."""
    with chromium(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    """The browser as new, on a phone; the test fails if the page broke a rule or threw an error."""
    browser.size(*PHONE, phone=True)
    browser.prefer("dark")
    browser.complaints()
    yield browser
    complaints = [line for line in browser.complaints() if not EXPECTED.search(line)]
    browser.command("Emulation.setUserAgentOverride", userAgent="", acceptLanguage="en")
    browser.forget()
    assert not complaints


def holding(bot_id: str = "asels", **fields: Any) -> BotState:
    """A bot that holds 100 shares, with a trailing stop."""
    position = BotPosition(
        key="BIST:ASELS", quantity=Decimal(100), entry_price=Decimal("44.10"), opened_at=time.time() - 900,
        stop=Decimal("43"), trailing_stop=Decimal("44.10"),
    )  # fmt: skip
    values: dict[str, Any] = {
        "name": "Trend BIST", "status": BotStatus.IN_POSITION, "position": position, "positions": (position,),
        "open_pnl": 122.0, "open_pnl_pct": 2.77, "daily_pnl": 1401.1, "daily_trades": 3,
        "trailing_stop_price": 44.10, "last_trade_time": time.time() - 200,
    }  # fmt: skip
    return bot_state(bot_id, **(values | fields))


@contextmanager
def chromium(directory: Path) -> Iterator[Page]:
    """A browser with a profile of its own in `directory`; skips the test where there is none."""
    binary = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    driver_path = shutil.which("chromedriver")
    if binary is None or driver_path is None:
        pytest.skip("needs Chromium and its driver (Debian: packages chromium and chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={directory / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # A home of its own; a driver that is named is never looked for on the network.
    environment = {**os.environ, "HOME": str(directory), "XDG_CONFIG_HOME": str(directory / "config")}
    driver = webdriver.Chrome(options=options, service=Service(driver_path, env=environment))
    try:
        yield Page(driver)
    finally:
        driver.quit()


class Page:
    """The page in the browser, as a person sees it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    # --- going there ---

    def open(self, url: str) -> None:
        """Open the page and wait until it shows something."""
        self.driver.get(url)
        self.wait(lambda: self.shown("#login") or self.shown("#desk"), "the page shows nothing")

    def log_in(self, url: str, token: str) -> None:
        """Open the page, log in and wait for the bots."""
        self.open(url)
        self.wait(lambda: self.shown("#login"), "no login")
        self.type("#token", token)
        self.click("#login-button")
        self.wait(self.is_live, "it does not become live")

    def forget(self) -> None:
        """Be a browser that was never here."""
        self.driver.get("about:blank")
        self.command("Network.clearBrowserCookies")
        self.command("Storage.clearDataForOrigin", origin="*", storageTypes="local_storage")

    # --- looking ---

    def text(self, selector: str) -> str:
        """The text of the first element that matches, "" if there is none."""
        found = self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)
        return str(found).strip()

    def texts(self, selector: str) -> list[str]:
        """The texts of all shown elements that match."""
        script = (
            "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility())"
            ".map(e => e.textContent)"
        )
        return [str(text) for text in self.run(script, selector)]

    def attribute(self, selector: str, name: str) -> str | None:
        """An attribute of the first element that matches."""
        found = self.run(
            "return document.querySelector(arguments[0])?.getAttribute(arguments[1])", selector, name
        )
        return None if found is None else str(found)

    def shown(self, selector: str) -> bool:
        """Whether an element that matches is there to be seen."""
        return bool(
            self.run("return document.querySelector(arguments[0])?.checkVisibility() ?? false", selector)
        )

    def is_live(self) -> bool:
        """Whether the dot is green."""
        return self.attribute("#connection", "data-live") == "yes"

    def is_grey(self) -> bool:
        """Whether the dot is grey and words say why."""
        return self.attribute("#connection", "data-live") == "no" and self.shown("#trouble")

    def card(self, bot_id: str, part: str) -> str:
        """The text of a part of a bot's card, in view or not."""
        selector = f'[data-bot="{bot_id}"] .{part}'
        return str(self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    # --- doing ---

    @contextmanager
    def another_tab(self) -> Iterator[None]:
        """Within the block a new tab is the page; it is closed afterwards."""
        first = self.driver.current_window_handle
        self.driver.switch_to.new_window("tab")
        try:
            yield
        finally:
            self.driver.close()
            self.driver.switch_to.window(first)

    def click(self, selector: str) -> None:
        """Click as a person does: what is covered or disabled cannot be."""
        from selenium.webdriver.common.by import By

        element = self.driver.find_element(By.CSS_SELECTOR, selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def type(self, selector: str, text: str) -> None:
        """Type into a field."""
        from selenium.webdriver.common.by import By

        self.driver.find_element(By.CSS_SELECTOR, selector).send_keys(text)

    def press(self, *keys: str) -> None:
        """Press keys wherever the focus is."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def run(self, script: str, *arguments: Any) -> Any:
        """The result of a script in the page."""
        return self.driver.execute_script(script, *arguments)

    def run_async(self, body: str, *arguments: Any) -> Any:
        """The result of an asynchronous script; `body` may await, and returns its result."""
        script = (
            "const done = arguments[arguments.length - 1], given = [...arguments].slice(0, -1);"
            f"(async (...given) => {{{body}}})(...given).then(done, (e) => done('failed: ' + e));"
        )
        return self.driver.execute_async_script(script, *arguments)

    def command(self, name: str, /, **parameters: Any) -> Any:
        """A command of the browser's own protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def network(self, *, up: bool) -> None:
        """Unplug the browser's network, or plug it in again."""
        self.command("Network.enable")
        limits = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.command("Network.emulateNetworkConditions", offline=not up, **limits)

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """Be a screen of this size, in pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self.command("Emulation.setDeviceMetricsOverride", **metrics)

    def prefer(self, scheme: str) -> None:
        """The system's choice: "dark" or "light"."""
        self.command(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    def wait(self, condition: Callable[[], object], otherwise: str, seconds: float = PATIENCE) -> None:
        """Wait until `condition` holds; fails the test with `otherwise` if it does not."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds, _POLL).until(lambda _driver: condition(), otherwise)

    def complaints(self) -> list[str]:
        """What the browser has written to its console since the last call: errors and broken rules."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
        ]
