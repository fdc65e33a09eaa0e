// One interface to the planner with two implementations: over HTTP to a local server, or in a worker of this browser.
//   ask(question, values) -> document; throws Refused with the planner's own line.

export class Refused extends Error {}

export async function connect() {
  const answer = await fetch("config.json");
  const config = answer.ok ? await answer.json() : { mode: "server" };
  return config.mode === "browser" ? inBrowser(config) : overHttp();
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

function inBrowser(config) {
  const worker = new Worker("worker.js", { type: "module" });
  const waiting = new Map();
  let number = 0;
  worker.onmessage = ({ data }) => {
    const found = waiting.get(data.number);
    waiting.delete(data.number);
    if (data.error !== undefined) found.reject(new Refused(data.error));
    else found.resolve(JSON.parse(data.text));
  };
  const send = (message) =>
    new Promise((resolve, reject) => {
      number += 1;
      waiting.set(number, { resolve, reject });
      worker.postMessage({ ...message, number });
    });
  const started = send({ start: config });
  return {
    async ask(question, values) {
      await started;
      return send({ question, values: JSON.stringify(values) });
    },
    version: () => started,
  };
}
