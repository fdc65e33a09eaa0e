// Paste: a command is planned, a log or an error is explained; and what articles say, checked.

import { h, replaceWith } from "./dom.js";
import { machineOf, put } from "./address.js";
import { commandBox, failed } from "./parts.js";
import { say } from "./words.js";

const STARTS = /^\s*(\$ )?(sudo )?(\w+=\S+ )*(vllm serve|llama-server|llama-cli|ollama run|mlx_lm\.|python3? -m (sglang|vllm|mlx_lm))/;

export function pasteView(place, planner, values) {
  const area = h("textarea", { id: "paste", spellcheck: "false", placeholder: "llama-server -m …\nCUDA error: out of memory" });
  const answer = h("div", { "aria-live": "polite" });
  const explain = async () => {
    const text = area.value.trim();
    if (!text) return;
    if (STARTS.test(text) && !text.includes("\n")) {
      put({ ...machineOf(values), model: text.replace(/^\$ /, ""), quant: "", engine: "" }, { view: "model", replace: false });
      return;
    }
    try {
      show(answer, await planner.ask("diagnose", { text }));
    } catch (error) {
      replaceWith(answer, failed(error));
    }
  };
  replaceWith(place, h("h2", {}, say("paste")), h("label", { for: "paste" }, say("pasteHelp")), area, h("p", {}, h("button", { class: "main", type: "button", onclick: explain }, say("ask"))), answer);
  return async () => null;
}

function show(place, found) {
  const main = found.finding;
  if (!main) {
    replaceWith(place, h("p", {}, say("unknown")));
    return;
  }
  const list = (title, lines) => (lines.length ? [h("h3", {}, title), h("ul", { class: "why" }, lines.map((line) => h("li", {}, line)))] : null);
  replaceWith(place, h("div", { class: "card" }, h("h3", {}, say("cause")), h("p", {}, main.what), list(say("why"), main.why),
    list(say("mend"), main.changes.map((change) => `${change.do}${change.cost ? ` (${change.cost})` : ""}`)),
    found.command ? commandBox(found.command) : null, list(say("missing"), main.ask)));
}

export function claimsView(place, planner) {
  const answer = h("div", { "aria-live": "polite" }, h("p", { class: "quiet" }, say("working")));
  replaceWith(place, h("h2", {}, say("claims")), answer);
  let done = false;
  return async () => {
    if (done) return null;
    try {
      const { claims } = await planner.ask("claims", {});
      done = true;
      const mark = {
        holds: ["good", "✓", "holds"], partly: ["tight", "△", "partly"], "does not hold": ["bad", "✗", "fails"],
        "not a calculation": ["quiet", "–", "notReckoned"],
      };
      replaceWith(answer, claims.map((claim) => {
        const [kind, sign, word] = mark[claim.verdict];
        return h("article", { class: "card" }, h("h3", {}, h("span", { class: kind }, `${sign} ${say(word)}`), ` ${claim.says}`),
          h("ul", { class: "why small" }, claim.findings.map((f) => h("li", {}, h("span", { class: f.holds ? "good" : "bad" }, f.holds ? "✓ " : "✗ "), `${f.what}: ${f.detail}`))));
      }));
    } catch (error) {
      replaceWith(answer, failed(error));
    }
    return null;
  };
}
