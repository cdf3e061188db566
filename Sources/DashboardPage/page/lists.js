// The lists: the table of tasks and the gallery of results, filtered by what stands in the address, live.

import { actions, actOnMany, idsMatching } from "./actions.js";
import { add, ask, button, command, empty, fill, h, icon, link, number, plural, redraw, redrawList, say, Screen, signButton, time } from "./dom.js";
import { encodeQuery, filterField, matches, modelOf, notice, parseQuery, states, taskNames } from "./filter.js";
import { canShow, download, kindOf, show } from "./media.js";
import { labels, listTasks, progress, progressBar, short, stateBadge, summary, taskLink, took } from "./model.js";
import { canAct, get, live } from "./session.js";

const pageSize = 50;
const most = 1000;
const bulk = ["cancel", "retry", "approve", "resubmit", "give_up", "reopen", "fetch", "pin", "unpin", "delete"];

class Tasks extends Screen {
  build() {
    this.query = this.route.parameters.get("q") ?? "";
    this.selected = new Map();
    this.all = false;
    this.field = filterField({
      label: "Filter tasks", value: this.query, placeholder: "state:failed  endpoint:suno/audios  label:project=x  created:<24h",
      names: taskNames, apply: (text) => this.go(text),
    });
    this.chips = h("ul", { class: "chips", "aria-label": "States" });
    this.notes = h("div", { role: "status", class: "notes" });
    this.bar = h("div", { class: "selection", hidden: true });
    this.box = h("input", { type: "checkbox", "aria-label": "Select all tasks shown", on: { change: () => this.selectShown(this.box.checked) } });
    this.rows = h("tbody");
    this.more = h("div", { class: "more" });
    this.table = h("table", { class: "tasks" },
      h("thead", {}, h("tr", {}, canAct() && h("th", { class: "tick" }, h("label", {}, this.box)), h("th", { class: "c-state" }, "State"), h("th", {}, "Task"), h("th", { class: "c-endpoint" }, "Endpoint"),
        h("th", { class: "c-labels" }, "Labels"), h("th", { class: "c-time" }, "Created"), h("th", { class: "c-took" }, "Took"), h("th", { class: "c-id" }, "Id"))),
      this.rows);
    add(this, [
      this.head("Tasks", canAct() && h("a", { class: "button primary", href: "#/new" }, icon("plus"), "New task")),
      h("div", { class: "filter" }, this.field.element), this.chips, this.notes, this.bar, h("div", { class: "table-box" }, this.table), this.more,
    ]);
    this.listen(live, "changes", ({ detail }) => this.changed(detail));
    this.listen(live, "fresh", () => this.attempt(() => this.load()));
    this.listen(this, "keydown", (event) => this.key(event));
    this.every(3000, () => this.refreshRunning());
    this.every(10000, () => this.loadCounts());
    this.open();
  }
  /** The same screen with another filter. */
  update(route) {
    this.route = route;
    this.query = route.parameters.get("q") ?? "";
    if (this.field.input.value.trim() !== this.query) this.field.input.value = this.query;
    this.unselect();
    this.open();
  }
  go(text) {
    const { id, wrong } = parseQuery(text);
    if (id && !wrong.length) location.hash = `#/task/${id}`;
    else location.hash = text ? `#/tasks?q=${encodeQuery(text)}` : "#/tasks";
  }
  open() {
    document.title = `${this.query || "Tasks"} · Pollux`;
    const { parameters, wrong } = parseQuery(this.query);
    this.parameters = parameters;
    this.wrong = wrong;
    this.tasks = [];
    this.cursor = null;
    this.attempt(() => this.load());
    this.attempt(() => this.loadCounts());
  }
  async load() {
    fill(this.notes, this.wrong.map((text) => h("p", { class: "warn-text" }, icon("warning"), text)));
    if (this.wrong.length) {
      this.tasks = [];
      return this.draw();
    }
    const query = this.query;
    const page = await listTasks(this.parameters, { limit: Math.min(500, Math.max(pageSize, this.tasks.length)), include: "request", signal: this.signal });
    if (query !== this.query) return undefined;
    this.tasks = page.tasks;
    this.cursor = page.next_cursor;
    this.loaded = true;
    notice(page.tasks);
    return this.draw();
  }
  async loadMore() {
    const first = this.tasks.length;
    const page = await listTasks(this.parameters, { limit: pageSize, cursor: this.cursor, include: "request", signal: this.signal });
    const known = new Set(this.tasks.map(({ id }) => id));
    this.tasks.push(...page.tasks.filter(({ id }) => !known.has(id)));
    this.cursor = page.next_cursor;
    notice(page.tasks);
    this.draw();
    this.rows.children[first]?.querySelector("a")?.focus();
  }
  async loadCounts() {
    const status = await get("/v1/status", this.signal);
    this.dispatchEvent(new CustomEvent("status", { bubbles: true, detail: status }));
    const rest = this.query.replace(/\bstate:\S+\s*/g, "").trim();
    const current = this.parameters.get("state") ?? "";
    const chip = (state, count) => {
      const text = [state && `state:${state}`, rest].filter(Boolean).join(" ");
      return h("li", {}, h("a", { href: text ? `#/tasks?q=${encodeQuery(text)}` : "#/tasks", class: "chip", "aria-current": current === state ? "true" : undefined },
        state && icon(state), h("span", {}, state || "all"), h("b", {}, number(count))));
    };
    redraw(this.chips, [status.tasks, current, rest], () => [chip("", Object.values(status.tasks).reduce((sum, one) => sum + one, 0)), states.map((state) => chip(state, status.tasks[state]))]);
  }
  async refreshRunning() {
    const running = this.tasks.filter(({ state }) => state === "running");
    if (!running.length) return;
    const parameters = new URLSearchParams(this.parameters);
    parameters.set("state", "running");
    const { tasks } = await listTasks(parameters, { limit: pageSize, include: "none", signal: this.signal });
    const fresh = new Map(tasks.map((task) => [task.id, task]));
    this.tasks = this.tasks.map((task) => fresh.has(task.id) ? { ...fresh.get(task.id), request: task.request } : task);
    this.draw();
  }
  changed(events) {
    const places = new Map(this.tasks.map(({ id }, place) => [id, place]));
    let fresh = false;
    for (const { task } of events) {
      const place = places.get(task.id);
      if (place !== undefined) this.tasks[place] = { ...this.tasks[place], ...task, request: this.tasks[place].request };
      else if (this.loaded && matches(task, this.parameters) && (!this.tasks.length || task.id > this.tasks[0].id || !this.cursor)) fresh = true;
    }
    this.draw();
    if (fresh && this.tasks.length <= pageSize) this.later(300, () => this.load());
    this.later(500, () => this.loadCounts());
  }
  draw() {
    const shown = this.tasks.slice(0, most);
    redrawList(this.rows, shown.map((task) => ({
      key: task.id, shown: [task.state, task.partial, task.progress, task.eta?.p50, task.waiting_for?.message, task.ended_at, task.pinned, task.error?.code], make: () => this.row(task),
    })));
    this.table.hidden = !shown.length;
    if (!shown.length && this.loaded) {
      fill(this.more, this.query
        ? empty("No task matches.", this.wrong.length ? "Correct the filter above." : ["Widen the filter, or ", link("#/tasks", "show all tasks"), "."])
        : empty("No task has been submitted yet.", h("span", {}, "Submit one here with ", link("#/new", "New task"), ", or in a terminal:"), command("pollux submit flux/images -d prompt='a white siamese cat'")));
    } else {
      fill(this.more, this.cursor && (this.tasks.length < most
        ? button("Show more", () => this.attempt(() => this.loadMore()))
        : h("p", { class: "dim" }, `The newest ${number(most)} are shown. Narrow the filter to see older ones.`)));
    }
    this.drawSelection();
  }
  row(task) {
    const why = task.error && (task.state === "failed") ? task.error.code : task.state === "queued" || task.state === "uncertain" ? task.waiting_for?.message : null;
    const row = h("tr", { "aria-selected": canAct() ? String(this.selected.has(task.id) || this.all) : undefined },
      canAct() && h("td", { class: "tick" }, h("label", {}, h("input", { type: "checkbox", checked: this.selected.has(task.id) || this.all, "aria-label": `Select ${summary(task).slice(0, 60)}`, on: { change: (event) => this.select(task, event.currentTarget.checked) } }))),
      h("td", { class: "c-state" }, stateBadge(task)),
      h("td", { class: "c-task" }, h("div", {}, taskLink(task), h("span", { class: "under" }, task.endpoint, " · ", time(task.created_at)),
        task.state === "running" && progress(task) ? h("span", { class: "inline-meter" }, progressBar(task), progress(task).text) : why && h("span", { class: "why", title: why }, why))),
      h("td", { class: "c-endpoint" }, link(`#/tasks?q=${encodeQuery(`endpoint:${task.endpoint}`)}`, task.endpoint)),
      h("td", { class: "c-labels" }, labels(task, true), task.pinned && h("span", { class: "label" }, "pinned")),
      h("td", { class: "c-time" }, time(task.created_at)), h("td", { class: "c-took" }, took(task)), h("td", { class: "c-id" }, h("code", { title: task.id }, short(task.id))));
    row.addEventListener("click", (event) => {
      if (!event.target.closest("a, input, button, td.tick") && !getSelection().toString()) location.hash = `#/task/${task.id}`;
    });
    return row;
  }
  // --- Selection ---
  select(task, on) {
    if (this.all) {
      this.all = false;
      this.tasks.forEach((one) => this.selected.set(one.id, one));
    }
    if (on) this.selected.set(task.id, task);
    else this.selected.delete(task.id);
    this.drawTicks();
  }
  selectShown(on) {
    this.all = false;
    this.selected = new Map(on ? this.tasks.map((task) => [task.id, task]) : []);
    this.drawTicks();
  }
  unselect() {
    this.all = false;
    this.total = null;
    this.selected.clear();
    this.drawTicks();
  }
  drawTicks() {
    for (const row of this.rows.children) {
      const on = this.all || this.selected.has(row.key);
      row.setAttribute("aria-selected", String(on));
      const tick = row.querySelector("input");
      if (tick) tick.checked = on;
    }
    this.drawSelection();
  }
  drawSelection() {
    const count = this.selected.size;
    this.box.checked = this.all || (count > 0 && count >= this.tasks.length);
    this.box.indeterminate = !this.all && count > 0 && count < this.tasks.length;
    this.bar.hidden = !count && !this.all;
    const chosen = [...this.selected.values()];
    const inside = new Set((this.parameters.get("state") ?? "").split(",").filter(Boolean));
    const fitting = bulk.filter((name) => this.all
      ? !inside.size || [...inside].some((state) => mayFit(name, state))
      : chosen.some((task) => mayFit(name, task.state) && (name !== "approve" || actions.approve.fits(task)) && (name !== "pin" || !task.pinned) && (name !== "unpin" || task.pinned)));
    redraw(this.bar, [count, this.all, this.total, fitting, this.cursor && count === this.tasks.length], () => [
      h("span", { role: "status" }, this.all ? `All ${this.total.complete ? "" : "more than "}${plural(this.total.count, "matching task")} selected` : `${plural(count, "task")} selected`),
      !this.all && this.cursor && count === this.tasks.length && button("Select all that match", () => this.attempt(() => this.selectAll()), { kind: "small" }),
      button("Clear", () => this.unselect(), { kind: "small" }),
      h("span", { class: "selection-actions" }, fitting.map((name) => button(actions[name].label, () => this.act(name), { kind: `small ${actions[name].kind}` })))]);
  }
  async selectAll() {
    this.total = await get(`/v1/tasks/count?${this.parameters}`, this.signal);
    this.all = true;
    this.drawTicks();
  }
  async act(name) {
    let done;
    if (this.all) {
      done = await actOnMany(name, this.total.count, (signal) => idsMatching(this.parameters, signal), this.total.complete);
    } else {
      const chosen = [...this.selected.values()].filter((task) => mayFit(name, task.state));
      const skipped = this.selected.size - chosen.length;
      if (skipped) say(`${plural(skipped, "selected task")} cannot be changed that way, and ${skipped === 1 ? "is" : "are"} left out.`);
      done = await actOnMany(name, chosen.length, async function* list() {
        yield chosen;
      });
    }
    if (!done) return;
    this.unselect();
    await this.attempt(() => this.load());
  }
  // --- Keyboard ---
  key(event) {
    if (event.target.matches("input:not([type=checkbox]), select, textarea") || event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem("pollux-keys") === "off") return;
    const rows = [...this.rows.children];
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const to = { j: at + 1, ArrowDown: at + 1, k: Math.max(0, at - 1), ArrowUp: Math.max(0, at - 1) }[event.key];
    if (to !== undefined && rows[to] && (at >= 0 || event.key.length === 1)) {
      event.preventDefault();
      rows[to].querySelector("a").focus();
    } else if (event.key === "x" && at >= 0 && canAct()) {
      event.preventDefault();
      this.select(this.tasks[at], !(this.all || this.selected.has(this.tasks[at].id)));
    } else if (event.key === "Escape" && (this.selected.size || this.all)) {
      this.unselect();
    }
  }
}
customElements.define("px-tasks", Tasks);

const ended = ["succeeded", "failed", "cancelled", "expired"];

/** Whether an action may apply to tasks of a state. */
function mayFit(name, state) {
  return {
    cancel: ["queued", "running"], retry: ended, approve: ["queued"], resubmit: ["uncertain"], give_up: ["uncertain"],
    reopen: ["cancelled", "expired"], fetch: ["succeeded"], pin: states, unpin: states, delete: ended,
  }[name].includes(state);
}

const enough = 36;
const names = ["endpoint", "label", "model"];

class Gallery extends Screen {
  build() {
    this.read();
    this.field = filterField({
      label: "Filter results", value: this.query, placeholder: "endpoint:flux/images  label:project=x  model:sora-2",
      names, apply: (text) => this.go(text, this.kind),
    });
    this.kinds = h("ul", { class: "chips", "aria-label": "Kinds" });
    this.notes = h("div", { role: "status", class: "notes" });
    this.grid = h("div", { class: "grid" });
    this.more = h("div", { class: "more" });
    add(this, [this.head("Gallery"), h("div", { class: "filter" }, this.field.element), this.kinds, this.notes, this.grid, this.more]);
    this.listen(live, "changes", ({ detail }) => {
      if (detail.some(({ kinds }) => kinds.includes("result_saved") || kinds.includes("observed")) && scrollY < 200) this.later(600, () => this.load(true));
    });
    this.open();
  }
  update(route) {
    this.route = route;
    this.read();
    if (this.field.input.value.trim() !== this.query) this.field.input.value = this.query;
    this.open();
  }
  read() {
    this.query = this.route.parameters.get("q") ?? "";
    this.kind = this.route.parameters.get("kind") ?? "";
  }
  go(query, kind) {
    const parts = [query && `q=${encodeQuery(query)}`, kind && `kind=${kind}`].filter(Boolean);
    location.hash = `#/gallery${parts.length ? `?${parts.join("&")}` : ""}`;
  }
  open() {
    const { parameters, wrong, models } = parseQuery(this.query, names);
    this.parameters = parameters;
    parameters.set("state", "succeeded");
    this.models = models;
    fill(this.notes, wrong.map((text) => h("p", { class: "warn-text" }, icon("warning"), text)));
    fill(this.kinds, [["", "all"], ["image", "pictures"], ["video", "video"], ["audio", "sound"]].map(([kind, text]) => {
      const parts = [this.query && `q=${encodeQuery(this.query)}`, kind && `kind=${kind}`].filter(Boolean);
      return h("li", {}, h("a", { class: "chip", href: `#/gallery${parts.length ? `?${parts.join("&")}` : ""}`, "aria-current": this.kind === kind ? "true" : undefined }, text));
    }));
    this.entries = [];
    this.cursor = null;
    if (wrong.length) this.draw();
    else this.attempt(() => this.load(true));
  }
  async load(again) {
    const mark = `${this.query} ${this.kind}`;
    const found = again ? [] : this.entries;
    let cursor = again ? null : this.cursor;
    const first = found.length;
    // A page may have nothing that fits; a person should not have to press the button for each.
    for (let pages = 0; pages < 8; pages += 1) {
      const page = await listTasks(this.parameters, { limit: 60, cursor, include: "request,results", signal: this.signal });
      if (mark !== `${this.query} ${this.kind}`) return;
      notice(page.tasks);
      for (const task of page.tasks) {
        if (this.models.length && !this.models.includes(modelOf(task))) continue;
        task.results.forEach((result, index) => {
          if (canShow(result) && (!this.kind || kindOf(result) === this.kind)) found.push({ task, result, index });
        });
      }
      cursor = page.next_cursor;
      if (!cursor || found.length - first >= enough) break;
    }
    this.entries = found;
    this.cursor = cursor;
    this.draw();
  }
  draw() {
    redrawList(this.grid, this.entries.map((entry) => ({ key: `${entry.task.id}/${entry.index}`, make: () => this.tile(entry) })));
    fill(this.more, this.cursor ? button("Show more", () => this.attempt(() => this.load(false)))
      : !this.entries.length && (this.query || this.kind
        ? empty("No result matches.", h("span", {}, "Widen the filter, or ", link("#/gallery", "show all results"), "."))
        : empty("There is no result yet.", h("span", {}, "Files of results are fetched when a task succeeds. Submit one with ", link("#/new", "New task"), "."))));
  }
  tile(entry) {
    const { task, result, index } = entry;
    const kind = kindOf(result);
    const text = summary(task);
    const media = show(task, result, index, kind === "audio" ? `Sound: ${text}` : text, true);
    return h("figure", { class: `tile ${kind}` },
      kind === "audio" ? h("div", { class: "thumb" }, media)
        : h("button", { type: "button", class: "thumb", "aria-label": `Open ${kind}: ${text.slice(0, 80)}`, on: { click: () => this.look(this.entries.findIndex((one) => one.task.id === task.id && one.index === index)) } }, media, kind === "video" && h("span", { class: "play" }, icon("play"))),
      h("figcaption", { class: "tile-text" }, h("span", { class: "tile-title" }, taskLink(task)),
        h("span", { class: "tile-sub" }, h("span", { class: "cut" }, modelOf(task) ?? task.endpoint), time(task.ended_at ?? task.created_at), download(task, result, index, ""))));
  }
  /** One result large, with the arrow keys to the next. */
  look(place) {
    let at = place;
    const stage = h("div", { class: "stage" });
    const caption = h("div", { class: "stage-caption" });
    const draw = () => {
      const { task, result, index } = this.entries[at];
      fill(stage, show(task, result, index, summary(task)));
      fill(caption, h("p", {}, taskLink(task)), h("p", { class: "meta" }, h("span", { class: "dim" }, task.endpoint), labels(task), h("span", { class: "dim" }, `${at + 1} of ${this.entries.length}`), download(task, result, index)));
    };
    const go = (by) => {
      const next = at + by;
      if (this.entries[next]) {
        at = next;
        draw();
      }
    };
    draw();
    const closed = ask({ title: "Result", wide: true, body: [stage, h("div", { class: "row stage-buttons" }, signButton("left", "Previous result", () => go(-1)), signButton("right", "Next result", () => go(1)), caption, signButton("close", "Close", () => dialog.closeWith(null)))] });
    const dialog = stage.closest("dialog");
    dialog.addEventListener("keydown", (event) => {
      if (event.target.matches("video, audio")) return;
      if (event.key === "ArrowLeft") go(-1);
      if (event.key === "ArrowRight") go(1);
    });
    addEventListener("hashchange", () => dialog.closeWith(null), { once: true });
    return closed;
  }
}
customElements.define("px-gallery", Gallery);
