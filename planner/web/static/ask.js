// The planner that the page asks: over HTTP, where the page came from.
//   ask(question, values) -> document; throws Refused with the planner's own line.

export class Refused extends Error {}

export function connect() {
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
