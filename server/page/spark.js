// The day's P&L of one bot as a small line: fetched when the card comes into view, then drawn on by updates.

import { getDay } from "./api.js";
import { makeSvg, setAttribute } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 32;
const MARGIN = 2;
const MOST_POINTS = 400;
const SAME_POINT_MS = 5000;
const AT_ONCE = 2;

let running = 0;
const waiting = [];

/** Run `task` when fewer than two others run: 200 cards must not fill the browser's connections. */
function queued(task) {
  waiting.push(task);
  pump();
}

function pump() {
  while (running < AT_ONCE && waiting.length) {
    running += 1;
    waiting.shift()().finally(() => {
      running -= 1;
      pump();
    });
  }
}

/** One bot's line. `element` is the SVG. */
export class Spark {
  #points = [];
  #asked = false;
  #zero = makeSvg("line", { class: "spark-zero", x1: 0, x2: WIDTH });
  #line = makeSvg("polyline", { class: "spark-line", fill: "none" });

  constructor(botId) {
    this.botId = botId;
    this.element = makeSvg("svg", {
      class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", focusable: "false",
    });
    this.element.append(this.#zero, this.#line);
  }

  /** Ask the server for the day so far, once; again after `forget`. */
  load() {
    if (this.#asked) return;
    this.#asked = true;
    queued(async () => {
      try {
        const points = await getDay(this.botId);
        const newest = points.length ? points[points.length - 1][0] : 0;
        this.#points = [...points, ...this.#points.filter(([at]) => at > newest)];
        this.draw();
      } catch {
        this.#asked = false; // no connection: the next snapshot asks again
      }
    });
  }

  /** The next `load` asks again: something may have been missed. */
  forget() {
    this.#asked = false;
  }

  /** The P&L at a moment (milliseconds); a new day begins anew where the value says so. */
  add(at, value) {
    const points = this.#points;
    const last = points[points.length - 1];
    if (last && last[1] === value) return;
    const before = points[points.length - 2];
    if (last && before && at - before[0] < SAME_POINT_MS) points[points.length - 1] = [at, value];
    else points.push([at, value]);
    if (points.length > MOST_POINTS) this.#points = points.filter((_, index) => index % 2 === 0 || index > MOST_POINTS - 20);
  }

  draw() {
    const points = this.#points;
    setAttribute(this.element, "data-empty", points.length < 2 ? "" : null);
    if (points.length < 2) {
      setAttribute(this.#line, "points", "");
      return;
    }
    const values = points.map(([, value]) => value);
    const low = Math.min(0, ...values);
    const high = Math.max(0, ...values);
    const first = points[0][0];
    const span = points[points.length - 1][0] - first || 1;
    const x = (at) => ((at - first) / span) * WIDTH;
    const y = (value) => HEIGHT - MARGIN - ((value - low) / (high - low || 1)) * (HEIGHT - 2 * MARGIN);
    setAttribute(this.#line, "points", points.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" "));
    const zero = y(0).toFixed(1);
    setAttribute(this.#zero, "y1", zero);
    setAttribute(this.#zero, "y2", zero);
  }
}
