// The one connection to the server, and the truth about it.
//
// The socket may look open long after the other end has died, so what counts is the server's beat, which comes
// every two seconds: without one for SILENT_MS nothing is live. EventSource gives up for good on 401, 429 and
// 503, and a sleeping device wakes up with a dead socket, so each attempt is a new EventSource, with the last id.

import { getSession, probeStream } from "./api.js";
import { moment, since } from "./clock.js";
import { Gap } from "./follow.js";

const STREAM = "api/v1/bots/status-stream";
const SILENT_MS = 4000;
const OVERDUE_MS = 3000;
const GIVE_UP_MS = 8000;
const LATE_MS = 4000;
const ENGINE_MS = 4500;
const CHECK_MS = 500;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15000;
const EVENTS = ["snapshot", "update", "removed", "beat"];

/**
 * Keeps a stream open until `stop`. Calls `onEvent(type, id, data)` for each event (which may throw `Gap`),
 * `onStatus(status)` whenever the status may have changed, and `onEnded()` once when the server says that this
 * person's access is over.
 */
export class Stream {
  #handlers;
  #running = false;
  #source = null;
  #opened = moment();
  #lastId = "";
  #heard = null; // the last event of this connection
  #beat = null; // {at: moment, engines: {name: seconds of silence or null}, ready: whether the server hears all}
  #fresh = true; // no beat of this connection has told the server's time yet
  #offset = 0; // how far this device's clock is ahead of the server's, in ms
  #wasLive = null; // wall time up to which everything was heard of
  #reason = "connecting";
  #tries = 0;
  #retry = null;
  #retryAt = null;
  #check = null;

  constructor(handlers) {
    this.#handlers = handlers;
    const wake = () => this.#wake();
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && wake());
    document.addEventListener("resume", wake);
    window.addEventListener("pageshow", wake);
    window.addEventListener("online", () => this.retryNow());
    window.addEventListener("offline", () => this.#lose("offline"));
  }

  start() {
    this.stop();
    this.#running = true;
    this.#lastId = "";
    this.#wasLive = null;
    this.#reason = "connecting";
    this.#tries = 0;
    this.#check = setInterval(() => this.#judge(), CHECK_MS);
    this.#connect();
  }

  stop() {
    this.#running = false;
    clearInterval(this.#check);
    this.#close();
  }

  /** Try again at once, unless there is a working connection. */
  retryNow() {
    if (!this.#running || this.#flows()) return;
    this.#tries = 0;
    this.#connect();
  }

  /**
   * What to tell: `live` (the stream flows, the server hears everything and every engine behind it lives), `flows`
   * (the stream does), `ready` (the server hears everything), else `reason` (the end of a key "detail_..."), `since`
   * (ms, null if it never was live) and `retryIn` (ms or null).
   */
  status() {
    const flows = this.#flows();
    const silent = flows ? this.#silentEngines() : [];
    const ready = flows && this.#beat.ready;
    const live = ready && silent.length === 0;
    // A beat that is overdue says nothing against the engine.
    const blame = flows && since(this.#beat.at) < OVERDUE_MS;
    const reason = live ? "" : blame ? this.#engineReason(silent, ready) : this.#why();
    const retryIn = this.#retryAt === null ? null : Math.max(0, this.#retryAt - performance.now());
    return { live, flows, ready, reason, silent, since: live ? null : this.#wasLive, retryIn };
  }

  /** Whether what is shown of a bot on this engine is of this moment. */
  isLive(engine) {
    return this.#flows() && this.#beat.ready && !this.#isSilent(this.#beat.engines[engine]);
  }

  /** The server's time now, in milliseconds: ages do not depend on how this device's clock is set. */
  now() {
    return Date.now() - this.#offset;
  }

  // --- the connection ---

  #connect() {
    this.#close();
    const url = new URL(STREAM, document.baseURI);
    if (this.#lastId) url.searchParams.set("last_event_id", this.#lastId);
    const source = new EventSource(url);
    this.#source = source;
    this.#opened = moment();
    const only = (handle) => (event) => source === this.#source && handle(event);
    for (const type of EVENTS) source.addEventListener(type, only((event) => this.#take(type, event)));
    source.addEventListener("error", only(() => this.#failed()));
    this.#tell();
  }

  #close() {
    clearTimeout(this.#retry);
    this.#retry = this.#retryAt = null;
    this.#source?.close();
    this.#source = this.#heard = this.#beat = null;
    this.#fresh = true;
  }

  #take(type, event) {
    const data = JSON.parse(event.data);
    if (data.engines && !this.#takeBeat(data)) return;
    this.#heard = moment();
    if (type === "beat") {
      this.#tell();
      return;
    }
    try {
      this.#handlers.onEvent(type, event.lastEventId, data);
      this.#lastId = event.lastEventId;
    } catch (problem) {
      if (!(problem instanceof Gap)) throw problem;
      this.#lastId = "";
      this.#lose("retry");
      return;
    }
    this.#tell();
  }

  /** A beat, also that in a snapshot; answers false if it is an old one. */
  #takeBeat(data) {
    if (data.at !== undefined) {
      const ahead = Date.now() - data.at * 1000;
      // The first beat of a connection is as fresh as can be. One that comes late by that measure has waited in a
      // buffer, while this page or the network slept, and those behind it may be as old.
      if (!this.#fresh && ahead - this.#offset > LATE_MS) {
        this.#lose("asleep");
        return false;
      }
      if (this.#fresh || ahead < this.#offset) this.#offset = ahead;
      this.#fresh = false;
    }
    this.#beat = { at: moment(), engines: data.engines, ready: data.ready !== false };
    this.#tries = 0;
    return true;
  }

  async #failed() {
    this.#lose("retry");
    if (navigator.onLine === false) return;
    const session = await getSession();
    if (!this.#running) return;
    if (session === "ended") {
      this.stop();
      this.#handlers.onEnded();
    } else if (session !== "unreachable" && this.#tries > 1 && (await probeStream(STREAM)) === 429) {
      this.#reason = "crowded";
      this.#tell();
    }
  }

  /** There is no connection any more: say so, and plan the next attempt. */
  #lose(reason) {
    if (!this.#running) return;
    this.#noteLive();
    this.#close();
    this.#reason = reason;
    const longest = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#tries);
    const wait = reason === "asleep" ? 0 : longest * (0.5 + Math.random() / 2);
    this.#tries += 1;
    this.#retryAt = performance.now() + wait;
    this.#retry = setTimeout(() => this.#connect(), wait);
    this.#tell();
  }

  /** The page was hidden, frozen or in another page's shadow; timers may not have run. */
  #wake() {
    if (!this.#running) return;
    if (this.#heard !== null && since(this.#heard) > SILENT_MS) this.#lose("asleep");
    else if (this.#source === null) this.retryNow();
    else this.#tell();
  }

  // --- the truth about it ---

  #judge() {
    if (this.#source !== null && since(this.#heard ?? this.#opened) > GIVE_UP_MS) this.#lose("silent");
    else this.#tell();
  }

  #flows() {
    return this.#beat !== null && this.#heard !== null && since(this.#heard) <= SILENT_MS;
  }

  /** `age`: for how many seconds an engine had been silent at the last beat; null if it was never heard. */
  #isSilent(age) {
    return age === null || age === undefined || age * 1000 + since(this.#beat.at) > ENGINE_MS;
  }

  #silentEngines() {
    return Object.entries(this.#beat.engines).filter(([, age]) => this.#isSilent(age)).map(([name]) => name);
  }

  #engineReason(silent, ready) {
    if (!ready) return "not_ready";
    return silent.length < Object.keys(this.#beat.engines).length ? "engines" : "engine";
  }

  #why() {
    if (navigator.onLine === false) return "offline";
    if (this.#source === null) return this.#reason;
    if (this.#heard !== null && since(this.#heard) > OVERDUE_MS) return "silent";
    if (this.#beat !== null && since(this.#beat.at) > OVERDUE_MS) return "silent";
    return this.#reason === "connecting" ? "connecting" : this.#reason === "asleep" ? "asleep" : "trying";
  }

  #noteLive() {
    if (!this.#flows() || !this.#beat.ready || this.#silentEngines().length) return;
    const ages = Object.values(this.#beat.engines).map((age) => age * 1000 + since(this.#beat.at));
    this.#wasLive = Date.now() - Math.max(since(this.#heard), ...ages);
  }

  #tell() {
    this.#noteLive();
    this.#handlers.onStatus(this.status());
  }
}
