// Draws plots as SVG.

import { duration, h, svg } from "./dom.js";

function path(points) {
  return points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

/** Round steps for an axis that ends at a value, some five. */
function steps(end, sizes = [1, 2, 5, 10].map((factor) => factor * 10 ** Math.floor(Math.log10(end / 5)))) {
  const step = sizes.find((size) => size >= end / 5.5) ?? end / 5;
  return Array.from({ length: Math.floor(end / step + 1.0001) }, (_, place) => place * step);
}

const times = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

/** Share of tasks that have ended after a time, with the median and the ninth decile. */
export function durations(learned, label, typical) {
  // The slowest few would press the rest together.
  const curve = (learned.curve ?? []).filter(({ seconds }) => seconds <= learned.p90_seconds * 2.5).map(({ seconds, ended }) => [seconds, ended]);
  const [width, height, left, right, top, bottom] = [900, 230, 48, 20, 12, 28];
  const end = Math.max(curve.at(-1)?.[0] ?? 0, learned.p90_seconds * 1.2, 0.1);
  const x = (seconds) => left + (seconds / end) * (width - left - right);
  const y = (share) => height - bottom - share * (height - top - bottom);
  const drawn = curve.map(([seconds, share]) => [x(seconds), y(share)]);
  const mark = (seconds, share, text) => [
    svg("path", { d: `M${x(seconds)} ${y(0)}V${y(share)}H${left}`, class: "plot-guide" }),
    svg("circle", { cx: x(seconds), cy: y(share), r: 4, class: "plot-mark" }),
    x(seconds) > width - 170 ? svg("text", { x: x(seconds) - 9, y: y(share) - 8, class: "plot-strong end" }, text) : svg("text", { x: x(seconds) + 9, y: y(share) + 16, class: "plot-strong" }, text),
  ];
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "plot", role: "img", "aria-label": label },
    [0, 0.25, 0.5, 0.75, 1].map((share) => [
      svg("path", { d: `M${left} ${y(share)}H${width - right}`, class: "plot-grid" }),
      svg("text", { x: left - 8, y: y(share) + 4, class: "plot-text end" }, `${share * 100} %`)]),
    steps(end, times).map((seconds) => svg("text", { x: x(seconds), y: height - 8, class: "plot-text middle" }, seconds ? duration(seconds) : "0")),
    drawn.length > 1 && [
      svg("path", { d: `${path(drawn)}L${drawn.at(-1)[0]} ${y(0)}L${drawn[0][0]} ${y(0)}Z`, class: "plot-area" }), svg("path", { d: path(drawn), class: "plot-line" })],
    typical > 0 && typical <= end && [
      svg("path", { d: `M${x(typical)} ${y(0)}V${y(1)}`, class: "plot-typical" }),
      svg("text", { x: x(typical) + 5, y: y(0) - 6, class: "plot-text" }, `documented: ${duration(typical)}`)],
    mark(learned.p50_seconds, 0.5, `half within ${duration(learned.p50_seconds)}`),
    mark(learned.p90_seconds, 0.9, `90 % within ${duration(learned.p90_seconds)}`));
}

/** From the median to the ninth decile, on a logarithmic scale that all rows of a table share. */
export function range({ p50_seconds: half, p90_seconds: most }, [low, high]) {
  const x = (seconds) => 4 + (Math.log(seconds / low) / Math.log(Math.max(high / low, 1.01))) * 82;
  return svg("svg", { viewBox: "0 0 90 16", class: "range", "aria-hidden": "true" },
    svg("path", { d: "M2 8H88", class: "plot-grid" }), svg("path", { d: `M${x(half)} 8H${x(most)}`, class: "plot-line" }), svg("circle", { cx: x(half), cy: 8, r: 3.5, class: "plot-mark" }),
    svg("path", { d: `M${x(most)} 4V12`, class: "plot-line" }));
}

/** A bar for each day, what is reserved on top of what is spent. */
export function days(rows, unit, label) {
  const width = 820;
  const height = 190;
  const [left, right, top, bottom] = [52, 8, 10, 26];
  const most = Math.max(...rows.map((row) => row.spent + row.reserved), 1e-6);
  const marks = steps(most);
  const end = Math.max(most, marks.at(-1));
  const y = (value) => height - bottom - (value / end) * (height - top - bottom);
  const slot = (width - left - right) / rows.length;
  const every = Math.ceil(rows.length / 8);
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "plot", role: "img", "aria-label": label },
    marks.map((value) => [
      svg("path", { d: `M${left} ${y(value)}H${width - right}`, class: "plot-grid" }),
      svg("text", { x: left - 8, y: y(value) + 4, class: "plot-text end" }, Number(value.toPrecision(6)).toLocaleString("en"))]),
    rows.map((row, index) => {
      const x = left + index * slot + slot * 0.15;
      const size = Math.min(slot * 0.7, 40);
      return [
        svg("g", {}, svg("title", {}, `${row.day}: ${row.spent.toLocaleString("en")} ${unit} spent, ${row.reserved.toLocaleString("en")} reserved`),
          svg("rect", { x: left + index * slot, y: top, width: slot, height: height - top - bottom, class: "plot-slot" }),
          row.spent > 0 && svg("rect", { x, y: y(row.spent), width: size, height: y(0) - y(row.spent), rx: 1.5, class: "plot-bar" }),
          row.reserved > 0 && svg("rect", { x, y: y(row.spent + row.reserved), width: size, height: y(row.spent) - y(row.spent + row.reserved), rx: 1.5, class: "plot-bar reserved" })),
        index % every === 0 && svg("text", { x: x + size / 2, y: height - 8, class: "plot-text middle" }, row.day.slice(5))];
    }));
}

/** What the parts of a plot mean. */
export function legend(...entries) {
  return h("p", { class: "legend" }, entries.map(([kind, text]) => h("span", {}, h("i", { class: kind }), text)));
}
