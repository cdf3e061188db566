// What a person can do to tasks, to one or to many, always after a question that says what it means.

import { ask, button, confirm, h, number, plural, say } from "./dom.js";
import { listTasks } from "./model.js";
import { canAct, post } from "./session.js";

const ended = new Set(["succeeded", "failed", "cancelled", "expired"]);

/** `fits`: whether it applies to a task. `means`: what the question says. `paid`: costs money. */
export const actions = {
  cancel: {
    label: "Cancel", verb: "Cancel", fits: (task) => task.state === "queued" || task.state === "running",
    means: "Pollux stops tracking. What is queued is not sent. What the provider already has may still be finished and billed.", kind: "danger",
  },
  retry: {
    label: "Retry", verb: "Retry", fits: (task) => ended.has(task.state) && task.request && !task.removed?.request, paid: true,
    means: "The same request is submitted again as a new task, and is paid for again. The old record stays.", kind: "primary",
  },
  approve: {
    label: "Approve", verb: "Approve", fits: (task) => task.state === "queued" && task.waiting_for?.code === "budget", paid: true,
    means: "It may exceed its budgets, once. What it costs counts.", kind: "primary",
  },
  resubmit: {
    label: "Send again", verb: "Send again", path: "resolve", body: { as: "resubmit" }, fits: (task) => task.state === "uncertain", paid: true,
    means: "If the provider did accept the first request, both are paid. Its list is read once more first: if that shows the request, the task goes on as found.", kind: "danger",
  },
  give_up: {
    label: "Give up", verb: "Give up", path: "resolve", body: { as: "give_up" }, fits: (task) => task.state === "uncertain",
    means: "It ends as failed (submission_lost). Nothing is sent; a bill for the first request may still come.", kind: "danger",
  },
  reopen: {
    label: "Track again", verb: "Track again", path: "reopen", fits: (task) => ["cancelled", "expired"].includes(task.state) && task.remote_id,
    means: "Pollux asks the provider about it again. Nothing is sent that is paid.", kind: "primary",
  },
  fetch: {
    label: "Fetch files", verb: "Fetch the files of", path: "results/fetch",
    fits: (task) => task.state === "succeeded" && task.results?.some((result) => result.kind === "url" && result.artefact?.state !== "saved"),
    means: "Files that are not on disk are fetched from the provider, if their URLs still work.", kind: "primary",
  },
  pin: { label: "Pin", verb: "Pin", fits: (task) => !task.pinned, means: "Retention never removes its details.", kind: "primary" },
  unpin: { label: "Unpin", verb: "Unpin", fits: (task) => task.pinned, means: "The retention applies to the details again.", kind: "primary" },
  delete: {
    label: "Delete details", verb: "Delete the details of", fits: (task) => ended.has(task.state) && !task.pinned && !(task.removed?.request && task.removed?.response),
    means: "Request, record, log and files are removed at once. Id, state and times stay. This cannot be undone.", kind: "danger",
  },
};

/** Does what a person asked for, and says how it went. Resolves with the answer, or null. */
export async function act(path, body, done) {
  try {
    const answer = await post(path, body);
    const [text, kind] = [typeof done === "function" ? done(answer) : done].flat();
    say(text, kind);
    return answer;
  } catch (error) {
    if (error.code !== "session_ended") say(error.message, "bad");
    return null;
  }
}

/** What to say about a test of a destination. */
export function tested({ destination, delivered, reason, status }) {
  return delivered ? `“${destination}” took the test.` : [`Not delivered: ${reason ?? status}`, "bad"];
}

function path(name, id) {
  return `/v1/tasks/${id}/${actions[name].path ?? name}`;
}

function perform(name, id) {
  return post(path(name, id), actions[name].body);
}

/** Asks, then acts on one task. Resolves with the task after it, or null. */
export async function actOnOne(name, task) {
  const action = actions[name];
  const title = `${action.verb} this task?`;
  if (!["pin", "unpin", "fetch"].includes(name) && !await confirm(title, action.means, action.label, action.kind)) return null;
  return act(path(name, task.id), action.body, name === "retry" ? "A new task was submitted." : `Done: ${action.label.toLowerCase()}.`);
}

/** All ids that match, page by page, from the newest to the oldest that existed when it began. */
export async function* idsMatching(parameters, signal) {
  const fixed = new URLSearchParams(parameters);
  if (!fixed.has("created_before")) fixed.set("created_before", new Date(Date.now() + 1000).toISOString());
  let cursor = null;
  do {
    const page = await listTasks(fixed, { limit: 500, cursor, include: "none", signal });
    yield page.tasks;
    cursor = page.next_cursor;
  } while (cursor && !signal?.aborted);
}

/** Asks with the number, then acts on many, a few at a time, and says how far it is. `source` yields lists of tasks. */
export async function actOnMany(name, count, source, exact = true) {
  const action = actions[name];
  const amount = `${exact ? "" : "more than "}${plural(count, "task")}`;
  const agreed = await confirm(`${action.verb} ${amount}?`,
    [action.means, ...(action.paid ? [h("p", { class: "warn-text" }, `This can cost the price of ${amount}.`)] : []), "What has another state by then is left as it is."],
    `${action.verb} ${amount}`.replace(/ the (files|details) of/, ""), action.kind);
  if (!agreed) return false;
  const stop = new AbortController();
  let done = 0;
  const left = new Map();
  const line = h("p", { role: "status" }, "Begins…");
  const bar = h("progress", { max: count, "aria-label": "Progress" });
  const closed = ask({ title: `${action.verb} ${amount}`, body: [line, bar], buttons: [{ label: "Stop here", value: "stop", first: true }] });
  const dialog = bar.closest("dialog");
  closed.then(() => stop.abort());
  const draw = () => {
    bar.value = done;
    line.textContent = `${number(done)} of ${number(count)}${left.size ? `; ${[...left].map(([reason, times]) => `${number(times)} left as they were (${reason})`).join(", ")}` : ""}`;
  };
  const one = async (task) => {
    try {
      if (task.state && !["fetch"].includes(name) && !fits(name, task)) left.set("does not apply", (left.get("does not apply") ?? 0) + 1);
      else await perform(name, task.id);
    } catch (error) {
      if (error.code === "session_ended" || error.code === "unreachable") throw error;
      left.set(error.code ?? "error", (left.get(error.code ?? "error") ?? 0) + 1);
    }
    done += 1;
    draw();
  };
  try {
    for await (const tasks of source(stop.signal)) {
      const waiting = [...tasks];
      const work = async () => {
        while (waiting.length && !stop.signal.aborted) await one(waiting.shift());
      };
      await Promise.all([work(), work(), work(), work()]);
      if (stop.signal.aborted) break;
    }
  } catch (error) {
    if (error.name !== "AbortError" && error.code !== "session_ended") say(error.message, "bad");
  }
  const stopped = stop.signal.aborted;
  dialog.closeWith?.(null);
  say(`${line.textContent}${stopped ? ", then stopped" : ""}.`, left.size ? "bad" : "");
  return true;
}

function fits(name, task) {
  // A list without requests cannot tell whether a task may be retried; the daemon does.
  return name === "retry" ? ended.has(task.state) : actions[name].fits(task);
}

/** The buttons of what applies to a task. */
export function actionButtons(task, after, names = Object.keys(actions)) {
  if (!canAct()) return [];
  return names.filter((name) => actions[name].fits(task)).map((name) =>
    button(actions[name].label, async () => {
      const result = await actOnOne(name, task);
      if (result) after(result, name);
    }, { kind: "small" }));
}

// --- An uncertain task ---------------------------------------------------------------------------------------------------

/** The three ways to settle an uncertain task. `possible` are ids of records that may be its own. */
export function settle(task, possible, after) {
  if (!canAct()) return null;
  const field = `adopt-${task.id}`;
  const input = h("input", { id: field, type: "text", autocomplete: "off", spellcheck: "false", placeholder: "the provider's id", value: possible.length === 1 ? possible[0] : "", list: possible.length ? `${field}-list` : undefined });
  const adopt = async () => {
    const id = input.value.trim();
    if (!id) {
      input.focus();
      say("Write the id that the provider shows for this task.", "bad");
      return;
    }
    if (!await confirm("Track it under this id?", [h("p", {}, "The task goes on as ", h("code", {}, id), ". Nothing is sent that is paid.")], "Track it", "primary")) return;
    const result = await act(`/v1/tasks/${task.id}/resolve`, { as: "adopt", remote_id: id }, "The task is tracked under that id.");
    if (result) after(result, "adopt");
  };
  return h("div", { class: "settle", role: "group", "aria-label": "Ways to settle it" },
    h("div", { class: "way" }, h("h3", {}, "The provider has it"),
      h("label", { for: field, class: "dim" }, "Track it under the provider's id; costs nothing."),
      h("div", { class: "row" }, input, button("Track it", adopt, { kind: "small primary" })),
      possible.length > 0 && h("datalist", { id: `${field}-list` }, possible.map((id) => h("option", { value: id }))),
      possible.length > 0 && h("p", { class: "possible" }, "The list shows: ", possible.slice(0, 5).map((id) => button(id, () => {
        input.value = id;
        input.focus();
      }, { kind: "small mono", title: "Use this id" })))),
    h("div", { class: "way" }, h("h3", {}, "The provider does not have it"), h("p", { class: "dim" }, "Send it again; it is paid, perhaps a second time."),
      actionButtons(task, after, ["resubmit"])),
    h("div", { class: "way" }, h("h3", {}, "It is not needed"), h("p", { class: "dim" }, "End it; a bill may still come."), actionButtons(task, after, ["give_up"])));
}

/** Ids of records that may be a task's own: the latest look-up that named any. */
export function possibleIds(events) {
  for (const { kind, detail } of [...events].reverse()) {
    if (detail?.possible && ["lookup_undecided", "perhaps_sent"].includes(kind)) {
      return Array.isArray(detail.possible) ? detail.possible.map(String) : String(detail.possible).split(/\s+/);
    }
  }
  return [];
}
