// One task: its log with what each line proves, its request and record exactly, its results. And a new task, empty or from an old one.

import { actionButtons, possibleIds, settle } from "./actions.js";
import { add, badge, button, bytes, copy, dim, duration, facts, h, icon, link, number, plural, prose, redraw, say, Screen, signButton, time } from "./dom.js";
import { notice, quote, unquote, words } from "./filter.js";
import { items, member, pretty, view } from "./json.js";
import { canShow, download, fileNote, show, valueOf } from "./media.js";
import { endpointPath, eta, labels, open, progress, progressBar, short, stateBadge, summary, took } from "./model.js";
import { canAct, get, getText, live, request } from "./session.js";

/** What a line of the log is called, and what it proves. */
const kinds = {
  created: ["Stored", "It is on disk. Nothing has been sent."],
  submission_started: ["Sending", "The intent to pay is on disk; only then the request goes out."],
  submission_accepted: ["Accepted", "Proof: the reply contained the provider's id."],
  submission_answered: ["Answered with the result", "Proof: the reply itself was the result."],
  submission_not_accepted: ["Not accepted", "Proof: the provider did not take it. It may be sent again without paying twice."],
  submission_refused: ["Rejected", "Proof: the provider refused the request. It is not sent again."],
  submission_interrupted: ["Reply lost", "Proves nothing: the provider may have accepted it. It is looked up, not sent again."],
  perhaps_sent: ["Perhaps sent before", "Proves nothing: an earlier state of the database may have sent it."],
  found_in_journal: ["Found in a journal", "Proves nothing: the machine that sent it knows that the database has lost this. It is looked up, not sent again."],
  lookup_undecided: ["Looked up, undecided", "Proves nothing: the provider's list shows records that may be its own. A person compares them."],
  found_in_list: ["Found in the provider's list", "Proof: a record of the list equals the request. Nothing was sent again."],
  found_by_own_id: ["Found by its own id", "Proof: the provider has a record with the id that Pollux gave it."],
  adopted: ["Adopted", "Tracked under an id that was given by hand."],
  resubmitted: ["Sent again", "Its submission was unknown; it is sent once more."],
  given_up: ["Given up", "Its submission stays unknown. Nothing more is sent; a bill may still come."],
  joined: ["Joined", "Another request repeats this one. Nothing was sent for it."],
  late_record: ["An earlier attempt was accepted", "The provider has a record of an attempt that was given up."],
  late_result: ["A late result", "It came after the outcome, which does not change."],
  observed: ["Outcome observed", "Proof: a status query returned the final record."],
  called_back: ["Callback arrived", "A hint: it is unsigned, so a status query decides."],
  ended_by_callback: ["Ended by callback", "Proof: the provider no longer knows it, and a callback to its secret address is final."],
  result_saved: ["File saved", "It is whole on disk."],
  result_waiting: ["File waits for room", "The disk or the quota is full. The URL may expire."],
  budget_held: ["Held by a budget", "Nothing was sent: there is no room for its estimate."],
  budget_warning: ["Budget nearly used", "With it, a budget came near its limit."],
  budget_exceeded: ["Budget used", "With it, a budget reached its limit."],
  budget_approved: ["Approved", "A person lets it exceed its budgets, once."],
  slower_than_usual: ["Slower than usual", "It takes longer than 99 of 100 of its kind."],
  vanished: ["Unknown to the provider", "The provider does not know the id any more."],
  cancelled: ["Cancelled", "Pollux stopped tracking. The provider may still finish and bill it."],
  reopened: ["Tracked again", ""],
  action: ["Changed by hand", ""],
  expired: ["Deadline passed", "Pollux stopped tracking."],
};

class TaskScreen extends Screen {
  build() {
    this.id = this.route.path[1];
    this.events = [];
    this.top = h("div", {});
    this.settling = h("div", {});
    this.results = h("section", { "aria-label": "Results" });
    this.facts = h("section", { "aria-label": "Facts" });
    this.log = h("ol", { class: "timeline" });
    this.request = h("section", {});
    this.response = h("section", {});
    add(this, [
      this.top, this.settling, this.results,
      h("div", { class: "columns" },
        h("section", { "aria-labelledby": "log" }, h("h2", { id: "log" }, "Log"), this.log), this.facts),
      this.request, this.response,
    ]);
    this.reload = () => this.load();
    this.listen(live, "changes", ({ detail }) => detail.some(({ task }) => task.id === this.task?.id) && this.later(120, this.reload));
    this.listen(live, "fresh", () => this.later(120, this.reload));
    this.every(2500, async () => this.task?.state === "running" && this.load());
    this.attempt(this.reload);
  }
  update(route) {
    if (route.path[1] !== this.id) {
      this.route = route;
      this.replaceChildren();
      this.ending.abort();
      this.connectedCallback();
    }
  }
  async load() {
    // The text is kept: numbers in it may have more digits than a number of this language.
    this.text = await getText(`/v1/tasks/${this.id}`, this.signal);
    this.task = JSON.parse(this.text);
    this.id = this.task.id;
    notice([this.task]);
    await this.loadEvents();
    this.draw();
    if (!this.endpoint || this.endpoint.name !== this.task.endpoint) {
      this.endpoint = await get(`/v1/endpoints/${endpointPath(this.task.endpoint)}`, this.signal).catch(() => null);
      this.drawFacts();
    }
  }
  async loadEvents() {
    for (;;) {
      const after = this.events.at(-1)?.sequence ?? 0;
      const text = await getText(`/v1/tasks/${this.id}/events?after=${after}`, this.signal);
      const page = JSON.parse(text);
      this.removedAt = page.removed_at;
      items(member(text, "events")).forEach((part, place) => {
        const event = page.events[place];
        if (event.sequence > (this.events.at(-1)?.sequence ?? 0)) this.events.push({ ...event, detailText: member(part, "detail") });
      });
      if (page.events.length < 500) return;
    }
  }
  draw() {
    const { task } = this;
    this.drawTop();
    const possible = possibleIds(this.events);
    redraw(this.settling, task.state === "uncertain" && [task.waiting_for, possible], () => task.state === "uncertain" && h("div", { class: "card uncertain" }, h("div", { class: "card-sign" }, icon("uncertain")),
      h("div", { class: "card-body" }, h("h2", {}, "Nobody knows yet whether the provider accepted it"), h("p", {}, prose(task.waiting_for?.message)), settle(task, possible, this.reload))));
    this.drawResults();
    this.drawFacts();
    this.drawLog();
    this.drawDocument(this.request, "request", "Request");
    this.drawDocument(this.response, "response", "The provider's record");
  }
  drawTop() {
    const { task } = this;
    const title = summary(task);
    redraw(this.top, { ...task, response: null, polls: null, next_poll_at: null }, () => [
      this.head(title.length > 140 ? `${title.slice(0, 140)}…` : title),
      h("div", { class: "task-line" }, stateBadge(task), link(`#/endpoints/${task.endpoint}`, task.endpoint), h("span", { class: "mono" }, task.id, signButton("copy", "Copy the id", () => copy(task.id))), labels(task, true), task.pinned && h("span", { class: "label" }, "pinned")),
      h("div", { class: "actions" },
        canAct() && task.request && h("a", { class: "button small primary", href: `#/new?from=${task.id}` }, "Use again"),
        actionButtons(task, (after, name) => {
          if (name === "retry" && after.id !== task.id) location.hash = `#/task/${after.id}`;
          else this.load();
        }, ["approve", "retry", "cancel", "reopen", "fetch", "pin", "unpin", "delete"]),
        task.request && [button("Copy as curl", () => copy(this.curl()), { kind: "small", sign: "copy" }), button("Copy as command", () => copy(this.commandLine()), { kind: "small", sign: "copy" })]),
      task.state === "running" && h("div", { class: "big-progress" }, progressBar(task), h("span", {}, progress(task) && [progress(task).text, " · "], "expected ", eta(task))),
      task.waiting_for && task.state !== "uncertain" && h("div", { class: "note" }, icon("queued"), h("span", {}, prose(task.waiting_for.message))),
      task.error && h("div", { class: task.state === "failed" ? "problem" : "note" }, icon(task.state === "failed" ? "failed" : "warning"),
        h("div", {}, h("p", {}, h("code", {}, task.error.code), " ", prose(task.error.message), task.error.http_status && dim(` (HTTP ${task.error.http_status})`)), task.error.hint && h("p", { class: "dim" }, prose(task.error.hint)))),
    ]);
  }
  drawResults() {
    const { task } = this;
    redraw(this.results, [task.state, task.results], () => task.results.length ? [
      h("h2", {}, plural(task.results.length, "result")), h("div", { class: "results" }, task.results.map((result, index) =>
        h("figure", { class: "result" }, canShow(result) ? show(task, result, index, `Result ${index + 1}: ${summary(task).slice(0, 120)}`) : result.kind !== "text" && result.kind !== "id" && fileNote(task, result, index),
          h("figcaption", {}, valueOf(result), h("div", { class: "row" }, h("code", { class: "dim", title: "Where it stands in the record" }, result.pointer), dim(bytes(result.artefact?.size_bytes)), download(task, result, index))))))]
      : task.state === "succeeded" && h("div", { class: "note" }, icon("file"), "The provider reported success, and no result was found in its record."));
  }
  drawFacts() {
    const { task } = this;
    redraw(this.facts, [{ ...task, response: null }, this.endpoint?.price], () => [h("h2", {}, "Facts"), facts(
      ["Created", time(task.created_at)], ["Submitted", task.submitted_at && time(task.submitted_at)], ["Ended", task.ended_at && time(task.ended_at)],
      ["Took", task.ended_at && took(task)],
      ["Provider's clock", task.started_at && task.finished_at && duration((Date.parse(task.finished_at) - Date.parse(task.started_at)) / 1000)],
      ["Deadline", task.deadline && time(task.deadline)], ["Not before", task.not_before && time(task.not_before)], ["Next status query", task.next_poll_at && open.has(task.state) && time(task.next_poll_at)],
      ["Attempts", number(task.attempts)], ["Status queries", number(task.polls)],
      ["Remote id", task.remote_id && h("span", { class: "mono" }, task.remote_id, signButton("copy", "Copy the remote id", () => copy(task.remote_id)))],
      ["Trace id", task.trace_id && h("span", { class: "mono" }, task.trace_id)],
      ["Account", task.account], ["Price", this.endpoint && (this.endpoint.price?.words ?? "unknown")], ["If uncertain", { hold: "waits for a person", resubmit_if_absent: "sent again once absence is proven", fail: "fails after ten minutes" }[task.on_uncertain]],
      ["Settled", task.resolution && h("code", {}, task.resolution)], ["Outcome from", task.outcome_source],
      ["Callbacks", task.callback && `${plural(task.callback.deliveries, "delivery", "deliveries")} to ${task.callback.receiver}`],
      ["Notifies", task.notify], ["Priority", task.priority !== 0 && number(task.priority)], ["Note", task.note],
      ["Retry of", task.retry_of && link(`#/task/${task.retry_of}`, short(task.retry_of))],
      ["Files", task.capture === false && "are not fetched by themselves"],
      ["Removed", task.removed && [["request", "response", "events"].filter((part) => task.removed[part]).join(", "), " ", time(task.removed.at)]])]);
  }
  drawLog() {
    const first = Date.parse(this.task.created_at);
    redraw(this.log, this.events.length, () => [this.events.map((event, index) => {
      const [title, proof] = kinds[event.kind] ?? [event.kind.replaceAll("_", " "), ""];
      const passed = (Date.parse(event.at) - first) / 1000;
      return h("li", { class: event.to ?? "same" },
        h("span", { class: "timeline-sign" }, icon(event.to ?? "dot")),
        h("div", {}, h("p", { class: "timeline-head" }, h("b", {}, title), event.to && event.to !== event.from && badge(event.to),
          dim(index ? `+${duration(Math.max(0, passed))} · ` : "", time(event.at))),
        proof && h("p", { class: "proof" }, proof), this.detail(event)));
    }), this.removedAt && h("li", { class: "same" }, h("span", { class: "timeline-sign" }, icon("dot")), h("div", {}, h("p", {}, "Earlier lines were removed ", time(this.removedAt))))]);
  }
  /** What else a line says; the message in full, everything else as it stands in the log. */
  detail({ detail, detailText }) {
    if (!detail || typeof detail !== "object") return null;
    const { message, ...rest } = detail;
    const exact = (name) => member(detailText, name);
    return [
      message && h("p", { class: "quote" }, message),
      Object.keys(rest).length > 0 && h("p", { class: "details" }, Object.keys(rest).map((name) => h("span", {}, dim(`${name} `), h("code", {}, typeof rest[name] === "string" ? rest[name] : exact(name))))),
    ];
  }
  drawDocument(section, name, title) {
    const exact = member(this.text, name) ?? "null";
    redraw(section, exact, () => exact === "null"
      ? [h("h2", {}, title), dim(this.task.removed?.[name] ? "It was removed." : name === "request" ? "It was submitted elsewhere, so the request is not known." : "There is none yet.")]
      : [h("div", { class: "section-head" }, h("h2", {}, title), dim(bytes(new Blob([exact]).size)), button("Copy", () => copy(exact), { kind: "small", sign: "copy", title: "Copies the exact JSON" })),
        name === "response" && exact.length > 4000 ? h("details", {}, h("summary", {}, "Show it"), view(exact, title)) : view(exact, title)]);
  }
  submission() {
    const { task } = this;
    const parts = [`"endpoint": ${JSON.stringify(task.endpoint)}`, `"request": ${member(this.text, "request")}`];
    if (Object.keys(task.labels).length) parts.push(`"labels": ${member(this.text, "labels")}`);
    if (task.priority) parts.push(`"priority": ${task.priority}`);
    return `{${parts.join(", ")}}`;
  }
  curl() {
    return `curl --unix-socket "$socket" http://localhost/v1/tasks -d ${shell(this.submission())}`;
  }
  commandLine() {
    const { task } = this;
    return ["pollux submit", shell(task.endpoint), "--json-body", shell(member(this.text, "request")),
      ...Object.entries(task.labels).map(([key, value]) => `--label ${shell(`${key}=${value}`)}`), task.priority ? `--priority ${task.priority}` : ""].filter(Boolean).join(" ");
  }
}
customElements.define("px-task", TaskScreen);

/** A text as one word of a shell. */
export function shell(text) {
  return /^[A-Za-z0-9_./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

class NewTask extends Screen {
  build() {
    this.from = this.route.parameters.get("from");
    this.key = crypto.randomUUID();
    this.attempt(() => this.load());
  }
  async load() {
    const { endpoints } = await get("/v1/endpoints", this.signal);
    this.endpoints = new Map(endpoints.map((one) => [one.name, one]));
    let old = null;
    let text = "{}";
    if (this.from) {
      const document = await getText(`/v1/tasks/${this.from}`, this.signal);
      old = JSON.parse(document);
      text = pretty(member(document, "request"));
    }
    const start = old?.endpoint ?? this.route.parameters.get("endpoint") ?? "";
    if (!old && this.endpoints.get(start)?.example) text = JSON.stringify(this.endpoints.get(start).example, null, 2);
    this.endpoint = h("input", { id: "endpoint", value: start, list: "endpoints", required: true, autocomplete: "off", spellcheck: "false", placeholder: "service/operation", on: { change: () => this.chosen() } });
    this.request = h("textarea", { id: "request", rows: 14, spellcheck: "false", class: "mono", value: text, on: { input: () => this.check() } });
    this.labels = h("input", { id: "labels", autocomplete: "off", spellcheck: "false", placeholder: "project=x batch=7", value: old ? Object.entries(old.labels).map(([name, value]) => quote(`${name}=${value}`)).join(" ") : "" });
    this.note = h("input", { id: "note", maxlength: 200, value: old?.note ?? "" });
    this.uncertain = h("select", { id: "uncertain" },
      [["", "as the daemon's settings say"], ["hold", "wait for a person"], ["resubmit_if_absent", "send again once absence is proven"], ["fail", "fail after ten minutes of look-ups"]].map(([value, label]) => h("option", { value, selected: value === (old?.on_uncertain ?? "") }, label)));
    this.price = h("p", { class: "dim", id: "price" });
    this.wrong = h("p", { class: "warn-text", id: "wrong", role: "status" });
    this.submit = button("Submit", () => this.send(), { kind: "primary" });
    const field = (id, label, input, ...rest) => h("div", { class: "field" }, h("label", { for: id }, label), input, rest);
    this.prepend(this.head(old ? "Use again" : "New task"));
    add(this, [
      old && h("p", {}, "A new task with the request of ", link(`#/task/${old.id}`, old.id), ", to change or to send as it is. The old record stays."),
      !canAct() && h("div", { class: "note" }, icon("warning"), "This session can only look. Run “pollux open” without --read-only to submit."),
      h("div", { class: "form" },
        field("endpoint", "Endpoint", this.endpoint, h("datalist", { id: "endpoints" }, endpoints.map(({ name }) => h("option", { value: name }))), this.price),
        field("request", "Request (JSON, passed on unchanged)", this.request, this.wrong),
        h("div", { class: "two" }, field("labels", "Labels", this.labels), field("note", "Note", this.note)),
        field("uncertain", "If it is not known whether the provider accepted it", this.uncertain),
        h("div", { class: "row" }, this.submit, h("span", { class: "dim" }, "A task is sent once, and paid."))),
    ]);
    this.listen(this.request, "keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && this.send());
    this.request.setAttribute("aria-describedby", "wrong");
    this.submit.disabled = !canAct();
    this.chosen(true);
  }
  chosen(keep) {
    const found = this.endpoints.get(this.endpoint.value.trim());
    this.price.textContent = found ? `Makes ${found.kind}. Price: ${found.price?.words ?? "unknown"}.` : "";
    if (!keep && found?.example && this.request.value.trim() === "{}") this.request.value = JSON.stringify(found.example, null, 2);
    this.check();
  }
  check() {
    let wrong = "";
    try {
      const value = JSON.parse(this.request.value);
      if (value === null || typeof value !== "object" || Array.isArray(value)) wrong = "The request is a JSON object: { … }.";
    } catch (error) {
      wrong = `This is no JSON yet: ${error.message}`;
    }
    this.wrong.textContent = wrong;
    return !wrong;
  }
  async send() {
    if (!this.check() || !canAct()) return;
    if (!this.endpoint.value.trim()) {
      this.endpoint.focus();
      return;
    }
    const labels = {};
    for (const word of words(this.labels.value)) {
      const text = unquote(word);
      const at = text.indexOf("=");
      if (at < 1) {
        say(`Write labels as name=value, not “${text}”.`, "bad");
        this.labels.focus();
        return;
      }
      labels[text.slice(0, at)] = text.slice(at + 1);
    }
    const rest = { endpoint: this.endpoint.value.trim(), idempotency_key: `dashboard/${this.key}`, labels, note: this.note.value.trim() || null, on_uncertain: this.uncertain.value || null };
    // The request goes as it was written: reading it into numbers would change digits.
    const body = `${JSON.stringify(rest).slice(0, -1)}, "request": ${this.request.value.trim()}}`;
    this.submit.disabled = true;
    try {
      const response = await request("/v1/tasks", { method: "POST", body });
      const task = await response.json();
      say("Submitted.");
      location.hash = `#/task/${task.id}`;
    } catch (error) {
      // With the same key a repetition after a lost reply is the same task. A rejection stored nothing.
      if (error.status >= 400 && error.status < 500 && error.status !== 409) this.key = crypto.randomUUID();
      if (error.code !== "session_ended") say(error.message, "bad");
      this.submit.disabled = false;
    }
  }
}
customElements.define("px-new", NewTask);
