// Reads JSON without changing it: numbers keep their digits, members their order, texts their escapes.

import { add, button, h } from "./dom.js";

const blank = /[ \t\r\n]*/y;
const scalar = /"(?:[^"\\]|\\.)*"|[^\s,\]}]+/y;

function skip(text, at) {
  blank.lastIndex = at;
  blank.exec(text);
  return blank.lastIndex;
}

/** The end of the value that begins at a place. */
function endOf(text, at) {
  if (text[at] !== "{" && text[at] !== "[") {
    scalar.lastIndex = at;
    if (!scalar.exec(text)) throw new SyntaxError("No value.");
    return scalar.lastIndex;
  }
  let depth = 0;
  const token = /["{}[\]]/g;
  token.lastIndex = at;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    if (match[0] === '"') {
      scalar.lastIndex = match.index;
      if (!scalar.exec(text)) break;
      token.lastIndex = scalar.lastIndex;
    } else if (match[0] === "{" || match[0] === "[") {
      depth += 1;
    } else if ((depth -= 1) === 0) {
      return match.index + 1;
    }
  }
  throw new SyntaxError("The value does not end.");
}

/** The parts of an object or array: the text of the key, if it has one, and where the value begins and ends. */
function* parts(text, start = 0) {
  let at = skip(text, start);
  const isObject = text[at] === "{";
  const close = isObject ? "}" : "]";
  at = skip(text, at + 1);
  while (at < text.length && text[at] !== close) {
    let key = null;
    if (isObject) {
      const end = endOf(text, at);
      key = text.slice(at, end);
      at = skip(text, skip(text, end) + 1);
    }
    const end = endOf(text, at);
    yield { key, start: at, end };
    at = skip(text, end);
    if (text[at] === ",") at = skip(text, at + 1);
  }
}

/** The exact text of a member; undefined if there is none. */
export function member(text, name) {
  for (const part of parts(text)) if (JSON.parse(part.key) === name) return text.slice(part.start, part.end);
  return undefined;
}

/** The exact texts of the items of an array. */
export function items(text) {
  return [...parts(text)].map((part) => text.slice(part.start, part.end));
}

const width = 88;

/** Breaks a value into lines; only blanks between its parts change. */
export function pretty(text, indent = "") {
  const start = skip(text, 0);
  const open = text[start];
  if (open !== "{" && open !== "[") return text.trim();
  const close = open === "{" ? "}" : "]";
  const inner = [...parts(text, start)].map(({ key, start: from, end }) =>
    (key === null ? "" : `${key}: `) + pretty(text.slice(from, end), `${indent}  `));
  if (!inner.length) return open + close;
  const line = open === "{" ? `{ ${inner.join(", ")} }` : `[${inner.join(", ")}]`;
  if (open === "[" && line.length + indent.length <= width && !line.includes("\n") && !line.includes("{")) return line;
  return `${open}\n${inner.map((part) => `${indent}  ${part}`).join(",\n")}\n${indent}${close}`;
}

const colours = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|(true|false|null)/g;
const largest = 200_000;
const longest = 2_000;

/** A value to read: coloured, with long texts cut until they are asked for. Copying takes the exact text. */
export function view(text, name) {
  const pre = h("pre", { class: "json", tabindex: 0, role: "region", "aria-label": name });
  let shown = text;
  if (text.length > largest) {
    shown = text.slice(0, largest);
    pre.append(shown);
    return [pre, h("p", { class: "dim" }, `The first ${largest.toLocaleString("en")} of ${text.length.toLocaleString("en")} characters. “Copy” takes all of them.`)];
  }
  try {
    shown = pretty(text);
  } catch {
    // Nested deeper than this language follows: shown as it came.
  }
  let at = 0;
  for (const match of shown.matchAll(colours)) {
    if (match.index > at) pre.append(shown.slice(at, match.index));
    const [whole, string, colon, digits] = match;
    const kind = string ? (colon ? "key" : "text") : digits ? "digits" : "word";
    if (string && string.length > longest) {
      const span = h("span", { class: kind }, `${string.slice(0, 200)}…`);
      pre.append(span, button(`show all ${string.length.toLocaleString("en")} characters`, (event) => {
        span.textContent = string;
        event.currentTarget.remove();
      }, { kind: "small" }), colon ?? "");
    } else {
      add(pre, [h("span", { class: kind }, string ?? whole), string && colon]);
    }
    at = match.index + whole.length;
  }
  pre.append(shown.slice(at));
  return [pre];
}
