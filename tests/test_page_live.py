"""Whether the web page tells the truth about its connection: cuts, freezes, sleep, wrong clocks."""

# ruff: noqa: F811 - fixtures are parameters of the same name

from __future__ import annotations

import re
import time
from pathlib import Path

from tests.browser_helpers import Page, browser, holding, page  # noqa: F401 - fixtures
from tests.page_server import TOKEN, page_server
from tests.server_helpers import RunningServer, bot_state

GREY_MS = 5000
STREAM = Path(__file__).parent.parent / "server" / "page" / "stream.js"


def test_the_dot_turns_grey_within_five_seconds() -> None:
    limits = {name: int(ms) for name, ms in re.findall(r"^const (\w+_MS) = (\d+);", STREAM.read_text(), re.M)}
    assert limits["SILENT_MS"] + limits["CHECK_MS"] <= GREY_MS
    assert limits["ENGINE_MS"] + limits["CHECK_MS"] <= GREY_MS


def test_a_frozen_server_turns_the_dot_grey_in_time_and_a_killed_one_comes_back(page: Page) -> None:
    with page_server() as server:
        page.log_in(server.url, TOKEN)
        server.freeze()
        page.wait(page.is_grey, "still green")
        assert page.text("#connection-word") == "Not live"
        assert page.text("#trouble-title").startswith("Not live since ")
        assert "gone silent" in page.text("#trouble-text")
        page.wait(lambda: page.card("asels", "fresh") == "Last known", "the card looks live")
        server.thaw()
        page.wait(page.is_live, "not live again")
        page.wait(lambda: page.card("asels", "fresh") == "Live", "the card looks old")
        server.kill()
        page.wait(page.is_grey, "a dead server looks live")
        assert "connection is lost" in page.text("#trouble-text")
        with page_server(server.port) as second:
            second.change(last_price=47.11)
            page.wait(page.is_live, "not live after the restart")
            page.wait(lambda: page.card("asels", "price").startswith("47.11"), "an old price")


def test_a_dead_engine_turns_its_bots_grey_though_the_server_lives(page: Page) -> None:
    with RunningServer() as server:
        page.log_in(server.url, server.tokens["local"])
        server.engine.dead_since = time.monotonic()
        page.wait(page.is_grey, "still green")
        page.wait(lambda: "trading engine does not" in page.text("#trouble-text"), "the wrong reason")
        page.wait(lambda: page.card("asels", "fresh") == "Last known", "the card looks live")
        server.engine.dead_since = None
        page.wait(page.is_live, "not live again")


def test_one_dead_engine_of_two_turns_only_its_own_bots_grey(page: Page) -> None:
    with RunningServer() as server:
        server.in_loop(lambda: server.hub.on_state("second", bot_state("far")))
        server.in_loop(lambda: server.hub.on_alive("second"))
        page.log_in(server.url, server.tokens["local"])
        page.wait(lambda: page.text("#connection-word") == "Partly live", "no word about it")
        assert "Some of the trading engines" in page.text("#trouble-text")
        page.wait(lambda: page.card("far", "fresh") == "Last known", "a dead engine's bot looks live")
        assert page.card("asels", "fresh") == "Live"


def test_a_restarted_server_that_hears_nothing_yet_keeps_the_cards_and_is_not_live(page: Page) -> None:
    with RunningServer() as first:
        page.log_in(first.url, first.tokens["local"])
        page.wait(lambda: page.texts(".name") == ["ASELS", "THYAO"], "no cards")
    second = RunningServer([bot_state("asels", version=2, last_price=47.11)], port=first.port)
    second.let_in(first)
    second.engine.loading = True
    with second:
        page.wait(lambda: "hears nothing" in page.text("#trouble-text"), "no word about it")
        assert page.is_grey()
        assert page.texts(".name") == ["ASELS", "THYAO"]
        assert page.card("asels", "fresh") == "Last known"
        second.engine.loading = False
        second.engine.publish_all()
        page.wait(page.is_live, "not live again")
        page.wait(lambda: page.texts(".name") == ["ASELS"], "a bot that is gone is shown")
        assert page.card("asels", "price").startswith("47.11")


def test_a_page_without_bots_is_live_only_while_an_engine_says_so(page: Page) -> None:
    with RunningServer([], {"local": "trader"}) as server:
        page.log_in(server.url, server.tokens["local"])
        page.wait(lambda: page.text("#nothing-title") == "No bots yet", "no empty state")
        server.engine.dead_since = time.monotonic()
        page.wait(page.is_grey, "still green", 12)
        assert "hears nothing" in page.text("#trouble-text")
        page.wait(lambda: page.text("#nothing-title") == "No bots to show", "it claims that there are none")
        server.engine.dead_since = None
        page.wait(page.is_live, "not live again")


def test_without_a_network_it_is_not_live_and_afterwards_right_again(page: Page) -> None:
    with RunningServer() as server:
        page.log_in(server.url, server.tokens["local"])
        page.network(up=False)
        page.wait(page.is_grey, "live without a network")
        page.wait(lambda: page.text("#trouble-text") == "This device has no network.", "the wrong reason")
        server.engine.change("asels", last_price=48.25)
        page.network(up=True)
        page.wait(page.is_live, "not live again")
        page.wait(lambda: page.card("asels", "price").startswith("48.25"), "an old price")


def test_a_page_that_was_frozen_is_never_live_with_old_figures(page: Page) -> None:
    with RunningServer() as server, page.another_tab():
        page.log_in(server.url, server.tokens["local"])
        page.command("Page.setWebLifecycleState", state="frozen")
        for price in (48.5, 48.75, 49.0):
            server.engine.change("asels", last_price=price)
        page.command("Page.setWebLifecycleState", state="active")
        page.wait(lambda: page.is_live() and page.card("asels", "price").startswith("49.00"), "an old price")


HOURS = "const now = Date.now; window.shift = arguments[0]; Date.now = () => now() + window.shift * 3600e3;"


def test_after_hours_of_sleep_it_connects_anew_and_ages_stay_right(page: Page) -> None:
    """The wall clock has jumped when a computer wakes up; the monotonic one has stood still."""
    with RunningServer([holding()]) as server:
        page.log_in(server.url, server.tokens["local"])
        page.wait(lambda: page.card("asels", "updated"), "no card")
        page.run(
            "window.seen = []; const dot = document.getElementById('connection');"
            "new MutationObserver(() => seen.push(dot.dataset.live)).observe(dot, {attributes: true});"
        )
        page.run(HOURS, 8)
        page.wait(lambda: "no" in page.run("return seen") and page.is_live(), "it has not noticed")
        page.wait(lambda: page.card("asels", "details").endswith("3 min ago"), "the age is wrong")


def test_a_device_whose_clock_is_wrong_shows_right_ages(page: Page) -> None:
    with RunningServer([holding()]) as server:
        script = page.command(
            "Page.addScriptToEvaluateOnNewDocument", source=HOURS.replace("arguments[0]", "-3")
        )
        try:
            page.log_in(server.url, server.tokens["local"])
            page.wait(lambda: page.card("asels", "details").endswith("3 min ago"), "the age is wrong")
            assert page.is_live()
        finally:
            page.command("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])


def test_a_revoked_token_leads_back_to_the_login(page: Page) -> None:
    with RunningServer() as server:
        page.log_in(server.url, server.tokens["local"])
        server.revoke("local")
        page.wait(lambda: page.shown("#login"), "still in")
        assert page.text("#login-message") == "Your access was ended. Log in with a valid token to go on."
        assert not page.run("return document.querySelectorAll('.card').length")


def test_too_many_pages_of_one_user_are_told(page: Page) -> None:
    with RunningServer(max_streams=1) as server:
        page.log_in(server.url, server.tokens["local"])
        with page.another_tab():
            page.driver.get(server.url)
            page.wait(lambda: "Too many open pages" in page.text("#trouble-text"), "no word about it")
            assert not page.is_live()


GAPS = """
const { Follower, Gap } = await import('./follow.js');
const bot = { bot_id: 'a', version: 1, status: 'running', daily_pnl: 0 };
const told = [];
const f = new Follower();
const apply = (type, id, data) => {
  try { const ids = f.apply(type, id, data); told.push(ids === null ? 'all' : [...ids].join()); }
  catch (e) { told.push(e instanceof Gap ? 'gap' : String(e)); }
};
apply('update', 'aa-1', { bot_id: 'a', version: 2 });
apply('snapshot', 'aa-5', { bots: [bot] });
apply('update', 'aa-6', { bot_id: 'a', version: 4, daily_pnl: 7 });
apply('update', 'aa-6', { bot_id: 'a', version: 4, daily_pnl: 8 });
apply('update', 'aa-8', { bot_id: 'a', version: 5, daily_pnl: 9 });
apply('update', 'bb-7', { bot_id: 'a', version: 5, daily_pnl: 9 });
apply('update', 'aa-7', { bot_id: 'b', version: 5 });
apply('removed', 'aa-8', { bot_id: 'a' });
return [told, f.bots.size];
"""


def test_what_was_missed_is_noticed(page: Page) -> None:
    with RunningServer() as server:
        page.open(server.url)
        told, left = page.run_async(GAPS)
    assert told == ["gap", "all", "a", "", "gap", "gap", "gap", "a"]
    assert left == 0
