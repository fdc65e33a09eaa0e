// The planner in a worker: Python compiled for browsers, and the same questions as the server's.

import { loadPyodide } from "./pyodide/pyodide.mjs";

const ANSWER = `
import sys
sys.path.insert(0, "/lib/planner")
import json
from planner import PlannerError, __version__
from planner.api.questions.ask import ask
from planner.documents.text import document_text

def answer(question, values):
    if question == "version":
        return json.dumps({"text": json.dumps({"planner": __version__, "here": False, "browser": True})})
    try:
        return json.dumps({"text": document_text(ask(question, json.loads(values)))})
    except PlannerError as error:
        return json.dumps({"error": str(error)})

answer
`;

const ready = (async () => {
  const [python, wheel] = await Promise.all([loadPyodide(), fetch("planner.whl").then((answer) => answer.arrayBuffer())]);
  python.unpackArchive(wheel, "zip", { extractDir: "/lib/planner" });
  return python.runPython(ANSWER);
})();

addEventListener("message", async ({ data: { id, question, values } }) => {
  try {
    postMessage({ id, ...JSON.parse((await ready)(question, JSON.stringify(values))) });
  } catch (error) {
    postMessage({ id, error: String(error.message ?? error).trim().split("\n").at(-1) });
  }
});
