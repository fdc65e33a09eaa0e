// What runs: the best, a fast and a light choice, and all that was ranked.

import { h, replaceWith, settled } from "./dom.js";
import { href, machineOf, put } from "./address.js";
import { range, rate, short, tokens } from "./format.js";
import { chips, failed, planCard, slider, sortable, speedOf, started, verdict } from "./parts.js";
import { memoryBar, memoryLegend } from "./draw.js";
import { say } from "./words.js";

const USES = ["general", "coding", "reasoning", "multilingual", "agents", "vision"];
const USERS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
const CONTEXTS = ["", "4k", "8k", "16k", "32k", "64k", "128k", "256k"];
const SPEEDS = ["", 5, 10, 15, 20, 30, 40, 60, 80, 100];

export function controls(values, { licence = true, speed = true } = {}) {
  const set = settled((key, value) => put({ [key]: value }), 20);
  return h("div", { class: "row" },
    chips(say("useCase"), "use_case", USES.map((use) => [use, say(use)]), values.use_case ?? "general", (v) => put({ use_case: v === "general" ? "" : v })),
    licence ? chips(say("licence"), "license", ["any", "commercial", "permissive"].map((l) => [l, say(l)]), values.license ?? "any", (v) => put({ license: v === "any" ? "" : v })) : null,
    slider(say("users"), USERS, values.users ?? 1, String, (v) => set("users", v === 1 ? "" : v)),
    slider(say("context"), CONTEXTS, values.context ?? "", (v) => v || say("open"), (v) => set("context", v)),
    speed ? slider(say("speed"), SPEEDS, values.min_speed ?? "", (v) => (v === "" ? "–" : String(v)), (v) => set("min_speed", v)) : null);
}

export function used(values) {
  const found = machineOf(values);
  if (values.use_case) found.use_case = values.use_case;
  if (values.users) found.users = Number(values.users);
  if (values.context) found.context = values.context;
  if (values.min_speed) found.min_speed = Number(values.min_speed);
  return found;
}

export function runsView(place, planner, values) {
  const answer = h("div", { "aria-live": "polite" }, h("p", { class: "quiet" }, say("working")));
  replaceWith(place, h("h2", {}, say("runs")), controls(values), answer);
  let latest = 0, running = false, next = null;
  // One question at a time, and of those that came meanwhile the last: an older answer never replaces a newer one.
  const answerTo = async (now) => {
    const asked = { ...used(now), limit: 12 };
    if (now.license) asked.license = now.license;
    const number = (latest += 1);
    if (running) {
      next = now;
      return null;
    }
    running = true;
    answer.classList.add("busy");
    let failure = null;
    try {
      const found = await planner.ask("check", asked);
      if (number === latest) show(answer, found, now);
    } catch (error) {
      if (number === latest) replaceWith(answer, failed(error));
      failure = error;
    }
    running = false;
    if (next) {
      const then = next;
      next = null;
      return answerTo(then);
    }
    answer.classList.remove("busy");
    return failure;
  };
  return answerTo;
}

function show(place, check, values) {
  const users = Number(values.users || 1);
  const columns = [
    { name: say("name"), value: (p) => short(p.model), cell: (p) => h("a", { href: href("model", { ...machineOf(values), model: p.model, quant: p.quant, engine: p.engine, users: values.users, context: values.context, use_case: values.use_case }) }, short(p.model)) },
    { name: say("quant"), value: (p) => p.quant, cell: (p) => p.quant },
    { name: say("engine"), value: (p) => p.engine, cell: (p) => p.engine },
    { name: say("memory"), value: (p) => p.memory.total, number: true, cell: (p) => memoryBar(p.memory.devices, short(p.model)) },
    { name: say("context"), value: started, number: true, cell: (p) => tokens(started(p)) },
    { name: say("tps"), value: (p) => speedOf(p, users)?.expected ?? 0, number: true, cell: (p) => range(speedOf(p, users)) },
  ];
  const cards = check.cards ?? [];
  replaceWith(place,
    h("p", { class: "small quiet" }, `${say("machine")}: ${check.machine.name}`),
    cards.length ? h("div", { class: "cards" }, cards.map((card) => planCard(check.plans[card.rank - 1], say(card.kind), card.reason, values))) : h("p", {}, say("nothing")),
    check.notes.map((note) => h("p", { class: "small" }, note)),
    check.plans.length ? [h("h2", {}, say("all")), memoryLegend(), sortable(columns, check.plans, say("all"))] : null);
}

export { rate, verdict };
