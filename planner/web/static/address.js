// The state of the page is its address: #/view?key=value. A link is an answer.

export function here() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { view: path || "runs", values: Object.fromEntries(new URLSearchParams(query)) };
}

export function href(view, values) {
  const kept = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const query = new URLSearchParams(kept).toString();
  return `#/${view}${query ? `?${query}` : ""}`;
}

// Changes values in the address; a step of a slider replaces, so that "back" leaves the view.
export function put(changes, { view, replace = true } = {}) {
  const now = here();
  const target = href(view ?? now.view, { ...now.values, ...changes });
  if (target === location.hash) return;
  if (replace && (view === undefined || view === now.view)) {
    history.replaceState(null, "", target);
    dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = target;
  }
}

const MACHINE = ["profile", "ram", "vram", "free", "backend"];
export const machineOf = (values) =>
  Object.fromEntries(MACHINE.filter((key) => values[key]).map((key) => [key, values[key]]));
