// Results to look at and listen to. The page loads files from the daemon only.

import { bytes, copy, h, icon, signButton } from "./dom.js";
import { post } from "./session.js";

const signed = new Map();
let wanted = new Map();
let timer;

/** The address of a saved file, which is valid for some minutes; addresses that are wanted at once are asked for together. */
export function address(task, index) {
  const key = `${task}/${index}`;
  const known = signed.get(key);
  if (known && known.until > Date.now() + 60000) return Promise.resolve(known.url);
  return new Promise((resolve, reject) => {
    if (!wanted.has(key)) wanted.set(key, { task, index, waiters: [] });
    wanted.get(key).waiters.push({ resolve, reject });
    timer ??= setTimeout(sign, 15);
  });
}

async function sign() {
  timer = undefined;
  const all = [...wanted.entries()];
  wanted = new Map();
  for (let from = 0; from < all.length; from += 200) {
    const part = all.slice(from, from + 200);
    try {
      const { urls, expires_at: expires } = await post("/dashboard/media", { results: part.map(([, { task, index }]) => ({ task, index })) });
      part.forEach(([key, { waiters }], place) => {
        signed.set(key, { url: urls[place], until: Date.parse(expires) });
        for (const { resolve } of waiters) resolve(urls[place]);
      });
    } catch (error) {
      for (const [, { waiters }] of part) for (const { reject } of waiters) reject(error);
    }
  }
}

/** What a browser can show of a result: `image`, `audio`, `video`, or null. */
export function kindOf(result) {
  const type = result.artefact?.media_type ?? result.media_type ?? "";
  const [kind, form] = type.split("/");
  if (kind === "image" && form !== "svg+xml") return "image";
  if (kind === "audio" && !/midi/.test(form)) return "audio";
  return kind === "video" ? "video" : null;
}

export function isSaved(result) {
  return result.artefact?.state === "saved";
}

/** Whether a result is base64 that the document itself contains. */
function inline(result) {
  return result.kind === "data" && typeof result.value === "string" && ["image", "audio", "video"].includes(kindOf(result));
}

export function canShow(result) {
  return kindOf(result) !== null && (isSaved(result) || inline(result));
}

function blobAddress(result) {
  const text = result.value.replace(/^data:[^,]*,/, "");
  const data = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return URL.createObjectURL(new Blob([data], { type: result.media_type ?? "application/octet-stream" }));
}

/** Gives an element the address of its file, and another one when the first has expired. */
function load(element, task, result, index) {
  let tries = 0;
  const set = async () => {
    try {
      const place = element.currentTime;
      element.src = inline(result) && !isSaved(result) ? blobAddress(result) : await address(task.id, index);
      if (place) element.currentTime = place;
    } catch {
      element.classList.add("broken");
    }
  };
  element.addEventListener("error", () => {
    signed.delete(`${task.id}/${index}`);
    if ((tries += 1) > 2) element.classList.add("broken");
    else set();
  });
  element.addEventListener("playing", () => (tries = 0));
  set();
  return element;
}

/** A picture, a player, or a note of what the file is. `small` is for a tile of a grid. */
export function show(task, result, index, text, small = false) {
  const kind = kindOf(result);
  if (!canShow(result)) return fileNote(task, result, index);
  if (kind === "image") return load(h("img", { alt: text, loading: "lazy", decoding: "async" }), task, result, index);
  if (kind === "video") return load(h("video", { controls: !small, muted: small, playsinline: true, preload: "metadata", "aria-label": text }), task, result, index);
  return h("div", { class: "sound" }, small && icon("sound"), load(h("audio", { controls: true, preload: "metadata", "aria-label": text }), task, result, index));
}

/** A link that saves the file. */
export function download(task, result, index, label = "Download") {
  if (!isSaved(result)) return null;
  const anchor = h("a", { class: "button small", href: "#", "aria-label": `Download result ${index + 1}`, title: "Download" }, icon("download"), label);
  anchor.addEventListener("click", async (event) => {
    event.preventDefault();
    try {
      const href = await address(task.id, index);
      const hidden = h("a", { href, download: name(task, result, index) });
      document.body.append(hidden);
      hidden.click();
      hidden.remove();
    } catch { /* The session's end is shown by the page itself. */ }
  });
  return anchor;
}

function name(task, result, index) {
  return result.artefact?.path?.split("/").pop() ?? `${task.id}-${index + 1}`;
}

const words = {
  waiting: "The file is to be fetched.", fetching: "The file is being fetched.", saved: "The file is on disk.",
  removed: "The file was on disk and was removed.", gone: "The file cannot be fetched any more: no URL works.",
  refused: "The file was not fetched: the URL or the contents are not what they should be.",
};

/** What a result is that the page does not show. */
export function fileNote(task, result, index) {
  const { artefact } = result;
  return h("div", { class: "file" }, icon("file"),
    h("div", {},
      h("p", {}, artefact ? words[artefact.state] : result.kind === "data" ? "Base64 in the record." : "The file is not kept here."),
      artefact?.error && h("p", { class: "dim" }, artefact.error),
      h("p", { class: "dim" }, [artefact?.media_type ?? result.media_type, artefact?.size_bytes !== null && artefact?.size_bytes !== undefined && bytes(artefact.size_bytes)].filter(Boolean).join(" · "))));
}

/** The value of a result as text, to copy; an address at the provider opens only when a person follows it. */
export function valueOf(result) {
  if (typeof result.value !== "string" && typeof result.value !== "number") return null;
  const text = String(result.value);
  if (result.kind === "data") return null;
  return h("div", { class: "value" },
    result.kind === "url" && /^https?:\/\//i.test(text)
      ? h("a", { href: text, rel: "noreferrer noopener", target: "_blank", title: "Opens the provider's address in a new tab" }, text)
      : h("span", { class: result.kind === "text" ? "prose" : "mono" }, text),
    signButton("copy", "Copy this result", () => copy(text)));
}
