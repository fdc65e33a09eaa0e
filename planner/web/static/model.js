// One model: memory a device, speed over depth, every quantisation, what would change the answer, the command.

import { h, replaceWith, settled } from "./dom.js";
import { put } from "./address.js";
import { gib, number, range, rate, short, tokens } from "./format.js";
import { commandBox, failed, sortable, speedOf, started, verdict } from "./parts.js";
import { depthChart, memoryBar, memoryLegend } from "./draw.js";
import { controls, used } from "./runs.js";
import { say } from "./words.js";

const FORMATS = ["shell", "compose", "systemd", "kubernetes"];

export function modelView(place, planner, values) {
  const found = h("datalist", { id: "models" });
  const field = h("input", { type: "search", id: "model-name", list: "models", value: values.model ? short(values.model) : "", placeholder: "gpt-oss-20b", autocomplete: "off", spellcheck: "false" });
  field.addEventListener("input", settled(async () => {
    if (field.value.length < 2) return;
    const { models } = await planner.ask("models", { search: field.value }).catch(() => ({ models: [] }));
    replaceWith(found, models.slice(0, 40).map((m) => h("option", { value: m.name })));
  }, 120));
  const choose = () => put({ model: field.value.trim(), quant: "", engine: "" }, { replace: false });
  field.addEventListener("change", choose);
  const answer = h("div", { "aria-live": "polite" });
  replaceWith(place, h("h2", {}, say("model")),
    h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); choose(); } }, h("label", { for: "model-name" }, say("chooseModel"), h("br"), field, found), h("button", { class: "main", type: "submit" }, say("show"))),
    h("p", { class: "small quiet" }, say("modelHelp")), controls(values, { licence: false, speed: false }), answer);
  const plan = h("div", {}), around = h("div", {}), table = h("div", {}), licence = h("div", {});
  let last = "";
  return async (now) => {
    if (!now.model) return null;
    const asked = { ...used(now), model: now.model };
    if (now.quant) asked.quant = now.quant;
    if (now.engine) asked.engine = now.engine;
    const key = JSON.stringify(asked);
    last = key;
    answer.classList.add("busy");
    try {
      if (!plan.isConnected) replaceWith(answer, plan, around, table, licence);
      const document = await planner.ask("plan", asked);
      if (last !== key) return null;
      showPlan(plan, document, planner, asked);
      const { engine, quant, ...every } = asked;
      const [near, quants, page] = await Promise.all([
        planner.ask("neighbours", asked).catch(() => null),
        planner.ask("quants", every).catch(() => null),
        planner.ask("show", { name: document.model }).catch(() => null),
      ]);
      if (last !== key) return null;
      showAround(around, near);
      showQuants(table, quants, document);
      showLicence(licence, page);
      return null;
    } catch (error) {
      replaceWith(answer, failed(error));
      return /profile|machine|RAM|vram/i.test(error.message) ? error : null;
    } finally {
      answer.classList.remove("busy");
    }
  };
}

function showPlan(place, plan, planner, asked) {
  const users = asked.users ?? 1;
  const speed = speedOf(plan, users);
  replaceWith(place,
    h("h2", {}, `${plan.name} ${plan.quant} · ${plan.engine} `, verdict(plan)),
    h("div", { class: "facts" },
      h("span", {}, `${say("context")} `, h("b", {}, tokens(started(plan)))),
      h("span", {}, `${say("longest")} `, h("b", {}, tokens(plan.max_context))),
      speed ? h("span", {}, `${say("decode")} `, h("b", {}, range(speed)), ` ${say("tps")}`) : null,
      plan.speed ? h("span", {}, `${say("prefill")} `, h("b", {}, number(plan.speed.prefill_tps.expected)), ` ${say("tps")}`) : null,
      plan.speed ? h("span", {}, `${say("firstToken")} `, h("b", {}, `${rate(plan.speed.ttft_s.expected)} s`)) : null),
    h("ul", { class: "why" }, plan.why.map((line) => h("li", {}, line)), plan.warnings.map((line) => h("li", { class: "tight" }, line))),
    h("h3", {}, say("perDevice")), memoryLegend(),
    plan.memory.devices.filter((d) => d.total > 0).map((device) => h("div", { class: "big" },
      h("div", { class: "small" }, `${device.name}: ${gib(device.total)} / ${gib(device.available)}`), memoryBar([device], device.name))),
    plan.speed ? h("p", { class: "small quiet" }, `${say("limitedBy")}: ${plan.speed.limited_by}. ${say("basis")}: ${plan.speed.basis}`) : null,
    plan.fits ? tabs(plan, planner, asked) : null);
}

function tabs(plan, planner, asked) {
  const body = h("div", { role: "tabpanel", "aria-live": "polite" }, commandBox(plan.command, plan.env));
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": say("command") }, FORMATS.map((format, i) =>
    h("button", { type: "button", role: "tab", "aria-selected": i === 0 ? "true" : "false", onclick: async (event) => {
      for (const tab of list.children) tab.setAttribute("aria-selected", String(tab === event.currentTarget));
      try {
        const launch = await planner.ask("launch", { ...asked, quant: plan.quant, engine: plan.engine, format });
        replaceWith(body, launch.files.map((file) => [h("div", { class: "small quiet" }, file.name), commandBox(file.content)]), launch.command ? commandBox(launch.command, format === "shell" ? launch.env : {}) : null);
      } catch (error) {
        replaceWith(body, failed(error));
      }
    } }, format)));
  return [h("h3", {}, say("command")), list, body];
}

function showAround(place, near) {
  if (!near) return replaceWith(place);
  const chart = depthChart(near.points);
  return replaceWith(place, h("div", { class: "two" },
    chart ? h("div", {}, h("h2", {}, `${say("overDepth")} (${say("tps")})`), chart,
      h("p", { class: "small quiet" }, `${say("expected")}; ${say("band")}. → ${say("tokensInContext")}`),
      h("details", {}, h("summary", {}, say("wide")), sortable([
        { name: say("tokensInContext"), value: (p) => p.tokens, number: true, cell: (p) => tokens(p.tokens) },
        { name: say("memory"), value: (p) => p.total, number: true, cell: (p) => gib(p.total) },
        { name: say("tps"), value: (p) => p.speed.decode_tps.expected, number: true, cell: (p) => range(p.speed.decode_tps) },
      ], near.points, say("overDepth")))) : null,
    near.alternatives.length ? h("div", {}, h("h2", {}, say("alternatives")), h("ul", { class: "why" }, near.alternatives.map((line) => h("li", {}, line)))) : null));
}

function showQuants(place, table, plan) {
  if (!table?.quants.length) return replaceWith(place);
  return replaceWith(place, h("h2", {}, say("quants")), sortable([
    { name: say("quant"), value: (r) => r.quant, cell: (r) => h("button", { type: "button", "aria-pressed": String(r.quant === plan.quant && r.engine === plan.engine), onclick: () => put({ quant: r.quant, engine: r.engine }, { replace: false }) }, r.quant) },
    { name: say("engine"), value: (r) => r.engine, cell: (r) => r.engine },
    { name: say("size"), value: (r) => r.weights, number: true, cell: (r) => gib(r.weights) },
    { name: say("loss"), value: (r) => r.quality_loss, number: true, cell: (r) => (r.quality_loss < 0.05 ? "0" : `−${number(r.quality_loss, 1)}`) },
    { name: say("context"), value: (r) => r.context, number: true, cell: (r) => (r.fits ? tokens(r.context) : "–") },
    { name: say("tps"), value: (r) => r.decode_tps?.expected ?? 0, number: true, cell: (r) => range(r.decode_tps) },
    { name: "", cell: (r) => h("span", { title: r.problem }, verdict(r)) },
  ], table.quants, say("quants")));
}

function showLicence(place, page) {
  if (!page?.licence_terms) return replaceWith(place);
  return replaceWith(place, h("h2", {}, `${say("licenceWords")}: ${page.licence}`), h("ul", { class: "why" }, page.licence_terms.explanation.map((line) => h("li", {}, line))));
}
