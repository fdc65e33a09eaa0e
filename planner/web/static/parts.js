// Parts that several views share.

import { h } from "./dom.js";
import { gib, range, short, tokens } from "./format.js";
import { memoryBar } from "./draw.js";
import { href, machineOf } from "./address.js";
import { say } from "./words.js";

export function commandBox(text, env = {}) {
  const exports = Object.entries(env).map(([key, value]) => `export ${key}=${quoted(value)}\n`).join("");
  const whole = exports + text;
  const button = h("button", { type: "button", onclick: () => copy(whole, button) }, say("copy"));
  return h("div", { class: "command" }, h("pre", { tabindex: "0" }, whole), button);
}

const quoted = (value) => (/^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'"'"'`)}'`);

export async function copy(text, button) {
  await navigator.clipboard.writeText(text).catch(() => {
    const area = h("textarea", { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  });
  const before = button.textContent;
  button.textContent = say("copied");
  setTimeout(() => (button.textContent = before), 1500);
}

export const failed = (error) => h("p", { class: "error", role: "alert" }, error.message);

export const started = (plan) => plan.settings.n_ctx ? Math.floor(plan.settings.n_ctx / (plan.settings.kv_unified ? 1 : plan.settings.n_parallel || 1)) : plan.settings.max_model_len ?? plan.settings.num_ctx ?? plan.max_context;

export const speedOf = (plan, users = 1) => {
  if (!plan.speed) return null;
  const together = plan.speed.total_output_tps;
  if (users <= 1 || !together) return plan.speed.decode_tps;
  const each = (key) => Math.min(plan.speed.decode_tps[key], together[key] / users);
  return { low: each("low"), expected: each("expected"), high: each("high") };
};

export function verdict(plan) {
  if (plan.fits) return h("span", { class: "good" }, `✓ ${say("fits")}`);
  return plan.tight ? h("span", { class: "tight" }, `△ ${say("tight")}`) : h("span", { class: "bad" }, `✗ ${say("doesnt")}`);
}

export function planCard(plan, title, reason, values) {
  const users = Number(values.users || 1);
  return h("article", { class: "card" },
    h("div", { class: "kind" }, title),
    h("div", { class: "name" }, `${short(plan.model)} ${plan.quant}`),
    h("div", { class: "facts" },
      h("span", {}, h("b", {}, plan.engine)),
      h("span", {}, h("b", {}, range(speedOf(plan, users))), ` ${say("tps")}`),
      h("span", {}, h("b", {}, tokens(started(plan))), ` ${say("context")}`),
      h("span", {}, h("b", {}, gib(plan.memory.total)))),
    h("div", { class: "big" }, memoryBar(plan.memory.devices, short(plan.model))),
    h("p", { class: "small quiet" }, reason),
    commandBox(plan.command, plan.env),
    h("a", { href: href("model", { ...machineOf(values), model: plan.model, quant: plan.quant, engine: plan.engine, users: values.users, context: values.context, use_case: values.use_case }) }, say("plan")));
}

// A table that sorts by a click on a heading. Columns: {name, value(row), cell(row), number}.
export function sortable(columns, rows, caption) {
  let by = null, down = true;
  const body = h("tbody", {});
  const heads = columns.map((column, i) => {
    const cell = h("th", { scope: "col", class: column.number ? "number" : null },
      column.value ? h("button", { type: "button", title: `${say("sortBy")} ${column.name}`, onclick: () => sort(i) }, column.name) : column.name);
    return cell;
  });
  const sort = (i) => {
    down = by === i ? !down : Boolean(columns[i].number);
    by = i;
    heads.forEach((head, j) => (j === i ? head.setAttribute("aria-sort", down ? "descending" : "ascending") : head.removeAttribute("aria-sort")));
    const value = columns[i].value;
    fill([...rows].sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0) * (down ? -1 : 1)));
  };
  const fill = (list) => body.replaceChildren(...list.map((row) => h("tr", {}, columns.map((column) => h("td", { class: column.number ? "number" : null }, column.cell(row))))));
  fill(rows);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, h("table", {}, h("thead", {}, h("tr", {}, heads)), body));
}

export function chips(legend, name, options, chosen, change) {
  return h("fieldset", {}, h("legend", {}, legend), h("div", { class: "chips" }, options.map(([value, text]) =>
    h("label", {}, h("input", { type: "radio", name, value, checked: value === chosen, onchange: () => change(value) }), text))));
}

let sliders = 0;

export function slider(text, steps, chosen, shown, change) {
  const at = Math.max(0, steps.findIndex((step) => String(step) === String(chosen)));
  const out = h("span", {}, shown(steps[at]));
  const id = `slide-${(sliders += 1)}`;
  const input = h("input", { type: "range", id, min: 0, max: steps.length - 1, step: 1, value: at, "aria-valuetext": shown(steps[at]) });
  input.addEventListener("input", () => {
    const value = steps[Number(input.value)];
    out.textContent = shown(value);
    input.setAttribute("aria-valuetext", shown(value));
    change(value);
  });
  return h("div", {}, h("label", { for: id }, text, ": ", out), input);
}
