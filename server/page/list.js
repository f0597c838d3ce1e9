// The cards: which are shown, in which order, and what is painted when. Hundreds of bots may change several times
// a second, so changes are gathered: what is in view is painted ten times a second at most, the rest in turns.

import { Card } from "./card.js";
import { byId, setText } from "./dom.js";
import { t } from "./words.js";

const RESORT_MS = 2000;
const PAINT_MS = 100;
const UNSEEN_AT_ONCE = 20;
const RANK = { error: 0, in_position: 1, running: 2, market_closed: 3, stopped: 4 };
const FILTERS = {
  all: () => true,
  position: (bot) => Boolean(bot.positions?.length || bot.position),
  active: (bot) => bot.status === "running" || bot.status === "in_position" || bot.status === "market_closed",
  stopped: (bot) => bot.status === "stopped",
  error: (bot) => bot.status === "error" || Boolean(bot.last_error),
};

const byName = (one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }) || (one.bot_id < other.bot_id ? -1 : 1);
const down = (value) => (one, other) => value(other) - value(one) || byName(one, other);
const ORDERS = {
  attention: (one, other) => (RANK[one.status] ?? 0) - (RANK[other.status] ?? 0) || byName(one, other),
  name: byName,
  day: down((bot) => bot.daily_pnl),
  open: down((bot) => bot.open_pnl),
  trade: down((bot) => Date.parse(bot.last_trade_time) || 0),
};


/** Shows the bots of a follower. `context` is what the cards need; `onPainted()` comes after each painting. */
export class List {
  filter = "all";
  order = "attention";
  words = "";
  #cards = new Map();
  #dirty = new Set();
  #all = true;
  #planned = 0;
  #painted = 0;
  #unseen = new Set(); // changed, but out of view
  #sorted = 0;
  #resort = null;
  #list = byId("bots");
  #seen;

  constructor(follower, context, onPainted) {
    this.follower = follower;
    this.context = context;
    this.onPainted = onPainted;
    this.#seen = new IntersectionObserver((entries) => this.#look(entries), { rootMargin: "200px" });
  }

  /** These bots (null for all) have changed: paint them soon, all of them in the next frame. */
  changed(ids) {
    if (ids === null) this.#all = true;
    else for (const id of ids) this.#dirty.add(id);
    if (ids === null) this.#paintSoon(0);
    else if (!this.#planned) this.#paintSoon(Math.max(0, this.#painted + PAINT_MS - performance.now()));
  }

  /** A page that nobody sees has no frames, but must be right at once when it comes into view: so timers. */
  #paintSoon(wait) {
    clearTimeout(this.#planned);
    this.#planned = setTimeout(() => this.#paint(), wait);
  }

  /** The lines of the day may have gaps: ask for them anew. */
  reloadDays() {
    for (const [id, card] of this.#cards) {
      card.spark.forget();
      if (card.visible && this.follower.bots.has(id)) card.spark.load();
    }
  }

  /** Let what is in view grow older. */
  tick() {
    for (const card of this.#cards.values()) if (card.visible && !card.element.hidden) card.tick();
  }

  /** Say that a command of this bot is on its way (or no more). */
  setPending(botId, value) {
    const card = this.#cards.get(botId);
    if (card) card.pending = value;
  }

  focus(botId) {
    this.#cards.get(botId)?.focusCommand();
  }

  #paint() {
    const { bots } = this.follower;
    const now = performance.now();
    const ids = this.#all ? new Set([...this.#cards.keys(), ...bots.keys()]) : this.#dirty;
    let moved = this.#all;
    for (const id of ids) {
      const bot = bots.get(id);
      if (!bot) this.#remove(id);
      else moved = this.#show(id, bot) || moved;
    }
    this.#paintUnseen();
    this.#dirty = new Set();
    this.#all = false;
    this.#planned = 0;
    this.#painted = now;
    if (this.#unseen.size) this.#paintSoon(PAINT_MS);
    if (moved) this.#arrange();
    else if (this.order !== "name") this.#arrangeSoon();
    this.onPainted();
  }

  /** A few of those out of view; the oldest first, so that each has its turn. */
  #paintUnseen() {
    let left = UNSEEN_AT_ONCE;
    for (const id of this.#unseen) {
      if (left === 0) break;
      left -= 1;
      this.#unseen.delete(id);
      const card = this.#cards.get(id);
      if (card) card.show(card.bot);
    }
  }

  /** Show one bot; answers whether it must be put in its place at once. */
  #show(id, bot) {
    let card = this.#cards.get(id);
    const before = card?.bot;
    if (before === bot && !this.#all) return false;
    if (!card) {
      card = new Card(id, this.context);
      this.#cards.set(id, card);
      this.#seen.observe(card.element);
    }
    const turned = !before || before.status !== bot.status || before.name !== bot.name;
    if (this.#all || turned || card.visible) {
      this.#unseen.delete(id);
      card.show(bot);
    } else {
      card.take(bot);
      this.#unseen.add(id);
    }
    return turned;
  }

  #remove(id) {
    const card = this.#cards.get(id);
    if (!card) return;
    this.#seen.unobserve(card.element);
    card.element.remove();
    this.#cards.delete(id);
    this.#unseen.delete(id);
  }

  /** Figures change all the time; cards that follow them at once could not be hit with a finger. */
  #arrangeSoon() {
    if (this.#resort !== null) return;
    const wait = Math.max(0, this.#sorted + RESORT_MS - performance.now());
    this.#resort = setTimeout(() => {
      this.#resort = null;
      this.#arrange();
    }, wait);
  }

  #arrange() {
    const held = this.#list.contains(document.activeElement) || this.#list.matches(":active");
    if (held && this.#sorted && this.#list.childElementCount === this.#cards.size) {
      this.#filterOnly();
      this.#sorted = performance.now();
      this.#arrangeLater();
      return;
    }
    this.#sorted = performance.now();
    this.#filterOnly();
    const cards = [...this.#cards.values()].sort((one, other) => ORDERS[this.order](one.bot, other.bot));
    let place = this.#list.firstElementChild;
    for (const { element } of cards) {
      if (element === place) place = place.nextElementSibling;
      else this.#list.insertBefore(element, place);
    }
  }

  #arrangeLater() {
    this.#list.addEventListener("focusout", () => this.#arrangeSoon(), { once: true });
  }

  #filterOnly() {
    const words = fold(this.words);
    for (const { bot, element } of this.#cards.values()) {
      const hit = FILTERS[this.filter](bot) && (!words || fold(`${bot.name} ${bot.symbol} ${(bot.symbols ?? []).join(" ")}`).includes(words));
      if (element.hidden === hit) element.hidden = !hit;
    }
  }

  #look(entries) {
    for (const entry of entries) {
      const card = this.#cards.get(entry.target.dataset.bot);
      if (!card) continue;
      card.visible = entry.isIntersecting;
      if (!card.visible) continue;
      card.spark.load();
      this.#unseen.delete(card.bot.bot_id);
      card.show(card.bot);
    }
  }

  /** How many cards are shown, of how many. */
  counts() {
    let shown = 0;
    for (const { element } of this.#cards.values()) if (!element.hidden) shown += 1;
    return { shown, all: this.#cards.size };
  }
}

/** For comparing what was typed with a name: Turkish letters and their plain cousins are the same. */
function fold(text) {
  return text.toLocaleLowerCase("tr").normalize("NFD").replace(/\p{M}/gu, "").replaceAll("ı", "i").trim();
}

/** The totals of all bots per currency; simulated money is never added to real money. */
export function totals(bots) {
  const all = [...bots.values()];
  const real = all.filter((bot) => !bot.simulated);
  const counted = real.length ? real : all;
  const sums = new Map();
  let old = 0;
  let prices = 0;
  for (const bot of counted) {
    const sum = sums.get(bot.currency) ?? { day: 0, open: 0 };
    sum.day += bot.daily_pnl;
    sum.open += bot.open_pnl;
    sums.set(bot.currency, sum);
    if (!bot.position) continue;
    prices += 1;
    if (bot.price_freshness === "stale") old += 1;
  }
  return { sums, simulated: all.length > 0 && real.length === 0, old, prices };
}

/** Fill a row of tabs or a list of choices with words. */
export function label(elements, prefix) {
  for (const element of elements) setText(element, t(`${prefix}_${element.dataset.value ?? element.value}`));
}
