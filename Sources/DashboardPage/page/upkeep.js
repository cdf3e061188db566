// The screens that look after the daemon: endpoints, money, destinations of notifications, the doctor.

import { act, tested } from "./actions.js";
import { add, ask, badge, button, bytes, command, confirm, dim, duration, empty, facts, fill, h, icon, link, meter, number, plural, prose, redraw, say, Screen, table, time } from "./dom.js";
import { encodeQuery, quote } from "./filter.js";
import { endpointPath, short } from "./model.js";
import { days, durations, legend, range } from "./plot.js";
import { canAct, get, live, post } from "./session.js";

function toggle(endpoint, after) {
  if (!canAct()) return null;
  const paused = endpoint.state === "paused";
  return button(paused ? "Resume" : "Pause", async () => {
    if (!paused && !await confirm(`Pause ${endpoint.name}?`, "Nothing is submitted to it until it is resumed. Tasks that the provider has are still tracked.", "Pause", "primary")) return;
    if (await act(`/v1/endpoints/${endpointPath(endpoint.name)}/${paused ? "resume" : "pause"}`, undefined, paused ? `${endpoint.name} goes on.` : `${endpoint.name} is paused.`)) after();
  }, { kind: "small", sign: paused ? "play" : "pause", "aria-label": `${paused ? "Resume" : "Pause"} ${endpoint.name}` });
}

const used = (one) => one.finished || one.in_flight || one.queued || one.uncertain || one.state !== "open" || one.last_error;

class Endpoints extends Screen {
  build() {
    this.filter = "";
    this.name = this.route.path.slice(1).join("/");
    if (this.name) this.buildOne();
    else this.buildList();
    this.listen(live, "fresh", () => this.attempt(() => this.load()));
    this.every(4000, () => this.load());
    this.attempt(() => this.load());
  }
  update(route) {
    this.route = route;
    this.ending.abort();
    this.replaceChildren();
    this.connectedCallback();
  }
  load() {
    return this.name ? this.loadOne() : this.loadList();
  }
  buildList() {
    const search = h("input", { type: "search", "aria-label": "Filter endpoints", placeholder: "name or provider", on: { input: () => {
      this.filter = search.value.trim().toLowerCase();
      this.drawList();
    } } });
    this.active = h("div", {});
    this.accounts = h("div", {});
    this.rest = h("details", {}, h("summary", {}), h("div", {}));
    add(this, [this.head("Endpoints"), h("div", { class: "filter" }, search), this.accounts, this.active, this.rest]);
  }
  async loadList() {
    const [{ endpoints }, status] = await Promise.all([get("/v1/endpoints", this.signal), get("/v1/status", this.signal)]);
    this.endpoints = endpoints;
    this.dispatchEvent(new CustomEvent("status", { bubbles: true, detail: status }));
    this.drawAccounts(status.providers);
    this.drawList();
  }
  drawAccounts(providers) {
    redraw(this.accounts, providers, () => h("ul", { class: "accounts", "aria-label": "Accounts" }, providers.filter(({ token }) => token === "present").flatMap((provider) => provider.accounts.map((account) =>
      h("li", {}, h("b", {}, account.name === "default" ? provider.name : `${provider.name}/${account.name}`), account.token === "missing" ? h("span", { class: "warn-text" }, "no token") : badge(account.state, account.reason),
        dim(`${number(account.in_flight)}${account.max_in_flight ? ` of ${number(account.max_in_flight)}` : ""} in flight`))))));
  }
  drawList() {
    const fitting = (this.endpoints ?? []).filter((one) => !this.filter || one.name.toLowerCase().includes(this.filter) || one.provider.includes(this.filter));
    const active = fitting.filter(used);
    const others = fitting.filter((one) => !used(one));
    redraw(this.active, active, () => active.length ? this.table(active) : empty("No endpoint has been used yet.", h("span", {}, "Choose one below, or submit a ", link("#/new", "new task"), ".")));
    const [summary, body] = this.rest.children;
    this.rest.hidden = !others.length;
    summary.textContent = `${plural(others.length, "endpoint")} without a task`;
    if (this.filter && !active.length) this.rest.open = true;
    redraw(body, others, () => table(["Endpoint", "Makes", "#Typical time", "Price", ""], others.map((one) =>
      [link(`#/endpoints/${one.name}`, one.name), one.kind, duration(one.typical_seconds), one.price?.words ?? dim("unknown"), canAct() && link(`#/new?endpoint=${one.name}`, "New task")])));
  }
  table(endpoints) {
    const times = endpoints.flatMap(({ learned }) => learned ? [learned.p50_seconds, learned.p90_seconds] : []).map((seconds) => Math.max(seconds, 0.01));
    const scale = [Math.min(...times), Math.max(...times)];
    return table(["Endpoint", "State", "#In flight", "#Queued", "#Half within", "#90 % within", "Learned from", "#Unnoticed for", "#Calls per task", "Last error", ""], endpoints.map((one) => [
      link(`#/endpoints/${one.name}`, one.name), [badge(one.state, one.reason), one.until && [" ", time(one.until)]],
      [number(one.in_flight), one.max_in_flight !== null && dim(` / ${number(one.max_in_flight)}`)], number(one.queued),
      duration(one.learned?.p50_seconds), duration(one.learned?.p90_seconds), one.learned ? [range(one.learned, scale), dim(` ${number(one.learned.samples)}`)] : dim("nothing yet"),
      duration(one.mean_lateness_seconds), one.calls_per_task?.toFixed(1) ?? "–",
      one.last_error ? h("span", { title: one.last_error.message }, h("code", {}, one.last_error.code), " ", time(one.last_error.at)) : dim("none"), toggle(one, () => this.load())]));
  }
  buildOne() {
    this.body = h("div", {});
    add(this, [this.head(this.name, link("#/endpoints", "All endpoints")), this.body]);
  }
  async loadOne() {
    const [one, { budgets }] = await Promise.all([get(`/v1/endpoints/${endpointPath(this.name)}`, this.signal), get("/v1/budgets", this.signal)]);
    redraw(this.body, [one, budgets], () => this.draw(one, budgets));
  }
  draw(one, budgets) {
    const label = one.learned && `Learned from ${plural(one.learned.samples, "task")}: half end within ${duration(one.learned.p50_seconds)}, nine tenths within ${duration(one.learned.p90_seconds)}.`;
    const limits = budgets.filter(({ scope }) => (!scope.provider || scope.provider === one.provider) && (!scope.endpoint || scope.endpoint === one.name || (scope.endpoint.endsWith("*") && one.name.startsWith(scope.endpoint.slice(0, -1)))));
    return [
      h("div", { class: "task-line" }, badge(one.state), dim(`${one.kind} · ${one.provider}`), toggle(one, () => this.load()), canAct() && h("a", { class: "button small", href: `#/new?endpoint=${one.name}` }, "New task"),
        link(`#/tasks?q=${encodeQuery(`endpoint:${one.name}`)}`, "Its tasks")),
      one.reason && h("div", { class: one.state === "paused" ? "problem" : "note" }, icon("warning"), h("span", {}, prose(one.reason), one.until && [" Until ", time(one.until), "."])),
      h("h2", {}, "How long tasks take"),
      one.learned ? h("div", { class: "panel" }, durations(one.learned, label, one.typical_seconds), h("p", { class: "dim" }, `Share of tasks that have ended after a time. ${label}`))
        : empty("Nothing is learned yet.", `Polling follows ${one.typical_seconds ? `the documented ${duration(one.typical_seconds)}` : "its defaults"} until tasks have ended.`),
      h("div", { class: "columns" },
        h("section", {}, h("h2", {}, "Polling"), facts(
          ["Ends go unnoticed for", one.mean_lateness_seconds === null ? "–" : `${duration(one.mean_lateness_seconds)} on average`],
          ["Status queries per task", one.calls_per_task?.toFixed(2) ?? "–"],
          ["Status queries", `${number(one.polls)}, ${one.polls_per_minute.toFixed(1)} a minute now`], ["Tasks in one query", one.batch_size ? `up to ${one.batch_size}` : "one"],
          ["Too many requests", one.throttled ? plural(one.throttled, "time") : "never"],
          ["Callbacks", one.callbacks && `${number(one.callbacks.came)} of ${number(one.callbacks.expected)} came; trust ${Math.round(one.callbacks.trust * 100)} %`],
          ["Last error", one.last_error && [h("code", {}, one.last_error.code), " ", one.last_error.message, " ", time(one.last_error.at)]],
          ["Records not understood", one.unrecognised && `${number(one.unrecognised.count)}: ${one.unrecognised.last_shape}`])),
        h("section", {}, h("h2", {}, "Limits and money"), facts(
          ["In flight", `${number(one.in_flight)}${one.max_in_flight === null ? "" : ` of ${number(one.max_in_flight)}`}`], ["Queued", number(one.queued)], ["Uncertain", one.uncertain ? link(`#/tasks?q=${encodeQuery(`state:uncertain endpoint:${one.name}`)}`, number(one.uncertain)) : "0"],
          ["Finished", number(one.finished)], ["Submissions a second", one.submits_per_second === null ? "no limit" : number(one.submits_per_second)],
          ["Replies", one.answers === "inline" ? "with the result only" : "with an id at once"], ["Provider's list", { documented: "documented", vendor_code: "known from the provider's own code", none: "none: a lost reply cannot be found again" }[one.listing]],
          ["Price", one.price ? [one.price.words, one.price.as_of && dim(` (${one.price.origin}, ${one.price.as_of})`)] : "unknown"],
          ["Budgets", limits.length ? limits.map((budget) => h("div", {}, link("#/spend", budget.name), dim(` ${budget.shares.map(({ left }) => `${left.amount} ${left.unit} left`).slice(0, 3).join(", ")}`))) : "none counts it"]))),
      h("h2", {}, "On the command line"), command(`pollux endpoints ${one.name}`), " ", command(`pollux ${one.state === "paused" ? "resume" : "pause"} ${one.name}`)];
  }
}
customElements.define("px-endpoints", Endpoints);

const groups = [["endpoint", "endpoint"], ["provider", "provider"], ["account", "account"]];
const spans = [["1", "today"], ["7", "7 days"], ["30", "30 days"], ["", "all time"]];
const amounts = (list) => list.length ? list.map(({ amount, unit }) => `${amount} ${unit}`).join(", ") : "–";

/** A day of UTC, as many days ago. */
function dayAgo(count) {
  const day = new Date();
  return new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), day.getUTCDate() - count));
}

class Spend extends Screen {
  build() {
    this.read();
    this.by = h("input", { id: "by", value: this.group, list: "groups", autocomplete: "off", spellcheck: "false", on: { change: () => this.go({ by: this.by.value.trim() || "endpoint" }) } });
    this.chips = h("ul", { class: "chips", "aria-label": "Time" });
    this.plot = h("div", {});
    this.rows = h("div", {});
    this.budgets = h("div", {});
    add(this, [
      this.head("Spend"), h("section", { "aria-label": "Budgets" }, this.budgets),
      h("div", { class: "row" }, this.chips, h("label", { for: "by" }, "by"), this.by, h("datalist", { id: "groups" }, groups.map(([value]) => h("option", { value })), h("option", { value: "label.project" }))),
      this.plot, this.rows,
    ]);
    this.open();
    this.every(10000, () => this.load());
  }
  update(route) {
    this.route = route;
    this.read();
    this.by.value = this.group;
    this.open();
  }
  read() {
    this.group = this.route.parameters.get("by") ?? "endpoint";
    this.span = this.route.parameters.get("days") ?? "30";
  }
  go(change) {
    location.hash = `#/spend?${new URLSearchParams({ by: this.group, days: this.span, ...change })}`;
  }
  open() {
    fill(this.chips, spans.map(([value, text]) => h("li", {}, h("a", { class: "chip", href: `#/spend?${new URLSearchParams({ by: this.group, days: value })}`, "aria-current": this.span === value ? "true" : undefined }, text))));
    this.attempt(() => this.load());
  }
  async load() {
    const query = new URLSearchParams({ by: this.group });
    if (this.span) query.set("since", dayAgo(Number(this.span) - 1).toISOString());
    const [spend, { budgets }] = await Promise.all([get(`/v1/spend?${query}`, this.signal), get("/v1/budgets", this.signal)]);
    this.drawBudgets(budgets);
    this.drawRows(spend);
    if (this.span !== "1") await this.loadDays(spend.total);
    else redraw(this.plot, null, () => []);
  }
  async loadDays(total) {
    const count = Math.min(Number(this.span || 60), 60);
    const since = dayAgo(count - 1);
    const { rows } = await get(`/v1/spend?by=day&since=${since.toISOString()}`, this.signal);
    const units = [...new Set([...total.spent, ...total.reserved].map(({ unit }) => unit))];
    const byDay = new Map(rows.map((row) => [row.key, row]));
    redraw(this.plot, [rows, units, count], () => rows.length > 0 && units.slice(0, 3).map((unit) => {
      const of = (list) => (list ?? []).filter((amount) => amount.unit === unit).reduce((sum, { micros }) => sum + micros, 0) / 1e6;
      const list = Array.from({ length: count }, (_, index) => {
        const day = dayAgo(count - 1 - index).toISOString().slice(0, 10);
        return { day, spent: of(byDay.get(day)?.spent), reserved: of(byDay.get(day)?.reserved) };
      });
      const sum = list.reduce((all, { spent }) => all + spent, 0);
      return h("div", { class: "panel" }, h("h2", {}, `${unit} by day`), days(list, unit, `${unit} spent by day (UTC), ${Number(sum.toPrecision(6)).toLocaleString("en")} in the last ${count} days`), legend(["bar", "spent"], ["bar reserved", "reserved: the outcome is not known yet"]));
    }));
  }
  drawRows({ rows, total }) {
    redraw(this.rows, [rows, this.group], () => {
      if (!rows.length) return [empty("No attempt was made in that time.", "What attempts cost appears here once tasks are submitted and prices are known."), command("pollux endpoints")];
      const unit = [...total.spent, ...total.reserved][0]?.unit;
      const spent = (row) => row.spent.find((one) => one.unit === unit)?.micros ?? 0;
      const most = Math.max(1, ...rows.map(spent));
      const name = ({ key }) => key === null ? dim("without the label") : this.group === "endpoint" ? link(`#/endpoints/${key}`, key)
        : this.group.startsWith("label.") ? link(`#/tasks?q=${encodeQuery(`label:${quote(`${this.group.slice(6)}=${key}`)}`)}`, key) : key;
      const cells = (row) => [amounts(row.spent), amounts(row.reserved), number(row.attempts), row.unpriced ? h("span", { class: "warn-text", title: "Their cost is unknown. It is never taken for zero." }, number(row.unpriced)) : "0"];
      return [
        table([this.group, "#Spent", "#Reserved", "#Attempts", "#Unpriced", unit ? `Share (${unit})` : "Share"], rows.map((row) => [name(row), ...cells(row), unit && meter(spent(row) / most, "Share of the largest")]), ["total", ...cells(total), ""]),
        total.unpriced > 0 && h("p", { class: "dim" }, `${plural(total.unpriced, "attempt has", "attempts have")} no known price. Prices belong into prices.yaml beside pollux.yaml; unpriced never counts as zero.`)];
    });
  }
  drawBudgets(budgets) {
    redraw(this.budgets, budgets, () => !budgets.length
      ? h("p", { class: "dim" }, "No budget is set. A budget in pollux.yaml limits what may be spent: ", h("code", {}, "budgets: [{name: daily, limit: 20, unit: USD, per: day}]"))
      : [h("h2", {}, "Budgets"), h("div", { class: "budgets" }, budgets.map((budget) => h("article", { class: "panel" },
      h("div", { class: "section-head" }, h("h3", {}, budget.name), dim(`${budget.limit.amount} ${budget.limit.unit} ${{ day: "a day", month: "a month", total: "in total" }[budget.per]}`),
        canAct() && button("Set limit", () => this.setLimit(budget), { kind: "small", "aria-label": `Set the limit of ${budget.name}` }),
        canAct() && budget.settings_limit && button("Reset", () => this.change(budget, null, `${budget.name} has the limit of the settings again.`), { kind: "small", "aria-label": `Reset the limit of ${budget.name}` })),
      h("p", { class: "dim" }, [Object.entries(budget.scope).map(([key, value]) => `${key} ${value}`).join(", ") || "all tasks", budget.on_exceed === "hold" ? "holds what does not fit" : "refuses what does not fit"].join("; "),
        budget.period_end && ["; begins again ", time(budget.period_end)], budget.settings_limit && `; the settings say ${budget.settings_limit.amount}`),
      budget.shares.slice(0, 12).map((share) => {
        const used = (share.spent.micros + share.reserved.micros) / Math.max(1, budget.limit.micros);
        return h("div", { class: "share" }, share.value !== null && h("span", {}, share.value), meter(used, `${budget.name}${share.value === null ? "" : ` ${share.value}`}: ${Math.round(used * 100)} % used`, used >= 1 ? "full" : budget.warn_at && used >= budget.warn_at ? "near" : ""),
          h("span", { class: "figure" }, `${Math.round(used * 100)} %`), dim(`${share.spent.amount} spent, ${share.reserved.amount} reserved, ${share.left.amount} left`));
      }))))]);
  }
  async setLimit(budget) {
    const input = h("input", { id: "limit", inputmode: "decimal", value: budget.limit.amount, autocomplete: "off" });
    const body = [h("div", { class: "field" }, h("label", { for: "limit" }, `The whole limit in ${budget.limit.unit}, ${budget.per === "total" ? "for good" : "until the period ends"}`), input)];
    if (!await ask({ title: `Limit of ${budget.name}`, body, buttons: [{ label: "Keep as it is", value: false }, { label: "Set the limit", value: true, kind: "primary" }] })) return;
    await this.change(budget, input.value.trim(), `The limit of ${budget.name} is ${input.value.trim()} ${budget.limit.unit}.`);
  }
  async change(budget, limit, done) {
    if (await act(`/v1/budgets/${encodeURIComponent(budget.name)}`, { limit }, done)) await this.attempt(() => this.load());
  }
}
customElements.define("px-spend", Spend);

/** The destinations of notifications: whether they take them, what waits, what was given up. */
class Notifications extends Screen {
  build() {
    this.list = h("div", { class: "cards" });
    this.dead = h("section", {});
    add(this, [this.head("Notifications"), this.list, this.dead]);
    this.listen(live, "fresh", () => this.attempt(() => this.load()));
    this.every(4000, () => this.load());
    this.attempt(() => this.load());
  }
  update() {}
  async load() {
    const [{ destinations }, { dead_letters: dead }] = await Promise.all([get("/v1/notifications", this.signal), get("/v1/notifications/dead", this.signal)]);
    redraw(this.list, destinations, () => destinations.length ? destinations.map((one) => this.card(one)) : empty("No destination is set.", "Pollux can tell your programs what happens to tasks: by HTTP, over a socket, or by running a program. Add one to pollux.yaml and reload:",
      h("pre", { class: "json", tabindex: 0, role: "region", "aria-label": "Example" }, "notifications:\n  destinations:\n    backend: {url: https://app.example/hooks/pollux}")));
    redraw(this.dead, dead, () => dead.length > 0 && [h("h2", {}, "Given up ", h("span", { class: "count" }, number(dead.length))),
      table(["Destination", "Event", "Task", "Happened", "#Tries", "Why"], dead.slice(0, 200).map((one) => [one.destination, h("code", {}, one.type), one.task_id ? link(`#/task/${one.task_id}`, short(one.task_id)) : "–", time(one.at), number(one.attempts),
        [one.status && h("code", {}, one.status), " ", one.reason, one.answer && h("p", { class: "dim cut", title: one.answer }, one.answer)]])),
      dead.length > 200 && dim("The first 200 are shown.")]);
  }
  card(one) {
    const path = `/v1/notifications/${encodeURIComponent(one.name)}`;
    return h("article", { class: `card ${one.state === "open" ? "" : "bad"}` }, h("div", { class: "card-sign" }, icon("notifications")),
      h("div", { class: "card-body" }, h("h2", {}, one.name, " ", badge(one.state)), h("p", { class: "mono" }, one.target),
        dim(one.events.join(", "), "; ", one.endpoints === null ? "all endpoints" : one.endpoints.length ? one.endpoints.join(", ") : "only tasks that name it",
          Object.entries(one.labels).map(([key, value]) => `; ${key}=${value}`), "; ", one.signed ? "signed" : "not signed"),
        h("p", {}, `${number(one.waiting)} waiting · ${number(one.dead)} given up · ${number(one.behind)} log lines behind`, one.not_before && [" · next try ", time(one.not_before)]),
        one.last_failure && h("p", { class: one.state === "open" ? "dim" : "warn-text" }, "Last failure ", time(one.last_failure.at), ": ", one.last_failure.status && `${one.last_failure.status} `, one.last_failure.reason)),
      canAct() && h("div", { class: "card-actions" },
        button("Test", () => this.act(`${path}/test`, {}, tested), { kind: "small", "aria-label": `Send a test to ${one.name}` }),
        one.dead > 0 && button("Send again", async () => {
          if (await confirm(`Send ${plural(one.dead, "notification")} again?`, `“${one.name}” gets each that was given up once more.`, "Send again", "primary")) await this.act(`${path}/replay`, { dead: true }, "They are sent again.");
        }, { kind: "small", "aria-label": `Send what was given up again to ${one.name}` })));
  }
  async act(path, body, done) {
    if (await act(path, body, done)) await this.attempt(() => this.load());
  }
}
customElements.define("px-notifications", Notifications);

/** What is wrong with the daemon and what it works with, and the cure. */
class Doctor extends Screen {
  build() {
    this.run = button("Check now", () => this.check(), { kind: "primary" });
    this.checks = h("div", {});
    this.facts = h("section", {});
    add(this, [this.head("Doctor", canAct() && this.run), this.checks, this.facts]);
    fill(this.checks, canAct() ? empty("Nothing has been checked yet.", "“Check now” looks at settings, files, disks, the database, accounts, the clock, destinations and addresses. Nothing paid is sent; destinations get a test.")
      : empty("This session can only look.", "Checks send tests. Run them in a terminal:", command("pollux doctor")));
    this.attempt(() => this.loadFacts());
    this.every(10000, () => this.loadFacts());
  }
  update() {}
  async check() {
    this.run.disabled = true;
    fill(this.checks, h("p", { role: "status", class: "calm" }, "Checking…"));
    await this.attempt(async () => {
      const { troubles, checks } = await post("/v1/doctor", undefined, this.signal);
      const order = ["trouble", "unchecked", "ok"];
      checks.sort((one, other) => order.indexOf(one.result) - order.indexOf(other.result));
      fill(this.checks, h("p", { role: "status", class: troubles ? "problem" : "calm" }, icon(troubles ? "warning" : "succeeded"), troubles ? `${plural(troubles, "check")} found a trouble.` : `No trouble in ${plural(checks.length, "check")}.`),
        table(["Result", "Check", "What was found"], checks.map((one) => [badge(one.result), [one.check, one.subject && h("div", { class: "dim mono" }, one.subject)], prose(one.message)])));
    });
    this.run.disabled = false;
  }
  async loadFacts() {
    const status = await get("/v1/status", this.signal);
    this.dispatchEvent(new CustomEvent("status", { bubbles: true, detail: status }));
    const { artefacts: files, callbacks, database, settings } = status;
    redraw(this.facts, [status.pid, settings, database, files], () => [h("h2", {}, "This daemon"),
      facts(["Version", status.version], ["Process", `${status.pid}`], ["Started", time(status.started_at)],
        ["Database", [h("code", {}, database.path), ` ${bytes(database.size_bytes)}`]], ["Socket", h("code", {}, status.socket)],
        ["Files of results", files && [h("code", {}, files.directory), ` ${bytes(files.used_bytes)}${files.quota_bytes ? ` of ${bytes(files.quota_bytes)}` : ""}`, files.waiting > 0 && `, ${number(files.waiting)} to be fetched`]],
        ["Settings", [h("code", {}, settings.digest.slice(0, 12)), " read ", time(settings.loaded_at)]],
        ["Callbacks", callbacks ? `${callbacks.public_url}: ${plural(callbacks.deliveries, "delivery", "deliveries")}` : "off"]),
      canAct() && button("Read the settings again", async () => {
        const answer = await act("/v1/reload", undefined, ({ changed }) => changed.length ? `Changed: ${changed.join(", ")}.` : "Nothing has changed.");
        for (const warning of answer?.warnings ?? []) say(warning, "bad");
      }, { kind: "small" })]);
  }
}
customElements.define("px-doctor", Doctor);
