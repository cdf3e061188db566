// Builds elements. Text is set as text, never as markup, and an address must be one that can run nothing.

const svgSpace = "http://www.w3.org/2000/svg";
const safeAddress = /^(#|https?:\/\/|\/dashboard\/media\/|blob:)/;

/** An element with properties, then children: elements, texts, or lists of both. Empty children are left out. */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false || (name === "class" && !value)) continue;
    if (name === "on") for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (name === "css") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else if ((name === "href" || name === "src") && !safeAddress.test(value)) continue;
    else if (name === "value" || name === "checked" || name === "indeterminate") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  return add(element, children);
}

export function add(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== undefined && child !== null && child !== false && child !== "") element.append(child);
  }
  return element;
}

/** Replaces the children of an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  return add(element, children);
}

export function svg(tag, attributes, ...children) {
  const element = document.createElementNS(svgSpace, tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  return add(element, children);
}

const paths = {
  now: "M1.5 8.5h3l2-5 3 9 2-4h3",
  tasks: "M2 4h1M6 4h8M2 8h1M6 8h8M2 12h1M6 12h8",
  gallery: "M2 3h12v10H2zM2 11l4-4 3 3 2-2 3 3",
  endpoints: "M3 3h10v4H3zM3 9h10v4H3zM5.5 5h.01M5.5 11h.01",
  spend: "M3 13V8M8 13V3M13 13v-7",
  notifications: "M4 11V7a4 4 0 0 1 8 0v4l1 1.5H3zM7 14.5h2",
  doctor: "M8 2.5a5.5 5.5 0 1 0 .01 0zM8 5.5v5M5.5 8h5",
  queued: "M8 2.5a5.5 5.5 0 1 0 .01 0zM8 5v3.2l2 1.3",
  submitting: "M8 13V4M4.5 7.2 8 3.5l3.5 3.7",
  running: "M3 8a5 5 0 0 1 8.7-3.4M13 8a5 5 0 0 1-8.7 3.4M12 2v3H9M4 14v-3h3",
  uncertain: "M6 6.2a2 2 0 1 1 2.8 1.9c-.6.3-.8.7-.8 1.4M8 11.8v.01",
  succeeded: "M3.5 8.5 6.5 11.5 12.5 4.8",
  failed: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  cancelled: "M8 2.5a5.5 5.5 0 1 0 .01 0zM4.2 4.2l7.6 7.6",
  expired: "M4.5 2.5h7M4.5 13.5h7M5 2.5c0 3 6 8 6 11M11 2.5c0 3-6 8-6 11",
  warning: "M8 2.5 14 13H2zM8 6.5v3M8 11.3v.01",
  pause: "M5.5 4v8M10.5 4v8",
  play: "M5 3.5 12 8l-7 4.5z",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  download: "M8 2.5v7.5M4.8 7l3.2 3.2L11.2 7M3 13.5h10",
  plus: "M8 3v10M3 8h10",
  left: "M10 3.5 5.5 8l4.5 4.5",
  right: "M6 3.5 10.5 8 6 12.5",
  close: "M4 4l8 8M12 4l-8 8",
  file: "M4 2h5l3 3v9H4zM9 2v3h3",
  sound: "M3 6v4h2.5L9 13V3L5.5 6zM11.5 5.5a3.5 3.5 0 0 1 0 5",
  dot: "M8 7.5a.5.5 0 1 0 .01 0z",
};

export function icon(name) {
  return svg("svg", { viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" }, svg("path", { d: paths[name] ?? paths.dot }));
}

// --- Times -----------------------------------------------------------------------------------------------------------

let skew = 0;

/** The daemon's clock, as far as replies have shown how it differs from the browser's. */
export function now() {
  return Date.now() + skew;
}

/** Learns the clock of the daemon from the `Date` of a reply, which counts whole seconds. */
export function learnClock(date) {
  const difference = Date.parse(date) + 500 - Date.now();
  if (Number.isFinite(difference)) skew = Math.abs(difference) > 2000 ? difference : 0;
}

/** A duration in the two largest units. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const s = Math.abs(seconds);
  if (s < 0.0005) return "0 s";
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 9.95) return `${Number(s.toFixed(1))} s`;
  if (s < 99.5) return `${Math.round(s)} s`;
  if (s < 5970) return `${Math.floor(s / 60)} min${s < 600 && Math.floor(s % 60) ? ` ${Math.floor(s % 60)} s` : ""}`;
  if (s < 172800) return `${Math.floor(s / 3600)} h${s < 36000 && Math.floor((s % 3600) / 60) ? ` ${Math.floor((s % 3600) / 60)} min` : ""}`;
  return `${Math.floor(s / 86400)} d`;
}

export function relative(at) {
  const seconds = (Date.parse(at) - now()) / 1000;
  if (Math.abs(seconds) < 1.5) return "now";
  const text = duration(Math.abs(seconds) < 60 ? Math.round(seconds) : seconds);
  return seconds < 0 ? `${text} ago` : `in ${text}`;
}

const clockFormat = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const exactFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

export function exact(at) {
  return `${exactFormat.format(new Date(at))} · ${at}`;
}

const clocks = new Set();
setInterval(() => {
  if (!document.hidden) for (const clock of clocks) clock.refresh();
}, 1000);

/** A time relative to now, which stays right; hovering shows the exact one. `kind="left"` counts down to it. */
class RelativeTime extends HTMLElement {
  static observedAttributes = ["at"];
  connectedCallback() {
    clocks.add(this);
    this.refresh();
  }
  disconnectedCallback() {
    clocks.delete(this);
  }
  attributeChangedCallback() {
    this.refresh();
  }
  refresh() {
    const at = this.getAttribute("at");
    if (!at) return;
    const text = this.getAttribute("kind") === "since"
      ? duration(Math.max(0, Math.round((now() - Date.parse(at)) / 1000)))
      : relative(at);
    if (this.textContent !== text) this.textContent = text;
    const title = exact(at);
    if (this.title !== title) this.title = title;
  }
}
customElements.define("px-time", RelativeTime);

export function time(at, kind) {
  return at ? h("px-time", { at, kind }) : "–";
}

// --- Small parts -----------------------------------------------------------------------------------------------------

export function bytes(count) {
  if (count === null || count === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = count;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function number(value) {
  return value === null || value === undefined ? "–" : value.toLocaleString("en");
}

export function plural(count, word, words = `${word}s`) {
  return `${number(count)} ${count === 1 ? word : words}`;
}

const signs = { open: "succeeded", ok: "succeeded", closed: "failed", trouble: "failed", backing_off: "expired", paused: "pause", stopped: "pause", unchecked: "dot" };

/** A word for a state, with a sign, so that colour is never alone. */
export function badge(state, title, text = state.replace("_", " ")) {
  return h("span", { class: `badge ${state}`, title }, icon(signs[state] ?? state), text);
}

export function button(label, listener, { kind = "", sign, title, ...rest } = {}) {
  return h("button", { type: "button", class: `button ${kind}`, title, on: { click: listener }, ...rest }, sign && icon(sign), label);
}

/** A button that shows a sign only. */
export function signButton(sign, label, listener, rest = {}) {
  return h("button", { type: "button", class: "sign-button", "aria-label": label, title: label, on: { click: listener }, ...rest }, icon(sign));
}

export function dim(...children) {
  return h("span", { class: "dim" }, children);
}

/** Names with their values; those without a value are left out. */
export function facts(...rows) {
  return h("dl", { class: "facts" }, rows.filter(([, value]) => value !== null && value !== undefined && value !== false && value !== "")
    .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** A table in a box. Columns whose names begin with # hold figures; one without a name holds buttons. */
export function table(columns, rows, foot) {
  const cells = (tag, contents) => h("tr", {}, contents.map((content, place) => h(tag, { class: columns[place][0] === "#" && "figure" }, content)));
  return h("div", { class: "table-box" }, h("table", {},
    h("thead", {}, cells("th", columns.map((name) => name.replace("#", "") || h("span", { class: "off-screen" }, "Action")))),
    h("tbody", {}, rows.map((row) => cells("td", row))), foot && h("tfoot", {}, cells("td", foot))));
}

/** Draws an element again if what it shows has changed. The focus stays with the control of the same words. */
export function redraw(element, shown, children) {
  const text = JSON.stringify(shown);
  if (element.shown === text) return;
  element.shown = text;
  const focused = document.activeElement;
  const name = (one) => one.getAttribute("aria-label") ?? (one.id || one.textContent);
  const had = element.contains(focused) && name(focused);
  fill(element, children());
  if (had) [...element.querySelectorAll("a, button, input, summary")].find((one) => name(one) === had)?.focus();
}

/** Draws a list: entries that show the same as before stay as they are, and the focus stays with its entry. */
export function redrawList(parent, entries) {
  const before = [...parent.children];
  const known = new Map(before.map((child) => [child.key, child]));
  const focused = document.activeElement;
  const at = before.find((child) => child.contains(focused))?.key;
  const children = entries.map(({ key, shown, make }) => {
    const text = JSON.stringify(shown);
    const old = known.get(key);
    return old && old.shown === text ? old : Object.assign(make(), { key, shown: text });
  });
  if (children.length === before.length && children.every((child, place) => child === before[place])) return;
  parent.replaceChildren(...children);
  if (at) children.find(({ key }) => key === at)?.querySelector(focused.localName)?.focus();
}

export function link(href, ...children) {
  return h("a", { href }, children);
}

export function empty(title, ...children) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), children.map((child) => h("div", {}, child)));
}

/** A message of the daemon: what stands between backticks as code, times as those of this place. */
export function prose(message) {
  return (message ?? "").split(/(`[^`]+`|\b\d{4}-\d\d-\d\dT[\d:.]+Z)/).map((part, place) => {
    if (place % 2 === 0) return part;
    return part[0] === "`" ? h("code", {}, part.slice(1, -1)) : h("span", { title: exact(part) }, clockFormat.format(new Date(part)));
  });
}

/** A command to copy. */
export function command(text) {
  return h("span", { class: "command" }, h("code", {}, text), signButton("copy", `Copy: ${text}`, () => copy(text)));
}

export function meter(share, label, kind = "") {
  const percent = Math.max(0, Math.min(100, share * 100));
  return h("div", { class: `meter ${kind}`, role: "progressbar", "aria-label": label, "aria-valuenow": Math.round(percent), "aria-valuemin": 0, "aria-valuemax": 100 },
    h("span", { css: { width: `${percent}%` } }));
}

const region = () => document.getElementById("messages");

/** Says for some seconds what happened. */
export function say(text, kind = "") {
  const message = h("div", { class: `message ${kind}` }, icon(kind === "bad" ? "warning" : "succeeded"), h("span", {}, text));
  region().append(message);
  setTimeout(() => message.remove(), kind === "bad" ? 12000 : 5000);
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say("The browser does not allow copying. Select the text instead.", "bad");
  }
}

/** Opens a dialog and resolves with the value of the button that closed it; null after Escape. */
export function ask({ title, body = [], buttons, wide = false }) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    let answer = null;
    const dialog = h("dialog", { class: wide ? "wide" : "", "aria-labelledby": "dialog-title" },
      h("h2", { id: "dialog-title" }, title), h("div", { class: "dialog-body" }, body),
      buttons && h("div", { class: "dialog-buttons" }, buttons.map(({ label, value, kind, first }) =>
        h("button", { type: "button", class: `button ${kind ?? ""}`, autofocus: first, on: { click: () => close(value) } }, label))));
    const close = (value) => {
      answer = value;
      dialog.close();
    };
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(answer);
    });
    dialog.addEventListener("click", (event) => event.target === dialog && close(null));
    document.body.append(dialog);
    dialog.closeWith = close;
    dialog.showModal();
  });
}

export function confirm(title, body, label, kind = "danger") {
  return ask({ title, body: [body].flat().map((text) => typeof text === "string" ? h("p", {}, text) : text),
    buttons: [{ label: "Keep as it is", value: false, first: true }, { label, value: true, kind }] });
}

// --- Screens ---------------------------------------------------------------------------------------------------------

/** A screen: its work ends when it leaves the page, and rests while the page is hidden. */
export class Screen extends HTMLElement {
  connectedCallback() {
    this.ending = new AbortController();
    this.signal = this.ending.signal;
    this.build();
  }
  disconnectedCallback() {
    this.ending.abort();
  }
  listen(target, type, listener) {
    target.addEventListener(type, listener, { signal: this.signal });
  }
  /** Shows in the place of the screen's contents why they cannot be read. */
  async attempt(work) {
    try {
      this.querySelector(":scope > .problem")?.remove();
      return await work();
    } catch (error) {
      if (error.name === "AbortError" || this.signal.aborted || error.code === "session_ended") return undefined;
      this.querySelector(":scope > .problem")?.remove();
      const heading = this.querySelector(".screen-head");
      const note = h("div", { class: "problem", role: "alert" }, icon("warning"), h("span", {}, error.message));
      if (heading) heading.after(note);
      else this.prepend(note);
      return undefined;
    }
  }
  /** Does the work again and again, the next time a while after the last, never while the page is hidden. */
  async every(milliseconds, work) {
    while (!this.signal.aborted) {
      await pause(milliseconds, this.signal);
      if (!this.signal.aborted && !document.hidden) await this.attempt(work);
    }
  }
  /** Does the work shortly; what is wanted again until then costs nothing more. */
  later(milliseconds, work) {
    const key = work.toString();
    this.waiting ??= new Set();
    if (this.waiting.has(key)) return;
    this.waiting.add(key);
    setTimeout(() => {
      this.waiting.delete(key);
      if (!this.signal.aborted && !document.hidden) this.attempt(work);
    }, milliseconds);
  }
  head(title, ...rest) {
    document.title = `${title} · Pollux`;
    return h("div", { class: "screen-head" }, h("h1", { tabindex: -1 }, title), rest);
  }
}

export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
