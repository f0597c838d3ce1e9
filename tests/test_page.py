"""The status server's web page in a real Chromium, against a real server."""

# ruff: noqa: F811 - fixtures are parameters of the same name

from __future__ import annotations

import re

import pytest

from core.bots.model import BotStatus
from core.commands import StartBot, StopBot
from core.model import Freshness
from tests.browser_helpers import DESKTOP, Page, browser, holding, page  # noqa: F401 - fixtures
from tests.server_helpers import RunningServer, bot_state

EVIL = "<img src=x onerror=\"document.title='broken into'\">"


def test_a_wrong_token_is_told_in_one_sentence_and_the_right_one_shows_the_bots(page: Page) -> None:
    with RunningServer() as server:
        page.open(server.url)
        page.type("#token", "swing_wrong")
        page.click("#login-button")
        page.wait(lambda: page.shown("#login-message"), "no sentence")
        assert page.text("#login-message") == "This token is not valid. Check that it was copied whole."
        page.log_in(server.url, server.tokens["local"])
        page.wait(lambda: page.texts(".name") == ["ASELS", "THYAO"], "not the user's own bots")
        assert page.text("#connection-word") == "Live"
        kept = page.run(
            "return JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, location.href])"
        )
        assert server.tokens["local"] not in kept
        page.driver.refresh()
        page.wait(page.is_live, "the session is not kept")
        page.click("#menu-button")
        page.click("#logout")
        page.wait(lambda: page.shown("#login"), "not logged out")
        assert not page.texts(".name")
        page.driver.refresh()
        page.wait(lambda: page.shown("#login"), "still logged in")


def test_a_card_shows_everything_and_follows_every_change(page: Page) -> None:
    with RunningServer([holding()]) as server:
        page.log_in(server.url, server.tokens["local"])
        page.wait(lambda: page.card("asels", "name") == "Trend BIST", "no card")
        card = page.text('[data-bot="asels"]').replace("\u00a0", " ")
        for words in (
            "In position", "ASELS", "45.32 ₺", "Live", "↑ +122.00 ₺", "+2.77%", "↑ +1,401.10 ₺", "3 trades",
            "100 at 44.10", "Trailing stop", "44.10 ₺ (−2.69%)", "3 min ago", "v1", "Stop",
        ):  # fmt: skip
            assert words in card
        server.engine.change(
            "asels", status=BotStatus.ERROR, position=None, positions=(), daily_pnl=-20.0, last_price=43.5,
            trailing_stop_price=None, price_freshness=Freshness.STALE, last_error="It failed: " + "so " * 40,
        )  # fmt: skip
        page.wait(lambda: page.card("asels", "status") == "Error", "no change")
        assert page.card("asels", "fresh") == "Stale"
        assert "↓ −20.00" in page.card("asels", "figures")
        page.click('[data-bot="asels"] .error')
        assert page.attribute('[data-bot="asels"] .error', "aria-expanded") == "true"
        server.engine.add(bot_state("thyao"))
        page.wait(lambda: len(page.texts(".name")) == 2, "the new bot does not appear")
        server.engine.remove("asels")
        page.wait(lambda: page.texts(".name") == ["THYAO"], "the bot does not go")
        server.engine.remove("thyao")
        page.wait(lambda: page.text("#nothing-title") == "No bots yet", "no empty state")


def test_two_hundred_bots_are_shown_and_only_changed_cards_are_touched(page: Page) -> None:
    states = [bot_state(f"bot-{i}", name=f"Bot {i}", daily_pnl=float(i)) for i in range(200)]
    with RunningServer(states) as server:
        page.size(*DESKTOP)
        page.log_in(server.url, server.tokens["local"])
        page.wait(lambda: len(page.texts(".card")) == 200, "not all bots")
        page.wait(lambda: page.text("#counts") == "200 bots", "not counted")  # twice a second
        page.run(
            "window.touched = new Set(); new MutationObserver((all) => { for (const one of all) {"
            "  const card = (one.target.closest ? one.target : one.target.parentElement).closest('.card');"
            "  const old = card?.querySelector('.updated');"
            "  if (card && !old.contains(one.target)) touched.add(card.dataset.bot); } })"
            ".observe(document.getElementById('bots'), {subtree: true, childList: true, characterData: true,"
            "  attributes: true});"
        )
        for round_ in range(20):
            for i in range(0, 200, 20):
                server.engine.change(f"bot-{i}", last_price=50.0 + round_, daily_pnl=-float(round_))
        page.wait(lambda: page.card("bot-180", "price").startswith("69.00"), "an old price")
        page.wait(lambda: page.card("bot-0", "price").startswith("69.00"), "an old price")
        assert len(page.run("return [...touched]")) == 10
        page.type("#search", "bot 19")
        page.wait(lambda: len(page.texts(".card")) == 11, "not filtered")
        page.wait(lambda: page.text("#counts") == "11 of 200 bots", "not counted anew")


def test_sorting_and_filters_choose_what_is_shown(page: Page) -> None:
    states = [
        bot_state("b", name="Beta", status=BotStatus.STOPPED, daily_pnl=5.0),
        bot_state("a", name="Çınar", status=BotStatus.RUNNING, daily_pnl=-5.0),
        bot_state("c", name="Delta", status=BotStatus.ERROR, last_error="x", daily_pnl=9.0),
    ]
    with RunningServer(states) as server:
        page.log_in(server.url, server.tokens["local"])
        page.wait(
            lambda: page.texts(".name") == ["Delta", "Çınar", "Beta"], "what needs attention is not first"
        )
        page.run(
            "const s = document.getElementById('sort'); s.value = 'day'; s.dispatchEvent(new Event('change'))"
        )
        page.wait(lambda: page.texts(".name") == ["Delta", "Beta", "Çınar"], "not sorted by the day's P&L")
        server.engine.change("a", daily_pnl=50.0)
        page.wait(lambda: page.texts(".name")[0] == "Çınar", "not sorted anew")
        page.click('#filters [data-value="stopped"]')
        page.wait(lambda: page.texts(".name") == ["Beta"], "not filtered")
        page.type("#search", "cinar")
        page.wait(lambda: page.text("#nothing-title") == "No bot matches.", "no word about it")
        page.click("#clear-filter")
        page.wait(lambda: len(page.texts(".name")) == 3, "not all again")


def test_a_bots_name_and_error_are_text_whatever_they_hold(page: Page) -> None:
    with RunningServer([holding(name=EVIL, last_error=EVIL)]) as server:
        page.log_in(server.url, server.tokens["local"])
        page.wait(lambda: page.card("asels", "name") == EVIL, "no name")
        assert page.card("asels", "error") == EVIL
        page.click('[data-bot="asels"] .command')
        assert page.text("#confirm-title") == f"Stop {EVIL}?"
        page.click("#confirm-yes")
        page.wait(lambda: EVIL in page.text("#notes"), "no answer")
        assert page.run("return document.images.length") == 0
        assert page.driver.title == "Swing Hunter"


def test_a_viewer_sees_no_buttons_and_may_not_command(page: Page) -> None:
    with RunningServer([holding("asels", owner="viewer")], {"viewer": "viewer"}) as server:
        page.log_in(server.url, server.tokens["viewer"])
        page.wait(lambda: page.card("asels", "name") == "Trend BIST", "no card")
        assert not page.shown(".command")
        page.click("#menu-button")
        page.wait(lambda: page.text("#who") == "viewer (may only look)", "not said")
        answer = page.run_async(
            "const api = await import('./api.js'); await api.getSession();"
            "try { await api.command('asels', 'stop', {}); return 'done'; }"
            "catch (e) { return [e.status, e.code]; }"
        )
        assert answer == [403, "only_looking"]
        assert server.engine.commands == []


def test_start_and_stop_ask_first_and_reach_the_engine(page: Page) -> None:
    with RunningServer([holding()]) as server:
        page.log_in(server.url, server.tokens["local"])
        page.wait(lambda: page.card("asels", "command") == "Stop", "no button")
        page.click('[data-bot="asels"] .command')
        assert page.text("#confirm-title") == "Stop Trend BIST?"
        page.click("#confirm-no")
        page.wait(lambda: not page.shown("#confirm"), "still asking")
        assert server.engine.commands == []
        page.click('[data-bot="asels"] .command')
        page.click("#confirm-sell")
        page.click("#confirm-yes")
        page.wait(lambda: page.card("asels", "status") == "Stopped", "not stopped")
        page.wait(lambda: page.card("asels", "command") == "Start", "the button still says stop")
        page.wait(lambda: "Trend BIST: stop was carried out." in page.text("#notes"), "no answer")
        page.click('[data-bot="asels"] .command')
        assert not page.shown("#confirm-holding")
        page.click("#confirm-yes")
        page.wait(lambda: page.card("asels", "status") == "Running", "not started")
        stop, start = server.engine.commands
        assert isinstance(stop, StopBot) and stop.flatten and stop.bot_id == "asels"
        assert isinstance(start, StartBot)
        server.engine.refuse = "The database is full."
        page.click('[data-bot="asels"] .command')
        page.click("#confirm-yes")
        page.wait(lambda: "Trend BIST: not done. The database is full." in page.text("#notes"), "no reason")


def test_everything_can_be_done_with_the_keyboard(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    with RunningServer([holding(), bot_state("thyao")]) as server:
        page.open(server.url)
        page.wait(lambda: page.run("return document.activeElement.id") == "token", "the field has no focus")
        page.press(server.tokens["local"], Keys.ENTER)
        page.wait(page.is_live, "not logged in")
        page.press("/", "thy")
        page.wait(lambda: page.texts(".name") == ["THYAO"], "not filtered")
        page.run("document.querySelector('[data-bot=\"thyao\"] .command').focus()")
        page.press(Keys.ENTER)
        page.wait(lambda: page.shown("#confirm"), "it does not ask")
        page.press(Keys.ESCAPE)
        page.wait(lambda: not page.shown("#confirm"), "Escape does not close it")
        page.wait(lambda: page.attribute(":focus", "aria-label") == "Stop THYAO", "the focus is lost")
        assert server.engine.commands == []


def test_it_speaks_turkish_by_the_browser_and_by_choice(page: Page) -> None:
    agent = page.run("return navigator.userAgent")
    page.command("Emulation.setUserAgentOverride", userAgent=agent, acceptLanguage="tr-TR,tr")
    with RunningServer([holding()]) as server:
        page.log_in(server.url, server.tokens["local"])
        page.wait(lambda: page.card("asels", "status") == "Pozisyonda", "not Turkish")
        card = page.text('[data-bot="asels"]').replace("\u00a0", " ")
        for words in (
            "↑ +1.401,10 ₺",
            "+%2,77",
            "İzleyen stop",
            "Günlük K/Z",
            "3 dk önce",
            "Durdur",
            "Canlı",
        ):
            assert words in card
        page.click("#menu-button")
        page.click('#languages [data-value="en"]')
        page.wait(lambda: page.card("asels", "status") == "In position", "not English")
        page.driver.refresh()
        page.wait(lambda: page.card("asels", "status") == "In position", "the choice is forgotten")
        words = page.run_async("return (await import('./words.js')).WORDS")
    fields = {
        key: {name: sorted(re.findall(r"{\w+}", text)) for name, text in both.items()}
        for key, both in words.items()
    }
    wrong = [key for key, both in fields.items() if set(both) != {"en", "tr"} or both["en"] != both["tr"]]
    assert not wrong


CONTRAST = """
const channel = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
const light = ([r, g, b]) =>
  0.2126 * channel(r / 255) + 0.7152 * channel(g / 255) + 0.0722 * channel(b / 255);
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = parse(getComputedStyle(at).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
const bad = [];
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !element.checkVisibility({ opacityProperty: true }) || element.matches(':disabled')) continue;
  const a = light(parse(getComputedStyle(element).color)), b = light(ground(element));
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) bad.push([element.className || element.id, element.textContent.slice(0, 20), ratio]);
}
return bad;
"""


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_every_text_can_be_read_and_nothing_is_wider_than_the_screen(page: Page, scheme: str) -> None:
    states = [
        holding(),
        holding("wide", name="W" * 80, open_pnl=-1_234_567.0, daily_pnl=-9_999_999.0),
        holding("late", price_freshness=Freshness.DELAYED),
        bot_state("error", status=BotStatus.ERROR, last_error="It broke. " * 30),
        bot_state("old", price_freshness=Freshness.STALE),
        bot_state("closed", status=BotStatus.MARKET_CLOSED, price_freshness=Freshness.CLOSED),
        holding("demo", simulated=True, price_freshness=Freshness.SIMULATED),
        bot_state("new", status=BotStatus.STOPPED, last_price=None, price_freshness=None),
    ]  # fmt: skip
    page.prefer(scheme)
    with RunningServer(states) as server:
        page.open(server.url)
        assert page.run(CONTRAST) == []
        page.log_in(server.url, server.tokens["local"])
        page.wait(lambda: len(page.texts(".card")) == 8, "not all bots")
        assert page.run(CONTRAST) == []
        page.size(320, 640, phone=True)
        assert page.run("return document.documentElement.scrollWidth") <= 320
        page.click("#menu-button")
        assert page.run(CONTRAST) == []
        page.press("\ue00c")
        page.click('[data-bot="asels"] .command')
        assert page.run(CONTRAST) == []
        page.click("#confirm-no")
    page.wait(page.is_grey, "live without a server")
    assert page.run(CONTRAST) == []


def test_it_can_be_installed_as_an_app(page: Page) -> None:
    with RunningServer() as server:
        page.open(server.url)
        manifest = page.command("Page.getAppManifest")
        assert manifest["errors"] == []
        assert '"name": "Swing Hunter"' in manifest["data"]
        found = page.command("Page.getInstallabilityErrors")["installabilityErrors"]
        assert [error["errorId"] for error in found] in ([], ["in-incognito"])
