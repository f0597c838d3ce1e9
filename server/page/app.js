// Puts the page together: who is logged in, the stream, the cards, the commands, the choices.

import { ApiError, command, getSession, login, logout } from "./api.js";
import { confirmCommand, dismiss } from "./dialogs.js";
import { byId, make, setAttribute, setText } from "./dom.js";
import { arrow, clock, direction, money } from "./format.js";
import { Follower } from "./follow.js";
import { label, List, totals } from "./list.js";
import { Stream } from "./stream.js";
import { language, recall, remember, setLanguage, t } from "./words.js";

const TICK_MS = 1000;
const NOTE_MS = 9000;
const SUM_MS = 500;
const LOGIN_PROBLEMS = { 0: "login_unreachable", 401: "login_wrong", 403: "login_wrong", 422: "login_wrong", 429: "login_slow" };
const COMMAND_PROBLEMS = { unknown_bot: "command_gone", only_looking: "command_forbidden", engine_silent: "command_engine", not_ready: "command_engine" };
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let session = null;
let status = { live: false, flows: false, ready: false, reason: "connecting", silent: [], since: null, retryIn: null };
let message = null;

const follower = new Follower();
const stream = new Stream({ onEvent, onStatus, onEnded: () => leave("session_ended") });
const list = new List(follower, {
  now: () => stream.now(),
  live: (bot) => stream.isLive(bot.engine),
  mayCommand: () => session !== null && session.role !== "viewer",
  onCommand: give,
  flash,
}, summarise);

// --- the session -----------------------------------------------------------------------------------------

async function begin() {
  relabel();
  const found = await getSession();
  if (found === "ended") show("login");
  else if (found === "unreachable") {
    // The page itself came, so the server was there a moment ago: the stream tells what is wrong.
    show("desk");
    stream.start();
  } else enter(found);
}

function enter(found) {
  session = found;
  message = null;
  show("desk");
  stream.start();
}

/** Back to the login with one sentence. Nothing of the account stays on the screen. */
function leave(reason) {
  stream.stop();
  dismiss();
  session = null;
  follower.forget();
  list.changed(null);
  message = [reason, {}];
  show("login");
}

function show(what) {
  byId("login").hidden = what !== "login";
  byId("desk").hidden = what !== "desk";
  byId("connection").hidden = what !== "desk";
  byId("logout").hidden = session === null;
  byId("menu").open = false;
  if (what === "login") {
    byId("trouble").hidden = true;
    byId("simulated").hidden = true;
    document.body.classList.remove("not-live");
    byId("token").focus();
  }
  relabel();
}

byId("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = byId("token");
  const token = field.value.trim();
  if (!token) return field.focus();
  setBusy(true);
  try {
    const found = await login(token);
    field.value = "";
    enter(found);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const key = LOGIN_PROBLEMS[error.status] ?? "login_failed";
    message = [key, { reason: error.message }];
    if (key === "login_wrong") field.select();
  } finally {
    setBusy(false);
    relabel();
  }
});

function setBusy(busy) {
  byId("login-button").disabled = busy;
  setText(byId("login-button"), t(busy ? "login_busy" : "login_button"));
}

byId("logout").addEventListener("click", async () => {
  try {
    await logout();
  } catch (error) {
    if (error.status !== 401) {
      byId("menu").open = false;
      return note(t("login_unreachable"), "bad");
    }
  }
  leave("logged_out");
});

// --- the stream ------------------------------------------------------------------------------------------

function onEvent(type, id, data) {
  const ids = follower.apply(type, id, data);
  list.changed(ids);
  if (ids === null && data.ready !== false) list.reloadDays();
  if (type === "snapshot" && session === null) getSession().then((found) => typeof found === "object" && adopt(found));
}

function adopt(found) {
  session = found;
  byId("logout").hidden = false;
  relabel();
  list.changed(null);
}

function onStatus(now) {
  const turned = now.flows !== status.flows || now.ready !== status.ready || now.silent.join() !== status.silent.join();
  status = now;
  tellConnection();
  if (turned) list.changed(null);
}

function tellConnection() {
  if (byId("desk").hidden) return;
  const { live, flows, reason, since, retryIn } = status;
  const waiting = !live && reason === "connecting";
  const partly = reason === "engines";
  setAttribute(byId("connection"), "data-live", live ? "yes" : waiting ? "soon" : "no");
  setText(byId("connection-word"), t(live ? "live" : waiting ? "connecting" : partly ? "partly_live" : "not_live"));
  const trouble = !live && !waiting;
  byId("trouble").hidden = !trouble;
  document.body.classList.toggle("not-live", trouble && !partly);
  if (!trouble) return;
  setText(byId("trouble-title"), partly ? t("partly_live") : since === null ? t("not_live") : t("not_live_since", { time: clock(since) }));
  const seconds = Math.ceil((retryIn ?? 0) / 1000);
  const key = reason === "retry" && seconds < 1 ? "trying" : reason;
  byId("retry").hidden = flows;
  byId("old-figures").hidden = partly;
  setText(byId("trouble-text"), t(`detail_${key}`, { n: seconds }));
}

byId("retry").addEventListener("click", () => stream.retryNow());

// --- the summary -----------------------------------------------------------------------------------------

let summed = 0;
let summing = 0;

/** The figures of all bots, twice a second at most. */
function summarise() {
  clearTimeout(summing);
  const wait = summed + SUM_MS - performance.now();
  if (wait <= 0) sumUp();
  else summing = setTimeout(sumUp, wait);
  const { shown, all } = list.counts();
  const count = all === 1 && shown === 1 ? t("bots_count_one") : t(shown === all ? "bots_count" : "bots_count_of", { n: shown, all });
  setText(byId("counts"), follower.known && all ? count : "");
  byId("tools").hidden = all < 2;
  byId("nothing").hidden = shown > 0;
  // Only a server that hears all engines can say that there is no bot.
  const known = follower.complete && (status.ready || !status.flows);
  const state = all > 0 ? "none" : known ? "empty" : follower.known ? "missing" : "loading";
  setText(byId("nothing-title"), { loading: "", missing: t("missing_title"), empty: t("empty_title"), none: t("none_found") }[state]);
  setText(byId("nothing-text"), { loading: t("empty_loading"), missing: t("missing_text"), empty: t("empty_text"), none: "" }[state]);
  byId("clear-filter").hidden = state !== "none";
}

function sumUp() {
  summed = performance.now();
  const { sums, simulated, old, prices } = totals(follower.bots);
  const box = byId("totals");
  const figures = [...sums].flatMap(([currency, sum]) => [["day_total", sum.day, currency], ["open_total", sum.open, currency]]);
  while (box.childElementCount > figures.length) box.lastElementChild.remove();
  while (box.childElementCount < figures.length) box.append(make("div", "total", "", [make("dt"), make("dd", "amount")]));
  figures.forEach(([key, value, currency], place) => {
    const [name, figure] = box.children[place].children;
    setText(name, t(key));
    setText(figure, `${arrow(value)} ${money(value, currency)}`);
    setAttribute(figure, "data-way", { 1: "up", 0: "flat", "-1": "down" }[direction(value)]);
  });
  setAttribute(box, "data-simulated", simulated ? "" : null);
  byId("simulated").hidden = !simulated || byId("desk").hidden;
  setText(byId("old-prices"), old ? t("totals_stale", { n: old, all: prices }) : "");
}

// --- commands --------------------------------------------------------------------------------------------

async function give(bot, what) {
  const body = await confirmCommand(bot, what, stream.isLive(bot.engine));
  list.focus(bot.bot_id);
  if (body === null || session === null) return;
  list.setPending(bot.bot_id, true);
  try {
    const done = await command(bot.bot_id, what, body);
    const key = !done ? "command_pending" : what === "start" ? "command_started" : "command_stopped";
    note(t(key, { name: bot.name }), "good");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) return leave("session_ended");
    const key = error.status === 0 ? "command_unreachable" : COMMAND_PROBLEMS[error.code] ?? "command_refused";
    note(t(key, { name: bot.name, reason: error.message }), "bad");
  } finally {
    list.setPending(bot.bot_id, false);
  }
}

/** A sentence at the bottom that goes away by itself (a bad one only when it is closed). */
function note(text, kind) {
  const button = make("button", "note-close", "×");
  button.type = "button";
  button.setAttribute("aria-label", t("close"));
  const box = make("div", "note-box", "", [make("span", "", text), button]);
  box.dataset.kind = kind;
  button.addEventListener("click", () => box.remove());
  byId("notes").append(box);
  while (byId("notes").childElementCount > 3) byId("notes").firstElementChild.remove();
  if (kind === "good") setTimeout(() => box.remove(), NOTE_MS);
}

/** A short, soft sign that a price has changed. */
function flash(element) {
  if (calm.matches || document.visibilityState !== "visible") return;
  element.animate([{ opacity: 0.45 }, { opacity: 1 }], { duration: 350, easing: "ease-out" });
}

// --- choices ---------------------------------------------------------------------------------------------

function relabel() {
  for (const element of document.querySelectorAll("[data-t]")) setText(element, t(element.dataset.t));
  label(byId("filters").children, "filter");
  label(byId("sort").options, "sort");
  setAttribute(byId("filters"), "aria-label", t("filter"));
  setAttribute(byId("menu-button"), "aria-label", t("menu"));
  setAttribute(byId("search"), "aria-label", t("search"));
  setAttribute(byId("search"), "placeholder", t("search"));
  setText(byId("login-button"), t("login_button"));
  byId("login-message").hidden = message === null;
  setText(byId("login-message"), message === null ? "" : t(...message));
  byId("who").hidden = session === null;
  if (session) setText(byId("who"), t(session.role === "viewer" ? "signed_in_viewer" : "signed_in", { user: session.user }));
  pressed("languages", language());
  pressed("themes", recall("theme", "system"));
  pressed("filters", list.filter);
  byId("sort").value = list.order;
  tellConnection();
}

function pressed(group, value) {
  for (const button of byId(group).children) setAttribute(button, "aria-pressed", String(button.dataset.value === value));
}

function onChoice(group, chosen) {
  byId(group).addEventListener("click", (event) => {
    const button = event.target.closest("button[data-value]");
    if (!button) return;
    chosen(button.dataset.value);
    relabel();
    list.changed(null);
  });
}

onChoice("languages", setLanguage);
onChoice("themes", (value) => {
  remember("theme", value);
  if (value === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = value;
});
onChoice("filters", (value) => {
  list.filter = value;
});
byId("sort").addEventListener("change", (event) => {
  list.order = event.target.value;
  remember("sort", list.order);
  list.changed(null);
});
byId("search").addEventListener("input", (event) => {
  list.words = event.target.value;
  list.changed(null);
});
byId("clear-filter").addEventListener("click", () => {
  list.filter = "all";
  list.words = byId("search").value = "";
  relabel();
  list.changed(null);
});
document.addEventListener("click", (event) => {
  if (!byId("menu").contains(event.target)) byId("menu").open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && byId("menu").open) {
    byId("menu").open = false;
    byId("menu-button").focus();
  } else if (event.key === "/" && !event.target.matches("input, select, textarea") && !byId("desk").hidden) {
    event.preventDefault();
    byId("search").focus();
  }
});

list.order = recall("sort", "attention");
if (![...byId("sort").options].some((option) => option.value === list.order)) list.order = "attention";
setInterval(() => {
  if (document.visibilityState === "visible") list.tick();
}, TICK_MS);
begin();
