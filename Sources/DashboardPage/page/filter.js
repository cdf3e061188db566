// The language of filters, `state:failed endpoint:suno/audios label:project=x`: read, matched and suggested.

import { fill, h, now } from "./dom.js";
import { get } from "./session.js";

export const states = ["queued", "submitting", "uncertain", "running", "succeeded", "failed", "cancelled", "expired"];

/** Blanks as plus signs, and only what must be escaped, so that a person can read the address. */
export function encodeQuery(text) {
  return encodeURIComponent(text).replaceAll("%20", "+").replace(/%(3A|2F|2C|3D)/g, decodeURIComponent);
}

export function quote(text) {
  return /[\s"]/.test(text) ? `"${text.replaceAll('"', '\\"')}"` : text;
}

/** The words of a text; what stands in quotation marks is one. */
export function words(text) {
  return text.match(/[a-z_]*:?"(?:[^"\\]|\\.)*"|\S+/gi) ?? [];
}

export function unquote(word) {
  return word.startsWith('"') ? word.slice(1, -1).replaceAll('\\"', '"') : word;
}

const qualifiers = { state: states.join(", "), endpoint: "service/operation", label: "name=value", created: ">2026-11-01, <24h", retried: "yes or no", model: "as the request names it" };
export const taskNames = ["state", "endpoint", "label", "created", "retried"];

/** A filter as the parameters of the list of tasks; the models, which only the page can filter by; what is wrong with it. */
export function parseQuery(text, names = taskNames) {
  const parameters = new URLSearchParams();
  const wrong = [];
  const sets = { state: [], endpoint: [], model: [] };
  const known = names.map((name) => `${name}:`).join(", ");
  let id = null;
  for (const word of words(text)) {
    const [, name, quoted] = word.match(/^([a-z_]+):(.*)$/i) ?? [];
    const value = unquote(quoted ?? "");
    if (name && !names.includes(name)) {
      wrong.push(`There is no qualifier “${name}:”. Use ${known}.`);
    } else if (sets[name]) {
      for (const one of value.split(",").filter(Boolean)) {
        if (name === "state" && !states.includes(one)) wrong.push(`There is no state “${one}”.`);
        else sets[name].push(one);
      }
    } else if (name === "label") {
      if (value.indexOf("=") < 1) wrong.push(`Write a label as label:name=value, not “${word}”.`);
      else parameters.append("label", value.replace("=", ":"));
    } else if (name === "created") {
      const moment = parseMoment(value);
      if (!moment) wrong.push(`“${word}” is no time: created:>2026-11-01, created:<24h (within the last 24 hours).`);
      else parameters.set(moment.after ? "created_after" : "created_before", moment.at);
    } else if (name === "retried") {
      if (value === "yes" || value === "no") parameters.set("retried", value === "yes");
      else wrong.push("Write retried:yes or retried:no.");
    } else if (/^[0-9a-f][0-9a-f-]{3,35}$/i.test(word)) {
      id = word.toLowerCase();
    } else {
      wrong.push(`“${word}” is no id. Filter with ${known}.`);
    }
  }
  for (const name of ["state", "endpoint"]) if (sets[name].length) parameters.set(name, [...new Set(sets[name])].join(","));
  return { parameters, wrong, id, models: sets.model };
}

/** `>2026-11-01` and `2026-11-01` mean after that day's start, `<24h` within the last 24 hours, `>24h` longer ago. */
function parseMoment(value) {
  const [, sign, rest] = value.match(/^([<>]?)(.+)$/) ?? [];
  const span = rest?.match(/^(\d+)([smhdw])$/);
  if (span) {
    const size = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 }[span[2]];
    return { after: sign !== ">", at: new Date(now() - span[1] * size * 1000).toISOString() };
  }
  const at = Date.parse(/^\d{4}-\d\d-\d\d$/.test(rest) ? `${rest}T00:00:00` : rest);
  return Number.isNaN(at) ? null : { after: sign !== "<", at: new Date(at).toISOString() };
}

/** Whether a task that changed belongs into a list. */
export function matches(task, parameters) {
  const inside = (name, value) => !parameters.has(name) || parameters.get(name).split(",").includes(value);
  return inside("state", task.state) && inside("endpoint", task.endpoint) && !parameters.has("retried")
    && parameters.getAll("label").every((pair) => {
      const at = pair.indexOf(":");
      return task.labels?.[pair.slice(0, at)] === pair.slice(at + 1);
    })
    && (!parameters.has("created_after") || task.created_at >= parameters.get("created_after"))
    && (!parameters.has("created_before") || task.created_at < parameters.get("created_before"));
}

// --- What the page has seen, for suggestions ---------------------------------------------------------------------------

export const seen = { labels: new Map(), endpoints: new Set(), models: new Set() };

export function notice(tasks) {
  for (const task of tasks) {
    seen.endpoints.add(task.endpoint);
    const model = modelOf(task);
    if (model && seen.models.size < 200) seen.models.add(model);
    for (const [key, value] of Object.entries(task.labels ?? {})) {
      if (!seen.labels.has(key)) seen.labels.set(key, new Set());
      if (seen.labels.get(key).size < 100) seen.labels.get(key).add(value);
    }
  }
}

const asked = new Set();

/** Learns names of labels, or the values of one, from the daemon: the page has seen only some. */
async function learnLabels(word) {
  const [, name, value] = word.match(/^label:"?([^=]*)(=?)/) ?? [];
  const query = value ? `?name=${encodeURIComponent(name)}&limit=200` : "?limit=200";
  if (name === undefined || asked.has(query)) return false;
  asked.add(query);
  const { texts } = await get(`/v1/labels${query}`);
  for (const text of texts) {
    const key = value ? name : text;
    if (!seen.labels.has(key)) seen.labels.set(key, new Set());
    if (value) seen.labels.get(key).add(text);
  }
  return texts.length > 0;
}

export function modelOf({ request }) {
  const found = request?.model ?? request?.input?.model ?? request?.model_name;
  return typeof found === "string" ? found : null;
}

/** What fits the word at the cursor: `{text, note}`. */
function suggestions(word, names) {
  const colon = word.indexOf(":");
  if (colon < 0) return names.filter((name) => name.startsWith(word.toLowerCase())).map((name) => ({ text: `${name}:`, note: qualifiers[name] }));
  const name = word.slice(0, colon);
  const value = word.slice(colon + 1).replace(/^"/, "");
  const comma = name === "label" ? 0 : value.lastIndexOf(",") + 1;
  const [before, last] = [value.slice(0, comma), value.slice(comma)];
  const known = {
    state: () => states, endpoint: () => seen.endpoints, model: () => seen.models, created: () => ["<1h", "<24h", "<7d", ">7d"], retried: () => ["yes", "no"],
    label: () => value.includes("=") ? [...seen.labels].flatMap(([key, values]) => [...values].map((one) => `${key}=${one}`)) : [...seen.labels.keys()].map((key) => `${key}=`),
  }[name]?.() ?? [];
  return [...known].filter((one) => one.includes(last) && one !== last).map((one) => ({ text: `${name}:${before}${one.endsWith("=") ? one : quote(one)}` }));
}

let count = 0;

/** A text field that suggests what fits the word at the cursor, by keyboard and by pointer. `apply` gets the whole text. */
export function filterField({ label, value, placeholder, names, apply }) {
  const listID = `suggestions-${count += 1}`;
  const input = h("input", {
    type: "search", value, placeholder, autocomplete: "off", autocapitalize: "off", spellcheck: "false", enterkeyhint: "search",
    role: "combobox", "aria-label": label, "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": listID,
  });
  const list = h("ul", { id: listID, role: "listbox", "aria-label": "Suggestions", hidden: true });
  let shown = [];
  let chosen = -1;
  const close = () => {
    list.hidden = true;
    shown = [];
    chosen = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const word = () => {
    const before = input.value.slice(0, input.selectionStart ?? input.value.length);
    const start = before.search(/(?:[a-z_]*:?"[^"]*|\S*)$/i);
    return { start, text: before.slice(start) };
  };
  const take = (suggestion) => {
    const { start, text } = word();
    const rest = input.value.slice(start + text.length);
    const more = /[:=,]$/.test(suggestion.text);
    const put = suggestion.text + (more || rest.startsWith(" ") ? "" : " ");
    input.value = input.value.slice(0, start) + put + rest;
    input.setSelectionRange(start + put.length, start + put.length);
    input.focus();
    if (more) {
      show();
    } else {
      close();
      apply(input.value.trim());
    }
  };
  // The places go round, with the field itself as the one before the first.
  const step = (by) => ((chosen + 1 + by + shown.length + 1) % (shown.length + 1)) - 1;
  const choose = (place) => {
    chosen = place;
    [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === chosen)));
    if (chosen >= 0) {
      input.setAttribute("aria-activedescendant", list.children[chosen].id);
      list.children[chosen].scrollIntoView({ block: "nearest" });
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  };
  const show = () => {
    const { text } = word();
    learnLabels(text).then((more) => more && document.activeElement === input && show(), () => {});
    shown = suggestions(text, names).slice(0, 12);
    if (!shown.length) return close();
    fill(list, shown.map((suggestion, index) => h("li", {
      id: `${listID}-${index}`, role: "option", "aria-selected": "false",
      on: { mousedown: (event) => event.preventDefault(), click: () => take(suggestion) },
    }, h("code", {}, suggestion.text), suggestion.note && h("span", { class: "dim" }, suggestion.note))));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    return choose(-1);
  };
  input.addEventListener("input", show);
  input.addEventListener("focus", show);
  input.addEventListener("click", show);
  input.addEventListener("blur", close);
  input.addEventListener("search", () => input.value === "" && apply(""));
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!shown.length) show();
      else choose(step(event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      if (chosen >= 0) {
        event.preventDefault();
        take(shown[chosen]);
      } else {
        close();
        apply(input.value.trim());
      }
    } else if (event.key === "Tab" && chosen >= 0) {
      event.preventDefault();
      take(shown[chosen]);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  return { element: h("div", { class: "suggest" }, input, list), input };
}
