// The first screen: what needs a person, then what is running.

import { act, actionButtons, possibleIds, settle, tested } from "./actions.js";
import { add, badge, button, bytes, command, dim, empty, fill, h, icon, link, number, plural, prose, redraw, redrawList, Screen, time } from "./dom.js";
import { canShow, kindOf, show } from "./media.js";
import { encodeQuery, notice, states } from "./filter.js";
import { endpointPath, eta, labels, listTasks, progressBar, progress, stateBadge, summary, taskLink } from "./model.js";
import { canAct, get, live } from "./session.js";

const shownRunning = 40;

function card(sign, kind, title, body, ...actions) {
  return h("article", { class: `card ${kind}` }, h("div", { class: "card-sign" }, icon(sign)),
    h("div", { class: "card-body" }, h("h3", {}, title), body), h("div", { class: "card-actions" }, actions));
}

function flight(task) {
  const running = task.state === "running";
  return h("div", { class: "flight" }, stateBadge(task), h("div", { class: "flight-what" }, taskLink(task), dim(task.endpoint)),
    h("div", { class: "flight-how" }, running ? progressBar(task) : h("span", { class: "dim cut", title: task.waiting_for?.message }, task.waiting_for?.message ?? (task.state === "submitting" ? "The request is being sent." : "Waits for its turn."))),
    h("div", { class: "flight-eta" }, running ? [progress(task) && h("span", { class: "percent" }, progress(task).text), eta(task)] : h("span", {}, "waits ", time(task.created_at, "since"))));
}

class Now extends Screen {
  build() {
    this.possible = new Map();
    this.tasks = new Map();
    this.counts = h("ul", { class: "counts", "aria-label": "Tasks by state" });
    this.needs = h("div", { class: "cards" });
    this.needsCount = h("span", { class: "count" });
    this.uncertain = h("div", { class: "cards" });
    this.running = h("div", { class: "flights" });
    this.rest = h("div", { class: "more" });
    this.recent = h("div", { class: "recent" });
    add(this, [
      this.head("Now", canAct() && h("a", { class: "button primary", href: "#/new" }, icon("plus"), "New task")),
      this.counts,
      h("section", { "aria-labelledby": "needs" }, h("h2", { id: "needs" }, "Needs you ", this.needsCount), this.needs, this.uncertain),
      h("section", { "aria-labelledby": "running" }, h("h2", { id: "running" }, "In flight"), this.running, this.rest),
      h("section", { "aria-labelledby": "recent" }, h("h2", { id: "recent" }, "Just ended"), this.recent),
    ]);
    this.reload = () => this.load();
    this.attempt(this.reload);
    // Progress and the times of the daemon are no events.
    this.every(2000, () => this.loadRunning());
    this.every(15000, () => this.loadNeeds());
    this.listen(live, "fresh", () => this.later(250, this.reload));
    this.listen(live, "changes", ({ detail }) => this.changed(detail));
  }
  load() {
    return Promise.all([this.loadNeeds(), this.loadRunning(), this.loadRecent()]);
  }
  changed(events) {
    for (const { task } of events) {
      const before = this.tasks.get(task.id);
      if (!before) continue;
      const after = { ...before, ...task, request: before.request };
      this.tasks.set(task.id, after);
    }
    this.drawRunning();
    this.later(250, this.reload);
  }
  async loadRunning() {
    const [running, queued] = await Promise.all([
      listTasks({ state: "running,submitting" }, { limit: shownRunning, include: "request", signal: this.signal }),
      listTasks({ state: "queued" }, { limit: 8, include: "request", signal: this.signal }),
    ]);
    this.more = Boolean(running.next_cursor);
    this.tasks = new Map([...running.tasks, ...queued.tasks].map((task) => [task.id, task]));
    notice(this.tasks.values());
    this.drawRunning();
  }
  drawRunning() {
    const rows = [...this.tasks.values()].filter((task) => ["running", "submitting"].includes(task.state) || (task.state === "queued" && task.waiting_for?.code !== "budget"));
    const order = { submitting: 0, running: 1, queued: 2 };
    rows.sort((one, other) => order[one.state] - order[other.state] || Date.parse(one.eta?.p50 ?? "9999-01-01") - Date.parse(other.eta?.p50 ?? "9999-01-01") || (one.id < other.id ? -1 : 1));
    redrawList(this.running, rows.map((task) => ({ key: task.id, shown: [task.state, task.progress, task.eta, task.waiting_for, task.slower_than_usual_since], make: () => flight(task) })));
    redraw(this.rest, [!rows.length, this.more], () => rows.length
      ? this.more && link(`#/tasks?q=${encodeQuery("state:running,submitting")}`, "Show all that run")
      : empty("Nothing is running.", h("span", {}, "Submit a task here with ", link("#/new", "New task"), ", or in a terminal:"), command("pollux submit flux/images -d prompt='a white siamese cat'")));
    // Without a report of the provider the bar moves with the clock.
    for (const task of rows) if (task.progress === null && progress(task)) [...this.running.children].find(({ key }) => key === task.id).querySelector(".meter").replaceWith(progressBar(task));
  }
  async loadRecent() {
    const { tasks } = await listTasks({ state: "succeeded,failed,cancelled,expired" }, { limit: 8, include: "request,results", signal: this.signal });
    notice(tasks);
    redraw(this.recent, tasks.map((task) => [task.id, task.state, task.results?.map((result) => result.artefact?.state)]), () => !tasks.length
      ? empty("No task has ended yet.", "Results appear here, and in the gallery.")
      : tasks.map((task) => {
        const index = task.results?.findIndex((result) => canShow(result) && kindOf(result) !== "audio") ?? -1;
        const sound = task.results?.some((result) => kindOf(result) === "audio");
        return h("a", { class: "tile", href: `#/task/${task.id}` },
          h("div", { class: "thumb" }, index >= 0 ? show(task, task.results[index], index, "", true) : icon(sound ? "sound" : task.state)),
          h("div", { class: "tile-text" }, h("span", { class: "tile-title" }, summary(task)), h("span", { class: "tile-sub" }, stateBadge(task), time(task.ended_at ?? task.created_at))));
      }));
  }
  async loadNeeds() {
    const [status, endpoints, uncertain, budget] = await Promise.all([
      get("/v1/status", this.signal), get("/v1/endpoints", this.signal),
      listTasks({ state: "uncertain" }, { limit: 20, include: "request", signal: this.signal }),
      listTasks({ state: "queued", waiting_for: "budget" }, { limit: 100, include: "request", signal: this.signal }),
    ]);
    notice(uncertain.tasks);
    this.dispatchEvent(new CustomEvent("status", { bubbles: true, detail: status }));
    fill(this.counts, states.map((state) => h("li", {}, link(`#/tasks?q=state:${state}`, badge(state), h("b", {}, number(status.tasks[state]))))));
    const cards = [
      ...this.daemonCards(status), ...this.budgetCards(budget.tasks.filter((task) => task.waiting_for?.code === "budget")),
      ...this.destinationCards(status), ...this.endpointCards(endpoints.endpoints), ...this.accountCards(status), ...this.diskCards(status),
    ];
    const decided = uncertain.tasks.filter((task) => task.waiting_for?.code !== "lookup");
    const count = cards.length + (status.tasks.uncertain ? Math.max(decided.length, 0) : 0);
    this.needsCount.textContent = count ? number(count) : "";
    this.dispatchEvent(new CustomEvent("needs", { bubbles: true, detail: count }));
    await Promise.all(uncertain.tasks.slice(0, 10).map(async (task) => {
      const mark = task.waiting_for?.message;
      if (this.possible.get(task.id)?.mark === mark) return;
      const { events } = await get(`/v1/tasks/${task.id}/events`, this.signal);
      this.possible.set(task.id, { mark, ids: possibleIds(events) });
    }));
    this.drawUncertain(uncertain.tasks, status.tasks.uncertain);
    redraw(this.needs, cards.length ? cards.map((one) => one.textContent) : !uncertain.tasks.length, () => cards.length ? cards
      : !uncertain.tasks.length && h("p", { class: "calm" }, icon("succeeded"), "Nothing needs you. Uncertain tasks, budgets without room, paused endpoints and full disks would be shown here."));
  }
  drawUncertain(tasks, count) {
    // What a person is writing stays.
    if (this.uncertain.contains(document.activeElement) && document.activeElement.value) return;
    redraw(this.uncertain, tasks.map((task) => [task.id, task.waiting_for, this.possible.get(task.id)?.ids]), () => [tasks.map((task) => {
      const ways = settle(task, this.possible.get(task.id)?.ids ?? [], () => this.attempt(this.reload));
      return card("uncertain", "uncertain", taskLink(task), [
        h("p", { class: "meta" }, stateBadge(task), dim(task.endpoint), labels(task, true), dim("for ", time(task.created_at, "since"))),
        h("p", {}, prose(task.waiting_for?.message ?? "It is not known whether the provider accepted it.")),
        task.waiting_for?.code === "lookup" && ways ? h("details", {}, h("summary", {}, "Settle it now"), ways) : ways,
      ]);
    }), count > tasks.length && h("p", {}, link("#/tasks?q=state:uncertain", `Show all ${number(count)} uncertain tasks`))]);
  }
  act(label, path, body, done) {
    return canAct() && button(label, async () => await act(path, body, done) && this.attempt(() => this.loadNeeds()), { kind: "small primary" });
  }
  daemonCards(status) {
    const cards = [];
    if (status.restored) cards.push(card("warning", "bad", "The database is an older copy", h("p", {}, prose(status.restored)), command("pollux restore")));
    if (status.held) cards.push(card("pause", "", "Nothing paid is sent", h("p", {}, prose(status.held)), this.act("Resume all", "/v1/resume", undefined, "Submissions go on.")));
    if (status.callbacks?.problem) cards.push(card("warning", "", "Callbacks probably do not arrive", h("p", {}, prose(status.callbacks.problem)), link("#/doctor", "Doctor")));
    return cards;
  }
  budgetCards(tasks) {
    return [...Map.groupBy(tasks, (task) => task.waiting_for.budget)].map(([name, list]) => card("spend", "", `${plural(list.length, "task waits", "tasks wait")} for the budget “${name}”`, [
      h("p", {}, prose(list[0].waiting_for.message)),
      h("ul", { class: "plain" }, list.slice(0, 5).map((task) => h("li", {}, taskLink(task), dim(` ${task.endpoint} `),
        task.waiting_for.missing && dim(`missing ${task.waiting_for.missing.amount} ${task.waiting_for.missing.unit} `),
        actionButtons(task, () => this.attempt(this.reload), ["approve", "cancel"])))),
      list.length > 5 && h("p", { class: "dim" }, `and ${number(list.length - 5)} more`)],
    link("#/spend", "Budgets")));
  }
  destinationCards(status) {
    return status.destinations.filter(({ state, dead }) => state !== "open" || dead > 0).map((one) => card("notifications", one.state === "open" ? "" : "bad",
      one.state === "open" ? `“${one.name}” did not get ${plural(one.dead, "notification")}` : `The destination “${one.name}” is ${one.state}`, [
        h("p", {}, one.reason ?? "Its notifications could not be delivered."), h("p", { class: "dim" }, `${number(one.waiting)} waiting, ${number(one.dead)} given up`)],
      this.act("Test", `/v1/notifications/${encodeURIComponent(one.name)}/test`, {}, tested),
      link("#/notifications", "Notifications")));
  }
  endpointCards(endpoints) {
    return endpoints.filter(({ state }) => state === "paused").map((one) => card("pause", "", `Submissions to ${one.name} are paused`, [
      h("p", {}, prose(one.reason ?? "A person paused it.")), h("p", { class: "dim" }, plural(one.queued, "task waits", "tasks wait"))],
    this.act("Resume", `/v1/endpoints/${endpointPath(one.name)}/resume`, undefined, `${one.name} goes on.`), link(`#/endpoints/${one.name}`, "Endpoint")));
  }
  accountCards(status) {
    const cards = [];
    for (const provider of status.providers) {
      for (const account of provider.accounts) {
        if (account.state === "paused") {
          cards.push(card("pause", "bad", `The account ${provider.name}/${account.name} is paused`, h("p", {}, prose(account.reason ?? "A person paused it.")), link("#/endpoints", "Endpoints")));
        }
      }
      if (provider.token === "missing" && status.providers.length === 1) {
        cards.push(card("warning", "", `${provider.name} has no token`, h("p", {}, "Its tasks wait in the queue until a token is set."), link("#/doctor", "Doctor")));
      }
    }
    return cards;
  }
  diskCards(status) {
    const files = status.artefacts;
    if (!files) return [];
    const cards = [];
    if (files.problem) cards.push(card("warning", "bad", "Files of results are not fetched", h("p", {}, prose(files.problem)), link("#/doctor", "Doctor")));
    if (files.without_room) cards.push(card("warning", "bad", `${plural(files.without_room, "file has", "files have")} no room on disk`, h("p", {}, "Their URLs expire. Free space, raise artefacts.quota, or set retention.artefacts."), link("#/doctor", "Doctor")));
    else if (files.quota_bytes && files.used_bytes > files.quota_bytes * 0.9) {
      cards.push(card("warning", "", "The files of results nearly fill their quota", h("p", {}, `${bytes(files.used_bytes)} of ${bytes(files.quota_bytes)}. When it is full, files that a client has had make room for others.`), link("#/doctor", "Doctor")));
    }
    return cards;
  }
}
customElements.define("px-now", Now);
