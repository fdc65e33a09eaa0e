// Small drawings: bars of memory, a band over depth, dots and lines. Each says in words what it shows.

import { svg, h } from "./dom.js";
import { gib, number, tokens } from "./format.js";
import { say } from "./words.js";

const PARTS = ["weights", "kv_cache", "state", "compute", "overhead"];

function partsOf(device) {
  const parts = PARTS.map((name) => [name, device[name]]);
  const more = Math.max(0, (device.overhead_high ?? device.overhead) - device.overhead);
  parts.push(["reserve", Math.min(more, Math.max(0, device.available - device.total))]);
  const used = parts.reduce((sum, [, size]) => sum + size, 0);
  parts.push(["unused", Math.max(0, device.available - used)]);
  return parts.filter(([, size]) => size > 0);
}

export function memoryBar(devices, label) {
  const parts = new Map();
  for (const device of devices) for (const [name, size] of partsOf(device)) parts.set(name, (parts.get(name) ?? 0) + size);
  const all = [...parts.values()].reduce((sum, size) => sum + size, 0) || 1;
  const said = [...parts].map(([name, size]) => `${say(name)} ${gib(size)}`).join(", ");
  const bar = svg("svg", { class: "bar", viewBox: "0 0 1000 20", preserveAspectRatio: "none", role: "img", "aria-label": `${label}: ${said}` });
  let x = 0;
  for (const [name, size] of parts) {
    const width = (size / all) * 1000;
    bar.append(svg("rect", { class: name, x: x.toFixed(1), y: 0, width: width.toFixed(1), height: 20 }, svg("title", {}, `${say(name)} ${gib(size)}`)));
    x += width;
  }
  return bar;
}

export function memoryLegend() {
  return h("div", { class: "legend", "aria-hidden": "true" }, [...PARTS, "reserve", "unused"].map((name) => h("span", {}, h("i", { class: name }), say(name))));
}

const W = 640, H = 260, LEFT = 52, BOTTOM = 34, TOP = 12, RIGHT = 14;

function nice(top) {
  const step = 10 ** Math.floor(Math.log10(top || 1));
  const found = [1, 2, 2.5, 5, 10].find((one) => one * step >= top) ?? 10;
  return found * step;
}

function frame(label, top, ticks, unit) {
  const chart = svg("svg", { class: "chart", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label });
  for (let i = 0; i <= 4; i += 1) {
    const y = H - BOTTOM - ((H - BOTTOM - TOP) * i) / 4;
    chart.append(svg("line", { class: "axis", x1: LEFT, x2: W - RIGHT, y1: y, y2: y }));
    chart.append(svg("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, number((top * i) / 4, top < 8 ? 1 : 0)));
  }
  for (const [x, text] of ticks) chart.append(svg("text", { x, y: H - 12, "text-anchor": "middle" }, text));
  if (unit) chart.append(svg("text", { x: W - RIGHT, y: H - 12, "text-anchor": "end" }, unit));
  return chart;
}

const yOf = (value, top) => H - BOTTOM - (Math.min(value, top) / top) * (H - BOTTOM - TOP);

export function depthChart(points) {
  if (points.length < 2) return null;
  const top = nice(Math.max(...points.map((p) => p.speed.decode_tps.high)));
  const last = Math.log2(points.at(-1).tokens), first = Math.log2(points[0].tokens);
  const xOf = (count) => LEFT + ((Math.log2(count) - first) / (last - first || 1)) * (W - LEFT - RIGHT);
  const ticks = points.filter((_, i) => points.length < 7 || i % 2 === 0).map((p) => [xOf(p.tokens), tokens(p.tokens)]);
  const said = `${say("overDepth")}: ${tokens(points[0].tokens)} ${number(points[0].speed.decode_tps.expected)}, ${tokens(points.at(-1).tokens)} ${number(points.at(-1).speed.decode_tps.expected)} ${say("tps")}`;
  const chart = frame(said, top, ticks, "");
  const line = (key) => points.map((p) => `${xOf(p.tokens).toFixed(1)},${yOf(p.speed.decode_tps[key], top).toFixed(1)}`);
  chart.append(svg("polygon", { class: "band", points: [...line("high"), ...line("low").reverse()].join(" ") }));
  chart.append(svg("polyline", { class: "middle", points: line("expected").join(" ") }));
  return chart;
}

export function dotChart(dots, label) {
  const xs = dots.map((d) => d.x), top = nice(Math.max(...dots.map((d) => d.y))), right = nice(Math.max(...xs));
  const xOf = (x) => LEFT + (x / right) * (W - LEFT - RIGHT);
  const chart = frame(label, top, [0.25, 0.5, 0.75, 1].map((part) => [xOf(right * part) - (part === 1 ? 18 : 0), number(right * part)]), "");
  for (const dot of dots) {
    const y = yOf(dot.y, top);
    chart.append(svg("circle", { class: "dot", cx: xOf(dot.x), cy: y, r: 5 }, svg("title", {}, dot.title)));
    const end = xOf(dot.x) > W * 0.7;
    chart.append(svg("text", { x: xOf(dot.x) + (end ? -9 : 9), y: y - 7, "text-anchor": end ? "end" : "start" }, dot.name));
  }
  return chart;
}

export function lineChart(lines, label) {
  const last = Math.max(...lines.flatMap((l) => l.points.map(([x]) => x)));
  const top = nice(Math.max(...lines.flatMap((l) => l.points.map(([, y]) => y))));
  const xOf = (x) => LEFT + (x / last) * (W - LEFT - RIGHT);
  const chart = frame(label, top, [0, 0.5, 1].map((part) => [Math.max(LEFT, Math.min(W - 30, xOf(last * part))), number(last * part)]), "");
  lines.forEach((one, i) => {
    const points = one.points.map(([x, y]) => `${xOf(x).toFixed(1)},${yOf(y, top).toFixed(1)}`).join(" ");
    chart.append(svg("polyline", { class: ["middle", "other", "third", "fourth"][i % 4], points }));
    const [x, y] = one.points.at(-1);
    chart.append(svg("text", { x: xOf(x) - 4, y: yOf(y, top) - 6, "text-anchor": "end" }, one.name));
  });
  return chart;
}
