// What the documents of a task mean to a reader.

import { badge, duration, h, link, meter, now, time } from "./dom.js";
import { encodeQuery, quote } from "./filter.js";
import { get } from "./session.js";

export const open = new Set(["queued", "submitting", "uncertain", "running"]);

function deepText(value, depth = 0) {
  if (depth > 4 || !value || typeof value !== "object") return undefined;
  for (const key of ["prompt", "promptText", "text", "description", "lyric", "lyrics", "title", "query"]) {
    if (typeof value[key] === "string" && value[key].trim()) return value[key];
  }
  for (const inner of Object.values(value)) {
    const text = deepText(inner, depth + 1);
    if (text) return text;
  }
  return undefined;
}

/** What a task is about, in a line: its prompt, else its note, else its id. */
export function summary(task) {
  const text = deepText(task.request) ?? task.note ?? (task.request ? JSON.stringify(task.request) : undefined);
  if (text) return text.length > 300 ? `${text.slice(0, 300)}…` : text;
  return task.remote_id ? `tracked as ${task.remote_id}` : `task ${short(task.id)}`;
}

/** The part of an id that tells tasks of a day apart. */
export function short(id) {
  return id.slice(0, 18);
}

export function taskLink(task, ...children) {
  return link(`#/task/${task.id}`, children.length ? children : summary(task));
}

export function stateBadge(task) {
  return badge(task.state, null, task.partial ? `${task.state}, partly` : task.state);
}

/** How far a running task is: by what the provider reports, else by the time that tasks of its kind take. */
export function progress(task) {
  if (task.state !== "running") return null;
  if (task.progress !== null) return { share: task.progress / 100, text: `${Math.round(task.progress)} %`, reported: true };
  const began = Date.parse(task.submitted_at ?? task.created_at);
  if (!task.eta) return null;
  const end = Date.parse(task.eta.p50);
  const share = end > now() ? (now() - began) / (end - began) : 0.97;
  return { share: Math.min(0.97, share), text: `about ${Math.round(Math.min(0.97, share) * 100)} %`, reported: false };
}

export function progressBar(task) {
  const known = progress(task);
  if (!known) return h("div", { class: "meter unknown", role: "progressbar", "aria-label": "Running; nothing is known yet of how long" }, h("span", {}));
  return meter(known.share, `${known.text} done${known.reported ? "" : ", by the usual time"}`, known.reported ? "" : "estimated");
}

/** When the end of a running task is expected. */
export function eta(task) {
  if (task.slower_than_usual_since) return h("span", { class: "warn-text" }, "slower than 99 % of its kind");
  if (!task.eta) return h("span", { class: "dim" }, "no history yet");
  const late = Date.parse(task.eta.p50) < now();
  return h("span", { title: `Half of its kind end by ${task.eta.p50}, nine tenths by ${task.eta.p90}` },
    late ? ["by ", time(task.eta.p90)] : time(task.eta.p50));
}

/** How long a task took, or has been going on. */
export function took(task) {
  if (task.ended_at) return duration((Date.parse(task.ended_at) - Date.parse(task.submitted_at ?? task.created_at)) / 1000);
  return task.state === "running" ? eta(task) : task.not_before && Date.parse(task.not_before) > now() ? ["starts ", time(task.not_before)] : "–";
}

export function labels(task, filter) {
  return Object.entries(task.labels ?? {}).map(([name, value]) => {
    const text = `${name}=${value}`;
    return filter ? link(`#/tasks?q=${encodeQuery(`label:${quote(text)}`)}`, h("span", { class: "label" }, text)) : h("span", { class: "label" }, text);
  });
}

export function waiting(task) {
  return task.waiting_for?.message ?? null;
}

export async function listTasks(parameters, { limit = 50, cursor, include, signal } = {}) {
  const query = new URLSearchParams(parameters);
  query.set("limit", limit);
  if (cursor) query.set("cursor", cursor);
  if (include) query.set("include", include);
  return get(`/v1/tasks?${query}`, signal);
}

/** The path of an endpoint: the operation of `service/operation`, or what follows the colon of `provider:operation`. */
export function endpointPath(name) {
  const slash = name.indexOf("/");
  const at = slash >= 0 ? slash : name.indexOf(":") + 1;
  return `${encodeURIComponent(name.slice(0, at))}/${encodeURIComponent(name.slice(slash >= 0 ? at + 1 : at))}`;
}
