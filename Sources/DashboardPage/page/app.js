// The frame of the page: session, navigation by the address, keys.

import { ask, button, command, duration, fill, h, icon, now, number, say } from "./dom.js";
import { askOtherTabs, follow, live, logIn, logOut, session, sessionEvents } from "./session.js";

const screens = [
  ["now", "Now", "n"], ["tasks", "Tasks", "t"], ["gallery", "Gallery", "a"], ["endpoints", "Endpoints", "e"],
  ["spend", "Spend", "s"], ["notifications", "Notifications", "i"], ["doctor", "Doctor", "d"],
];
const known = new Set([...screens.map(([name]) => name), "task", "new"]);

function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { path: path.split("/").map(decodeURIComponent), parameters: new URLSearchParams(query) };
}

// --- Frame -----------------------------------------------------------------------------------------------------------------

const main = h("main", { id: "main", tabindex: -1 });
const needs = h("span", { class: "count", hidden: true });
const liveSign = h("span", { class: "live" });
const about = h("span", { class: "dim about" });
const items = new Map(screens.map(([name, text, key]) => [name, h("a", { href: `#/${name}`, title: `g ${key}` }, icon(name), h("span", {}, text), name === "now" && needs)]));
const looking = h("span", { class: "label", hidden: true }, "read-only");
const frame = h("div", { class: "frame" },
  h("a", { class: "skip", href: "#main", on: { click: (event) => {
    event.preventDefault();
    main.focus();
  } } }, "Skip to the contents"),
  h("header", {}, h("a", { class: "brand", href: "#/now", "aria-label": "Pollux" }, h("span", { class: "star", "aria-hidden": "true" }), "Pollux"),
    h("nav", { "aria-label": "Screens" }, h("ul", {}, [...items.values()].map((item) => h("li", {}, item)))),
    h("div", { class: "foot" }, liveSign, looking, about, h("div", { class: "row" }, button("Keys", () => help(), { kind: "small", title: "?" }),
      button("End session", async () => {
        await logOut();
        say("The session has ended, in all tabs.");
      }, { kind: "small" })))),
  main);
const messages = h("div", { id: "messages", role: "status", "aria-live": "polite" });

function drawLive() {
  const states = { live: ["live", "live"], lost: ["lost", "daemon away, trying again"], connecting: ["wait", "connecting"] };
  const [kind, text] = states[live.state];
  liveSign.className = `live ${kind}`;
  fill(liveSign, h("i", { "aria-hidden": "true" }), text);
}
live.addEventListener("state", drawLive);

document.addEventListener("status", ({ detail }) => {
  about.textContent = `Pollux ${detail.version} · up ${duration((now() - Date.parse(detail.started_at)) / 1000)}`;
});
document.addEventListener("needs", ({ detail }) => {
  needs.hidden = !detail;
  needs.textContent = number(detail);
  needs.title = `${detail} need you`;
});

const loaders = {
  now: () => import("./now.js"), tasks: () => import("./lists.js"), gallery: () => import("./lists.js"), task: () => import("./task.js"), new: () => import("./task.js"),
  endpoints: () => import("./upkeep.js"), spend: () => import("./upkeep.js"), notifications: () => import("./upkeep.js"), doctor: () => import("./upkeep.js"),
};
let shown = null;

async function navigate(first = false) {
  const login = location.hash.match(/^#login=(.+)$/);
  if (login) {
    await enter(login[1]);
    return;
  }
  if (!session) return;
  const to = route();
  const name = known.has(to.path[0]) ? to.path[0] : "now";
  if (name !== to.path[0]) {
    history.replaceState(null, "", "#/now");
    to.path = ["now"];
  }
  try {
    await loaders[name]();
  } catch {
    say("The page could not be loaded completely. Reload it once the daemon runs.", "bad");
    return;
  }
  for (const [item, anchor] of items) {
    if (item === name || (item === "tasks" && (name === "task" || name === "new"))) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  if (shown?.localName === `px-${name}` && shown.isConnected && shown.update) {
    shown.update(to);
    return;
  }
  shown = document.createElement(`px-${name}`);
  shown.route = to;
  main.replaceChildren(shown);
  scrollTo(0, 0);
  if (!first) (shown.querySelector("h1") ?? main).focus({ preventScroll: true });
}

// --- Session ---------------------------------------------------------------------------------------------------------------

function draw() {
  if (session) {
    looking.hidden = !session.read_only;
    drawLive();
    document.body.replaceChildren(frame, messages);
    navigate(true);
    follow();
  } else {
    shown = null;
    main.replaceChildren();
  }
}

function gate(title, ...rest) {
  document.title = "Pollux";
  document.body.replaceChildren(h("main", { class: "gate" }, h("div", { class: "panel" }, h("p", { class: "brand" }, h("span", { class: "star", "aria-hidden": "true" }), "Pollux"), h("h1", {}, title), rest)), messages);
}

function ended() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.closeWith?.(null);
  gate("This session has ended", h("p", {}, "Run this in a terminal and follow the address that it prints:"), command("pollux open"));
}

async function enter(code) {
  // The code works once; it must not stay in the address or in the history.
  history.replaceState(null, "", "#/now");
  try {
    await logIn(code);
  } catch (error) {
    if (session) {
      draw();
      say(error.message, "bad");
      return;
    }
    gate(error.status === 401 ? "This address has been used, or is too old" : "The session could not be opened",
      h("p", { role: "alert" }, error.status === 401 ? "An address of “pollux open” works once, within a minute. Run it again:" : error.message), command("pollux open"));
  }
}

sessionEvents.addEventListener("started", draw);
sessionEvents.addEventListener("ended", () => {
  draw();
  ended();
});
addEventListener("hashchange", () => navigate());

// --- Keys ------------------------------------------------------------------------------------------------------------------

let leader = 0;
const keysOff = () => localStorage.getItem("pollux-keys") === "off";

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !session || keysOff()) return;
  if (event.target.closest?.("input:not([type=checkbox]), textarea, select, dialog")) return;
  if (Date.now() - leader < 1200) {
    leader = 0;
    const found = screens.find(([, , key]) => key === event.key);
    if (found) {
      event.preventDefault();
      location.hash = `#/${found[0]}`;
    }
  } else if (event.key === "g") {
    leader = Date.now();
  } else if (event.key === "/") {
    const field = main.querySelector("input[type=search]");
    if (field) {
      event.preventDefault();
      field.focus();
    } else {
      event.preventDefault();
      location.hash = "#/tasks";
    }
  } else if (event.key === "c" && !session.read_only) {
    location.hash = "#/new";
  } else if (event.key === "?") {
    help();
  }
});

function help() {
  const off = h("input", { type: "checkbox", checked: !keysOff(), on: { change: () => localStorage.setItem("pollux-keys", off.checked ? "on" : "off") } });
  const rows = [...screens.map(([, text, key]) => [`g ${key}`, text]), ["/", "Filter"], ["c", "New task"], ["j k", "Next and previous task in the table"], ["x", "Select the task"], ["Enter", "Open the task"], ["← →", "Previous and next result"], ["?", "This list"]];
  ask({ title: "Keys", body: [h("dl", { class: "keys" }, rows.map(([keys, text]) => [h("dt", {}, keys.split(" ").map((key) => h("kbd", {}, key))), h("dd", {}, text)])),
    h("label", { class: "row" }, off, "Keys without Ctrl or Alt work")], buttons: [{ label: "Close", value: true, first: true }] });
}

// --- Start -----------------------------------------------------------------------------------------------------------------

const code = location.hash.match(/^#login=(.+)$/)?.[1];
document.body.replaceChildren(messages);
if (code) await enter(code);
else if (session) draw();
else if (!await askOtherTabs()) gate("Open the dashboard from a terminal", h("p", {}, "Run this on the machine of the daemon and follow the address that it prints. It works once, within a minute."), command("pollux open"));
