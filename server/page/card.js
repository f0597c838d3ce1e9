// One bot's card: built once, then only what differs is touched.

import { make, setAttribute, setText } from "./dom.js";
import { age, arrow, direction, exactTime, money, percent, price, quantity } from "./format.js";
import { Spark } from "./spark.js";
import { t } from "./words.js";

const STATUSES = new Set(["stopped", "running", "in_position", "market_closed", "error"]);
const FRESHNESS = new Set(["live", "delayed", "stale", "closed", "simulated"]);
const ACTIVE = new Set(["running", "in_position", "market_closed"]);
const FLASH_PAUSE_MS = 1500;
const WAYS = { 1: "up", 0: "flat", "-1": "down" };

/** Whether a bot at work would be stopped rather than started. */
export function isActive(bot) {
  return ACTIVE.has(bot.status);
}

/** The card of one bot; `element` is its list item. `onCommand(bot, "start" | "stop")` is called on a press. */
export class Card {
  bot = null;
  visible = false;
  #context;
  #parts = {};
  #pending = false;
  #flashed = 0;

  constructor(botId, context) {
    this.#context = context;
    this.spark = new Spark(botId);
    this.element = make("li", "card");
    this.element.dataset.bot = botId;
    this.#build();
  }

  /** Know of `bot` without showing it yet. */
  take(bot) {
    this.bot = bot;
    this.spark.add(Date.parse(bot.updated_at), bot.daily_pnl);
  }

  /** Show `bot` (or the same one again, when the words or the connection have changed). */
  show(bot) {
    this.take(bot);
    this.#head(bot);
    this.#money(bot);
    this.#details(bot);
    this.#error(bot);
    this.#command(bot);
    this.tick();
  }

  /** Grow older: everything that depends on the time. */
  tick() {
    const { bot } = this;
    const { now } = this.#context;
    const parts = this.#parts;
    const when = Date.parse(bot.last_trade_time);
    setText(parts.trade, Number.isNaN(when) ? t("last_trade_none") : age((now() - when) / 1000));
    setText(parts.updated, t("updated", { age: age((now() - Date.parse(bot.updated_at)) / 1000) }));
  }

  set pending(value) {
    this.#pending = value;
    this.#command(this.bot);
  }

  focusCommand() {
    this.#parts.button.focus();
  }

  #build() {
    const parts = this.#parts;
    const part = (name, tag, className, text) => (parts[name] = make(tag, className, text));
    const pair = (label, value) => make("div", "pair", "", [part(label, "dt"), value]);
    const figure = (label, value, note) => make("div", "figure", "", [part(label, "dt"), make("dd", "", "", [value, note])]);

    part("name", "h3", "name");
    part("status", "span", "status");
    part("symbol", "span", "symbol");
    part("strategy", "span", "strategy");
    part("price", "span", "price");
    part("fresh", "span", "fresh");
    part("open", "span", "amount");
    part("openPct", "span", "note");
    part("day", "span", "amount");
    part("trades", "span", "note");
    part("holding", "dd");
    part("stop", "span", "whole");
    part("distance", "span", "whole");
    part("trade", "dd");
    part("updated", "span", "updated");
    part("version", "span", "version");
    part("error", "button", "error");
    parts.error.type = "button";
    parts.error.addEventListener("click", () => this.#unfold());
    part("button", "button", "command");
    parts.button.type = "button";
    parts.button.addEventListener("click", () => this.#context.onCommand(this.bot, isActive(this.bot) ? "stop" : "start"));

    const instrument = make("div", "instrument", "", [parts.symbol, parts.strategy]);
    const quote = make("div", "quote", "", [parts.price, parts.fresh]);
    const figures = make("dl", "figures", "", [
      figure("openLabel", parts.open, parts.openPct),
      figure("dayLabel", parts.day, parts.trades),
      make("div", "spark-box", "", [this.spark.element]),
    ]);
    const details = make("dl", "details", "", [
      pair("holdingLabel", parts.holding),
      pair("stopLabel", make("dd", "", "", [parts.stop, " ", parts.distance])),
      pair("tradeLabel", parts.trade),
    ]);
    this.element.append(
      make("div", "card-head", "", [parts.name, parts.status]),
      make("div", "card-market", "", [instrument, quote]),
      figures,
      details,
      parts.error,
      make("div", "card-foot", "", [make("div", "stamp", "", [parts.updated, parts.version]), parts.button]),
    );
  }

  #head(bot) {
    const parts = this.#parts;
    const status = STATUSES.has(bot.status) ? bot.status : "unknown";
    setText(parts.name, bot.name);
    setText(parts.status, t(`status_${status}`));
    setAttribute(this.element, "data-status", status);
    setAttribute(this.element, "data-simulated", bot.simulated ? "" : null);
    setText(parts.symbol, bot.symbol);
    const others = (bot.symbols?.length ?? 1) - 1;
    setText(parts.strategy, [bot.exchange, others > 0 ? `+${others}` : "", bot.strategy].filter(Boolean).join(" · "));
    this.#quote(bot);
  }

  #quote(bot) {
    const parts = this.#parts;
    const has = bot.last_price !== null && bot.last_price !== undefined;
    const shown = has ? price(bot.last_price, bot.exchange, bot.currency) : "";
    const before = parts.price.textContent;
    if (setText(parts.price, shown) && before && shown && this.visible) this.#flash(parts.price);
    let fresh = FRESHNESS.has(bot.price_freshness) ? bot.price_freshness : has ? "unknown" : "none";
    // Nothing is live on a page that is not; what was simulated stays so.
    const live = this.#context.live(bot);
    setAttribute(this.element, "data-old", live ? null : "");
    if (!live && fresh !== "simulated" && fresh !== "none") fresh = "unknown";
    setText(parts.fresh, t(`price_${fresh}`));
    setAttribute(parts.fresh, "data-fresh", fresh);
    setAttribute(parts.price, "data-fresh", fresh);
  }

  /** A price that changes all the time does not blink all the time. */
  #flash(element) {
    const now = performance.now();
    if (now - this.#flashed < FLASH_PAUSE_MS) return;
    this.#flashed = now;
    this.#context.flash(element);
  }

  #money(bot) {
    const parts = this.#parts;
    const holds = Boolean(bot.positions?.length || bot.position);
    const show = (element, value, text) => {
      setText(element, text);
      setAttribute(element, "data-way", WAYS[direction(value)]);
    };
    setText(parts.openLabel, t("open_pnl"));
    setText(parts.dayLabel, t("day_pnl"));
    show(parts.open, holds ? bot.open_pnl : 0, holds ? `${arrow(bot.open_pnl)} ${money(bot.open_pnl, bot.currency)}` : "–");
    setText(parts.openPct, holds ? percent(bot.open_pnl_pct) : "");
    show(parts.day, bot.daily_pnl, `${arrow(bot.daily_pnl)} ${money(bot.daily_pnl, bot.currency)}`);
    const count = bot.daily_trades;
    setText(parts.trades, count === 0 ? t("trades_none") : count === 1 ? t("trades_one") : t("trades_many", { n: count }));
    if (this.visible) this.spark.draw();
    setAttribute(this.spark.element, "data-way", WAYS[direction(bot.daily_pnl)]);
    setAttribute(this.spark.element, "aria-label", t("sparkline", { value: money(bot.daily_pnl, bot.currency) }));
  }

  #details(bot) {
    const parts = this.#parts;
    setText(parts.holdingLabel, t("position"));
    setText(parts.stopLabel, t(isTrailing(bot) ? "stop" : "stop_fixed"));
    setText(parts.tradeLabel, t("last_trade"));
    setText(parts.holding, holding(bot));
    setText(parts.stop, hasStop(bot) ? price(bot.trailing_stop_price, bot.exchange, bot.currency) : t("stop_none"));
    setText(parts.distance, distance(bot));
    setAttribute(parts.trade, "title", exactTime(bot.last_trade_time) || null);
    setAttribute(parts.updated, "title", exactTime(bot.updated_at) || null);
    setText(parts.version, t("version", { n: bot.version }));
  }

  #error(bot) {
    const { error } = this.#parts;
    error.hidden = !bot.last_error;
    setText(error, bot.last_error ?? "");
    setAttribute(error, "title", bot.last_error ? t("error_more") : null);
    if (!error.hasAttribute("aria-expanded")) error.setAttribute("aria-expanded", "false");
  }

  #unfold() {
    const { error } = this.#parts;
    setAttribute(error, "aria-expanded", error.getAttribute("aria-expanded") === "true" ? "false" : "true");
  }

  #command(bot) {
    const { button } = this.#parts;
    button.hidden = !this.#context.mayCommand();
    const stops = isActive(bot);
    setText(button, this.#pending ? t("sending") : t(stops ? "stop_button" : "start"));
    setAttribute(button, "aria-label", t(stops ? "stop_of" : "start_of", { name: bot.name }));
    setAttribute(button, "data-what", stops ? "stop" : "start");
    button.disabled = this.#pending;
  }
}

function holding(bot) {
  const { position } = bot;
  if (!position) return t("no_position");
  const key = position.quantity < 0 ? "position_short" : "position_long";
  const text = t(key, { quantity: quantity(Math.abs(position.quantity)), price: price(position.entry_price, bot.exchange) });
  const more = (bot.positions?.length ?? 1) - 1;
  return more > 0 ? t("position_more", { text, n: more }) : text;
}

function hasStop(bot) {
  return bot.trailing_stop_price !== null && bot.trailing_stop_price !== undefined;
}

/** Whether the stop that is shown is one that follows the price (also where there is none to show). */
function isTrailing(bot) {
  return !hasStop(bot) || !bot.position?.stop || bot.position.trailing_stop === bot.trailing_stop_price;
}

/** How far the stop is from the price: "(−2.69%)". */
function distance(bot) {
  return hasStop(bot) && bot.last_price ? `(${percent((bot.trailing_stop_price / bot.last_price - 1) * 100)})` : "";
}
