// Buy: price against speed, what to get and what not, cost over months.

import { h, replaceWith } from "./dom.js";
import { put } from "./address.js";
import { money, number, range, tokens } from "./format.js";
import { failed, sortable } from "./parts.js";
import { dotChart, lineChart } from "./draw.js";
import { controls, used } from "./runs.js";
import { say } from "./words.js";

export function buyView(place, planner, values) {
  const field = (key, label, type, shown) => {
    const input = h("input", { type, id: `buy-${key}`, name: key, value: values[key] ?? shown, min: type === "number" ? 0 : null, step: "any" });
    return [h("label", { for: `buy-${key}` }, label, h("br"), input), input];
  };
  const fields = [
    field("models", say("models"), "text", "gpt-oss-20b"), field("budget", say("budget"), "number", "3000"), field("max_watts", say("watts"), "number", ""),
    field("hours_per_day", say("hours"), "number", "8"), field("kwh_price", say("kwh"), "number", "0.30"), field("months", say("months"), "number", "36"),
  ];
  const answer = h("div", { "aria-live": "polite" });
  const submit = (event) => {
    event.preventDefault();
    put(Object.fromEntries(fields.map(([, input]) => [input.name, input.value])), { replace: false });
    dispatchEvent(new HashChangeEvent("hashchange"));
  };
  replaceWith(place, h("h2", {}, say("buy")), h("form", { class: "row", onsubmit: submit }, fields.map(([label]) => label), h("button", { class: "main", type: "submit" }, say("show"))),
    controls(values, { licence: false }), answer);
  let last = "";
  return async (now) => {
    if (!now.models) return null;
    const { profile, ram, vram, free, backend, ...asked } = used(now);
    asked.models = now.models.split(",").map((name) => name.trim()).filter(Boolean);
    for (const key of ["budget", "max_watts", "hours_per_day", "kwh_price", "months"]) if (now[key]) asked[key] = Number(now[key]);
    const key = JSON.stringify(asked);
    last = key;
    answer.classList.add("busy");
    if (!answer.childElementCount) replaceWith(answer, h("p", { class: "quiet" }, say("working")));
    try {
      const found = await planner.ask("buy", asked);
      if (last !== key) return null;
      await show(answer, found, planner, asked);
    } catch (error) {
      replaceWith(answer, failed(error));
    } finally {
      answer.classList.remove("busy");
    }
    return null;
  };
}

async function show(place, found, planner, asked) {
  const rows = found.options;
  const table = sortable([
    { name: say("machineName"), value: (o) => o.profile, cell: (o) => o.profile },
    { name: say("price"), value: (o) => o.price, number: true, cell: (o) => h("span", { title: o.price_note }, money(o.price)) },
    { name: say("quant"), value: (o) => o.plans[0].quant, cell: (o) => o.plans[0].quant },
    { name: say("engine"), value: (o) => o.plans[0].engine, cell: (o) => o.plans[0].engine },
    { name: say("context"), value: (o) => o.plans[0].max_context, number: true, cell: (o) => tokens(o.plans[0].max_context) },
    { name: say("tps"), value: (o) => o.decode_tps.expected, number: true, cell: (o) => range(o.decode_tps) },
    { name: "W", value: (o) => o.watts ?? 0, number: true, cell: (o) => (o.watts ? number(o.watts) : "?") },
    { name: say("noise"), value: (o) => o.noise, cell: (o) => o.noise },
    { name: say("total"), value: (o) => o.cost ?? 0, number: true, cell: (o) => money(o.cost) },
  ], rows, say("buy"));
  const dots = rows.map((o) => ({ x: o.price, y: o.decode_tps.expected, name: o.profile, title: `${o.profile}: ${money(o.price)}, ${range(o.decode_tps)} ${say("tps")}` }));
  replaceWith(place,
    found.notes.map((note) => h("p", {}, note)),
    rows.length ? [h("div", { class: "two" }, h("div", {}, h("h2", {}, `${say("priceSpeed")} (${say("tps")})`), dotChart(dots, say("priceSpeed"))), h("div", { id: "costs" })), table,
      h("p", { class: "small quiet" }, rows.map((o) => `${o.profile}: ${o.price_note}`).join(" · "))] : null,
    found.rented.length ? [h("h2", {}, say("rent")), h("ul", { class: "why" }, found.rented.map((o) => h("li", {}, `${o.name}: ${o.hourly_price} USD/h, ${range(o.decode_tps)} ${say("tps")} (${o.price_note})`)))] : null,
    found.not_to_buy.length ? [h("h2", {}, say("notToBuy")), h("ul", { class: "why" }, found.not_to_buy.map((o) => h("li", {}, `${o.profile} (${money(o.price)}): ${o.problem}`)))] : null);
  const costs = place.querySelector("#costs");
  if (!costs) return;
  const cheapest = rows[0];
  const terms = { model: asked.models[0], profile: cheapest.profile, price: cheapest.price, months: found.months, hours_per_day: found.hours_per_day, kwh_price: found.kwh_price };
  if (found.rented[0]) terms.cloud = found.rented[0].hourly_price;
  const cost = await planner.ask("cost", terms).catch(() => null);
  if (!cost) return;
  const months = cost.months;
  const lines = [{ name: `${say("own")}: ${cheapest.profile}`, points: [[0, cost.own.price], [months, cost.own.price + cost.own.running_per_month * months]] },
    ...cost.alternatives.map((other) => ({ name: other.name, points: [[0, 0], [months, other.total]] }))];
  replaceWith(costs, h("h2", {}, `${say("costs")} (USD)`), lineChart(lines, say("costs")),
    h("ul", { class: "why small" }, cost.alternatives.map((other) => h("li", {}, other.verdict)), cost.notes.map((note) => h("li", { class: "quiet" }, note))));
}
