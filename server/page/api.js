// The calls to the server other than the stream. The token is sent once, to log in, and kept nowhere: the
// session is an HttpOnly cookie that this code cannot read.

import { language } from "./words.js";

const TIMEOUT_MS = 8000;
let csrf = "";

/** What the server answered that was not a success; `status` is HTTP's, 0 if there was no answer. */
export class ApiError extends Error {
  constructor(status, code, reason) {
    super(reason);
    this.status = status;
    this.code = code;
  }
}

async function call(method, path, body) {
  const headers = { Accept: "application/json", "Accept-Language": language() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrf) headers["X-CSRF-Token"] = csrf;
  let answer;
  try {
    answer = await fetch(new URL(`api/v1/${path}`, document.baseURI), {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "same-origin",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new ApiError(0, "", "");
  }
  const text = await answer.text().catch(() => "");
  const data = parsed(text);
  if (!answer.ok) throw new ApiError(answer.status, data?.code ?? "", textOf(data?.detail) || String(answer.status));
  return data;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function textOf(value) {
  return typeof value === "string" ? value : "";
}

function entered(session) {
  csrf = session.csrf ?? "";
  return session;
}

/** Log in; the answer is {user, role}. Throws ApiError. */
export async function login(token) {
  return entered(await call("POST", "session", { token }));
}

/** End the session here and on the server. Throws ApiError. */
export async function logout() {
  await call("DELETE", "session");
  csrf = "";
}

/** {user, role} of the session, "ended" if there is none, "unreachable" if the server cannot say. */
export async function getSession() {
  try {
    return entered(await call("GET", "session"));
  } catch (error) {
    return error.status === 401 ? "ended" : "unreachable";
  }
}

/** Start or stop a bot; answers whether it is known to be done. Throws ApiError. */
export async function command(botId, what, body) {
  const answer = await call("POST", `bots/${encodeURIComponent(botId)}/${what}`, body);
  return answer?.state === "done";
}

/** The day's P&L so far: [[milliseconds, P&L], ...]. Throws ApiError. */
export async function getDay(botId) {
  const day = await call("GET", `bots/${encodeURIComponent(botId)}/day`);
  return day.points.map(([iso, pnl]) => [Date.parse(iso), pnl]);
}

/** The HTTP status with which the server meets a new stream; EventSource itself hides it. 0 for no answer. */
export async function probeStream(path) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
  try {
    const answer = await fetch(new URL(path, document.baseURI), { signal: abort.signal, cache: "no-store" });
    return answer.status;
  } catch {
    return 0;
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}
