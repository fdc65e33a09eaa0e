// The planner that the page asks: over HTTP, where the page came from, or in a worker of this browser.
//   ask(question, values) -> document; throws Refused with the planner's own line.
//   version() -> {planner, here, browser}

export class Refused extends Error {}

export function connect() {
  return document.querySelector("meta[name=planner]")?.content === "worker" ? inBrowser() : overHttp();
}

function overHttp() {
  const token = new URLSearchParams(location.hash.startsWith("#token=") ? location.hash.slice(1) : "").get("token");
  if (token) {
    sessionStorage.setItem("token", token);
    history.replaceState(null, "", "#/runs");
  }
  const known = sessionStorage.getItem("token");
  const headers = known ? { authorization: `Bearer ${known}` } : {};
  const read = async (answer) => {
    const body = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
    if (!answer.ok) throw new Refused(body.error);
    return body;
  };
  return {
    async ask(question, values) {
      const body = JSON.stringify(values);
      return read(
        await fetch(`api/v1/${question}`, {
          method: "POST",
          headers: { ...headers, "content-type": "application/json" },
          body,
        }),
      );
    },
    async version() {
      return read(await fetch("api/v1/version", { headers }));
    },
  };
}

function inBrowser() {
  const waiting = new Map();
  const worker = kept().then(() => {
    const started = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    const end = ({ data: { id, text, error } }) => {
      const { resolve, reject } = waiting.get(id);
      waiting.delete(id);
      if (error === undefined) resolve(JSON.parse(text));
      else reject(new Refused(error));
    };
    started.addEventListener("message", end);
    started.addEventListener("error", () => [...waiting.keys()].forEach((id) => end({ data: { id, error: "the planner could not be loaded" } })));
    return started;
  });
  let last = 0;
  const ask = async (question, values) => {
    const asked = await worker, id = ++last;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      asked.postMessage({ id, question, values });
    });
  };
  return { ask, version: () => ask("version", {}) };
}

// Resolves once the service worker keeps the site, so that it is fetched once; at once where there can be none.
async function kept() {
  const found = await navigator.serviceWorker?.register("offline.js", { updateViaCache: "none" }).catch(() => null);
  const coming = found?.active ? null : (found?.installing ?? found?.waiting);
  if (!coming) return;
  await new Promise((resolve) => {
    const look = () => ["activated", "redundant"].includes(coming.state) && resolve();
    coming.addEventListener("statechange", look);
    look();
  });
}
