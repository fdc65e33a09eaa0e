// The planner itself, in this browser: Pyodide and the planner's wheel, loaded once, asked by messages.

let asking = null;

async function start(config) {
  const { loadPyodide } = await import(config.pyodide + "pyodide.mjs");
  const pyodide = await loadPyodide({ indexURL: config.pyodide });
  const wheel = await (await fetch(config.wheel)).arrayBuffer();
  pyodide.unpackArchive(wheel, "wheel");
  asking = pyodide.runPython(`
import json
from planner.api.questions.ask import ask
from planner.documents.text import document_text
from planner.errors import PlannerError

def asked(question, values):
    try:
        return json.dumps({"text": document_text(ask(question, json.loads(values)))})
    except PlannerError as error:
        return json.dumps({"error": str(error)})

asked
`);
  const version = pyodide.runPython("import planner; planner.__version__");
  return JSON.stringify({ planner: version, here: false });
}

self.onmessage = async ({ data }) => {
  try {
    if (data.start) {
      self.postMessage({ number: data.number, text: await start(data.start) });
      return;
    }
    const { text, error } = JSON.parse(asking(data.question, data.values));
    self.postMessage({ number: data.number, text, error });
  } catch (error) {
    self.postMessage({ number: data.number, error: String(error.message ?? error) });
  }
};
