// The session, the requests that carry its token, and the stream of events that all tabs share.

import { learnClock, pause } from "./dom.js";

const channel = new BroadcastChannel("pollux");

/** `started`, `ended`: the session of this tab. */
export const sessionEvents = new EventTarget();
export let session = stored();

function stored() {
  try {
    return JSON.parse(sessionStorage.getItem("pollux-session"));
  } catch {
    return null;
  }
}

function start(value) {
  session = value;
  sessionStorage.setItem("pollux-session", JSON.stringify(value));
  sessionEvents.dispatchEvent(new Event("started"));
}

function forget() {
  if (!session) return;
  session = null;
  sessionStorage.removeItem("pollux-session");
  sessionEvents.dispatchEvent(new Event("ended"));
}

channel.addEventListener("message", ({ data }) => {
  if (data.kind === "wanted" && session) channel.postMessage({ kind: "here", session });
  if (data.kind === "ended" && session?.token === data.token) forget();
});

/** Asks the other tabs for their session. */
export function askOtherTabs(milliseconds = 400) {
  return new Promise((resolve) => {
    const listener = ({ data }) => {
      if (data.kind !== "here") return;
      finish();
      start(data.session);
      resolve(true);
    };
    const timer = setTimeout(() => {
      finish();
      resolve(false);
    }, milliseconds);
    const finish = () => {
      clearTimeout(timer);
      channel.removeEventListener("message", listener);
    };
    channel.addEventListener("message", listener);
    channel.postMessage({ kind: "wanted" });
  });
}

/** What a request was refused with: an RFC 9457 document, or no reply at all. */
export class Problem extends Error {
  constructor(document) {
    super(document.detail ?? document.title ?? "The daemon gave an answer that this page does not understand.");
    this.name = "Problem";
    this.document = document;
    this.code = document.code;
    this.status = document.status;
  }
}

async function send(path, { method = "GET", body, headers = {}, signal, token } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method, signal, cache: "no-store",
      headers: {
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers,
      },
      body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ code: "unreachable", status: 0, detail: "The daemon does not answer. The page tries again; “pollux status” says whether it runs." });
  }
  learnClock(response.headers.get("Date"));
  if (response.ok) return response;
  const text = await response.text();
  let document;
  try {
    document = JSON.parse(text);
  } catch {
    document = { code: "unknown_reply", detail: `The daemon answered ${response.status} without an explanation.` };
  }
  throw new Problem({ status: response.status, ...document });
}

/** Trades a one-time code for a session. */
export async function logIn(code) {
  const response = await send("/dashboard/session", { method: "POST", body: { code } });
  start(await response.json());
}

export async function logOut() {
  const token = session?.token;
  forget();
  channel.postMessage({ kind: "ended", token });
  await send("/dashboard/session", { method: "DELETE", token }).catch(() => {});
}

/** A request of the session. Without a session, or when it has ended, the page shows how to open another. */
export async function request(path, options = {}) {
  const token = session?.token;
  if (!token) throw new Problem({ code: "session_ended", status: 401, detail: "This session has ended; run “pollux open” again." });
  try {
    return await send(path, { ...options, token });
  } catch (error) {
    if (error.status === 401) {
      if (session?.token === token) {
        forget();
        channel.postMessage({ kind: "ended", token });
      }
      error.code = "session_ended";
    }
    throw error;
  }
}

export async function get(path, signal) {
  return (await request(path, { signal })).json();
}

/** The text of a document, whose digits would not survive being read as numbers. */
export async function getText(path, signal) {
  return (await request(path, { signal })).text();
}

export async function post(path, body, signal) {
  return (await request(path, { method: "POST", body, signal })).json();
}

export function canAct() {
  return Boolean(session) && !session.read_only;
}

// --- The stream ------------------------------------------------------------------------------------------------------------
// One stream of events for all tabs of the browser: HTTP/1.1 gives an origin six connections, and the stream of a seventh tab would
// take the last. The tab that holds the lock reads it and passes everything on. A hidden tab neither reads nor listens.

/** `changes` (detail: the latest event of each task), `fresh` (read everything again) and `state`. */
export const live = new EventTarget();
live.state = "connecting";
let last = null;
let reading = null;

function announce(state) {
  live.state = state;
  live.dispatchEvent(new Event("state"));
}

function tell(events) {
  live.dispatchEvent(new CustomEvent("changes", { detail: events }));
}

function fresh() {
  live.dispatchEvent(new Event("fresh"));
}

channel.addEventListener("message", ({ data }) => {
  if (document.hidden || data.token !== session?.token) return;
  if (data.kind === "events") {
    last = data.last;
    tell(data.events);
  } else if (data.kind === "fresh") {
    fresh();
  } else if (data.kind === "state") {
    announce(data.state);
  } else if (data.kind === "state?" && reading?.leads) {
    share({ kind: "state", state: live.state });
  }
});

function share(message) {
  channel.postMessage({ ...message, token: session?.token });
}

/** Events that arrive within a moment go to the screens together: of each task the latest, and all its kinds. */
class Batch {
  constructor(milliseconds = 80) {
    this.milliseconds = milliseconds;
    this.byTask = new Map();
    this.count = 0;
  }
  take(event) {
    this.count += 1;
    const before = this.byTask.get(event.task_id);
    this.byTask.set(event.task_id, { ...event, kinds: [...(before?.kinds ?? []), event.kind].slice(-20) });
    this.timer ??= setTimeout(() => this.flush(), this.milliseconds);
  }
  flush() {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.count) return;
    const events = [...this.byTask.values()];
    // More than a screen can show: the screens read their lists again instead.
    const flood = events.length > 500;
    share(flood ? { kind: "fresh" } : { kind: "events", events, last });
    if (flood) fresh();
    else tell(events);
    this.byTask.clear();
    this.count = 0;
  }
}

async function readStream(signal) {
  const headers = { Accept: "application/x-ndjson", ...(last ? { "Last-Event-ID": last } : {}) };
  const response = await request("/v1/events", { headers, signal });
  announce("live");
  share({ kind: "state", state: "live" });
  fresh();
  share({ kind: "fresh" });
  const batch = new Batch();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line) continue;
        const event = JSON.parse(line);
        if (event.id) last = event.id;
        if (event.control === "reset") {
          last = event.newest;
          fresh();
          share({ kind: "fresh" });
        } else if (event.task) {
          batch.take(event);
        }
      }
    }
  } finally {
    batch.flush();
  }
}

async function lead(signal) {
  let wait = 500;
  while (!signal.aborted && session) {
    const began = Date.now();
    try {
      await readStream(signal);
    } catch (error) {
      if (signal.aborted || error.code === "session_ended") return;
      if (error.code === "invalid_parameter") last = null;
    }
    if (signal.aborted) return;
    announce("lost");
    share({ kind: "state", state: "lost" });
    wait = Date.now() - began > 10000 ? 500 : Math.min(wait * 2, 10000);
    await pause(wait * (0.75 + Math.random() / 2), signal);
  }
}

export async function follow() {
  if (reading || document.hidden || !session) return;
  const ending = new AbortController();
  const mine = { ending, leads: false };
  reading = mine;
  share({ kind: "state?" });
  const work = async () => {
    mine.leads = true;
    await lead(ending.signal);
  };
  try {
    // Without secure context there are no locks; then each tab reads for itself.
    if (navigator.locks) await navigator.locks.request("pollux-stream", { signal: ending.signal }, work);
    else await work();
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  } finally {
    if (reading === mine) reading = null;
  }
}

function end() {
  reading?.ending.abort();
  reading = null;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    end();
  } else {
    // What happened meanwhile is read with the lists, not event by event.
    last = null;
    fresh();
    follow();
  }
});
sessionEvents.addEventListener("started", follow);
sessionEvents.addEventListener("ended", () => {
  end();
  last = null;
});
addEventListener("pagehide", end);
addEventListener("pageshow", (event) => event.persisted && follow());

