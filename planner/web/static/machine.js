// The machine: this one, or one that is composed by name, number and RAM.

import { h, replaceWith, settled } from "./dom.js";
import { here, put } from "./address.js";
import { gib } from "./format.js";
import { say } from "./words.js";
import { failed } from "./parts.js";

const RAM = ["", "16", "24", "32", "48", "64", "96", "128", "192", "256", "384", "512", "768", "1024"];

export function machineView(place, planner, isHere) {
  const { values } = here();
  const found = h("datalist", { id: "profiles" });
  const field = h("input", { type: "search", id: "profile", list: "profiles", value: values.profile ?? "", placeholder: "RTX 4090, M4 Max …", autocomplete: "off", spellcheck: "false" });
  const count = h("input", { type: "number", id: "gpus", min: 1, max: 16, value: 1 });
  const ram = h("select", { id: "ram" }, RAM.map((size) => h("option", { value: size, selected: values.ram === `${size}GiB` }, size || say("open"))));
  const said = h("p", { class: "small quiet", "aria-live": "polite" });

  const search = settled(async () => {
    if (field.value.length < 2) return;
    const { profiles } = await planner.ask("profiles", { search: field.value }).catch(() => ({ profiles: [] }));
    replaceWith(found, profiles.slice(0, 30).map((p) => h("option", { value: p.id }, `${p.name}${p.memory ? `, ${gib(p.memory, 0)}` : ""}`)));
  }, 120);
  field.addEventListener("input", search);

  const use = () => {
    const several = Number(count.value) > 1 && field.value ? `${count.value}x ${field.value}` : field.value;
    count.value = 1;
    field.value = several;
    put({ profile: several.trim(), ram: ram.value ? `${ram.value}GiB` : "" }, { replace: false });
  };
  const form = h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); use(); } },
    h("label", { for: "profile" }, say("searchMachine"), h("br"), field, found),
    h("label", { for: "gpus" }, say("count"), h("br"), count),
    h("label", { for: "ram" }, say("ram"), h("br"), ram),
    h("button", { class: "main", type: "submit" }, say("use")),
    isHere ? h("button", { type: "button", onclick: () => { field.value = ""; put({ profile: "", ram: "", vram: "" }, { replace: false }); } }, say("thisMachine")) : null,
    h("button", { type: "button", onclick: async () => replaceWith(said, await proposal(planner, field)) }, say("propose")));
  field.addEventListener("change", () => { if ([...found.children].some((o) => o.value === field.value)) use(); });
  replaceWith(place, form, said, h("p", { class: "small quiet" }, say("machineHelp")));
  return (error) => replaceWith(said, error ? failed(error) : "");
}

// What WebGPU's adapter and the browser's own figures suggest; never taken without a click.
async function proposal(planner, field) {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  const told = [adapter?.info?.description, adapter?.info?.architecture, adapter?.info?.vendor].filter(Boolean);
  const memory = navigator.deviceMemory ? `${navigator.deviceMemory} GiB` : null;
  if (!told.length && !memory) return say("notSaid");
  const words = told.length ? (told[0].match(/(RTX|GTX|RX|Arc|M\d|Radeon)[\w ]*\d+\w*( (Ti|XT|XTX|SUPER|Max|Pro|Ultra))*/i)?.[0] ?? "") : "";
  if (words) field.value = words;
  return `${say("proposed")} ${[...told, memory].filter(Boolean).join(", ")}`;
}
