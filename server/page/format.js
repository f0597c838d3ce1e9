// Numbers, money, percentages and ages as a trader writes them, in the page's language.

import { language, t } from "./words.js";

const MINUS = "\u2212";
const SPACE = "\u00a0";
const formats = new Map();

function formatter(decimals) {
  const key = `${language()}${decimals}`;
  let found = formats.get(key);
  if (!found) {
    found = new Intl.NumberFormat(language(), { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    formats.set(key, found);
  }
  return found;
}

function plain(size, decimals) {
  return formatter(decimals).format(size);
}

/** 1, 0 or -1 by the value as it is shown: what reads "0.00" goes nowhere. */
export function direction(value, decimals = 2) {
  if (!Number.isFinite(value) || Math.abs(value) < 0.5 * 10 ** -decimals) return 0;
  return value > 0 ? 1 : -1;
}

/** "1,234.50", with a true minus; with `sign` also a plus. */
export function number(value, decimals = 2, sign = false) {
  const way = direction(value, decimals);
  const lead = way < 0 ? MINUS : way > 0 && sign ? "+" : "";
  return lead + plain(Math.abs(value), decimals);
}

/** "+1,234.50 ₺": a change of money. */
export function money(value, currency) {
  return `${number(value, 2, true)}${SPACE}${currency ?? ""}`.trimEnd();
}

/** "+1.20%", in Turkish "+%1,20". */
export function percent(value) {
  const text = number(value, 2, true);
  if (language() !== "tr") return `${text}%`;
  const lead = text.startsWith("+") || text.startsWith(MINUS) ? text[0] : "";
  return `${lead}%${text.slice(lead.length)}`;
}

function priceDecimals(value, exchange) {
  const size = Math.abs(value);
  if (exchange === "CRYPTO") return size >= 100 ? 2 : size >= 1 ? 4 : size >= 0.01 ? 6 : 8;
  return exchange !== "BIST" && size > 0 && size < 1 ? 4 : 2;
}

/** "45.32 ₺", with the exchange's decimals. */
export function price(value, exchange, currency) {
  const text = number(value, priceDecimals(value, exchange));
  return currency ? `${text}${SPACE}${currency}` : text;
}

/** A number of shares without needless decimals. */
export function quantity(value) {
  const rounded = Math.round(value * 1e8) / 1e8;
  const decimals = Number.isInteger(rounded) ? 0 : Math.min(8, (String(rounded).split(".")[1] ?? "").length);
  return number(rounded, decimals);
}

/** "3 min ago"; `seconds` below 0 (a clock that is a little ahead) are now. */
export function age(seconds) {
  if (seconds < 2) return t("age_now");
  if (seconds < 60) return t("age_seconds", { n: Math.floor(seconds) });
  if (seconds < 3600) return t("age_minutes", { n: Math.floor(seconds / 60) });
  if (seconds < 86400) return t("age_hours", { n: Math.floor(seconds / 3600) });
  const days = Math.floor(seconds / 86400);
  return days === 1 ? t("age_day") : t("age_days", { n: days });
}

/** The clock time of a moment (milliseconds) on this device: "14:02:11". */
export function clock(milliseconds) {
  return new Date(milliseconds).toLocaleTimeString(language(), { hour12: false });
}

/** "2026-11-25T14:02:11.5+03:00" as written by the exchange's clock: "25.11.2026 14:02:11". */
export function exactTime(iso) {
  const found = /^(\d+)-(\d+)-(\d+)T([\d:]+)/.exec(iso ?? "");
  if (!found) return "";
  const [, year, month, day, time] = found;
  return language() === "tr" ? `${day}.${month}.${year} ${time}` : `${year}-${month}-${day} ${time}`;
}

/** The arrow beside a change. */
export function arrow(value) {
  return { 1: "↑", 0: "→", "-1": "↓" }[direction(value)];
}
