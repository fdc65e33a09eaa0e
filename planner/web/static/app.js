// The page: one address, one view, one planner to ask.

import { h, replaceWith } from "./dom.js";
import { here, href } from "./address.js";
import { connect } from "./ask.js";
import { language, say } from "./words.js";
import { copy } from "./parts.js";
import { machineView } from "./machine.js";
import { runsView } from "./runs.js";
import { modelView } from "./model.js";
import { buyView } from "./buy.js";
import { claimsView, pasteView } from "./paste.js";

const VIEWS = { runs: runsView, model: modelView, buy: buyView, paste: pasteView, claims: claimsView };
const place = document.getElementById("view");

document.documentElement.lang = language;
document.getElementById("skip").textContent = say("skip");
replaceWith(place, h("p", { class: "quiet" }, say("loading")));

const planner = connect();
const version = await planner.version();
let shown = null, update = null;
const tellMachine = machineView(document.getElementById("machine"), planner, version.here);
const link = h("button", { type: "button", onclick: () => copy(location.href, link) }, say("link"));
replaceWith(document.getElementById("footer"), h("div", { class: "row" }, h("span", {}, `planner ${version.planner}. ${say(version.browser ? "browser" : version.here ? "served" : "elsewhere")}`), link, h("button", { type: "button", onclick: () => print() }, say("print"))));

async function draw() {
  const { view, values } = here();
  const known = VIEWS[view] ? view : "runs";
  const nav = Object.keys(VIEWS).map((name) => h("a", { href: href(name, values), "aria-current": name === known ? "page" : null }, say(name)));
  replaceWith(document.getElementById("nav"), nav);
  if (shown !== known) {
    shown = known;
    update = VIEWS[known](place, planner, values);
    document.title = `planner · ${say(known)}`;
  }
  const error = await update(values);
  tellMachine(error && /profile|machine/i.test(error.message) ? error : null);
}

addEventListener("hashchange", draw);
if (!location.hash) history.replaceState(null, "", href("runs", version.here ? {} : { profile: "rtx-4090" }));
draw();
