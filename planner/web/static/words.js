// Every word of the page, in English and German; what the planner itself says comes in its own words.

const EN = {
  runs: "What runs", model: "One model", buy: "Buy", paste: "Paste", claims: "Claims", skip: "To the answer",
  machine: "Machine", thisMachine: "This machine", change: "Change", searchMachine: "Card, Mac or computer",
  count: "How many", ram: "RAM (GiB)", use: "Use", propose: "What has this browser?", other: "another machine",
  machineHelp: "Type a name such as RTX 4090, M4 Max or Strix Halo; “2x rtx-3090 + 64GiB ddr5-5600” works too.",
  proposed: "The browser says:", notSaid: "This browser does not say which GPU it has.",
  useCase: "Use case", users: "Users at once", context: "Context", speed: "At least tokens/s", licence: "Licence",
  open: "as needed", general: "General", coding: "Coding", reasoning: "Reasoning", multilingual: "Languages",
  agents: "Agents", vision: "Vision", any: "any", commercial: "commercial use", permissive: "permissive",
  best: "Best", fast: "Fast", light: "Light", nothing: "Nothing fits.", all: "All that was ranked",
  name: "Model", quant: "Quantisation", engine: "Engine", memory: "Memory", tps: "Tokens/s", copy: "Copy",
  copied: "Copied", longest: "longest", plan: "Explain", weights: "weights", kv_cache: "KV cache", state: "state",
  compute: "compute", overhead: "overhead", reserve: "overhead at most", unused: "free", chooseModel: "Model",
  modelHelp: "A name of the catalogue, a repository, or a whole command such as “vllm serve …”.",
  fits: "fits", tight: "tight", doesnt: "does not fit", perDevice: "Memory of each device", overDepth: "Speed over depth",
  tokensInContext: "tokens in the context", expected: "expected", band: "where 80 % of measurements lie",
  quants: "All quantisations here", loss: "Loss (points)", size: "Size", alternatives: "What would change the answer",
  command: "Command", licenceWords: "Licence in plain words", limitedBy: "Limited by", firstToken: "First token",
  basis: "Rests on", prefill: "Prefill", decode: "Decode", models: "Models (comma between)", budget: "Budget",
  watts: "Watts at most", hours: "Hours on a day", kwh: "Price of a kWh", months: "Months", show: "Show",
  price: "Price", total: "With electricity", noise: "Noise", rent: "Rent by the hour", notToBuy: "Not for this",
  priceSpeed: "Price against speed", ask: "Explain it", pasteHelp: "A command, a log or an error. It is read here and goes nowhere.",
  cause: "What happened", why: "Why", mend: "What to do", missing: "What would tell more",
  costs: "Cost over months", own: "own", holds: "holds", fails: "does not hold", partly: "partly", notReckoned: "nothing to reckon", unknown: "not recognised",
  elsewhere: "Computed by the server that this page came from.", served: "Computed by the server on your machine.",
  browser: "Computed in this browser; nothing leaves it.",
  loading: "Loading the planner …", working: "Computing …", sortBy: "sort by", print: "Print", link: "Copy link",
  wide: "Table", machineName: "Machine",
};

const DE = {
  runs: "Was läuft", model: "Ein Modell", buy: "Kaufen", paste: "Einfügen", claims: "Behauptungen", skip: "Zur Antwort",
  machine: "Rechner", thisMachine: "Dieser Rechner", change: "Ändern", searchMachine: "Karte, Mac oder Rechner",
  count: "Anzahl", ram: "RAM (GiB)", use: "Verwenden", propose: "Was hat dieser Browser?", other: "ein anderer Rechner",
  machineHelp: "Ein Name wie RTX 4090, M4 Max oder Strix Halo; auch „2x rtx-3090 + 64GiB ddr5-5600“.",
  proposed: "Der Browser sagt:", notSaid: "Dieser Browser sagt nicht, welche GPU er hat.",
  useCase: "Verwendung", users: "Nutzer zugleich", context: "Kontext", speed: "Mindestens Token/s", licence: "Lizenz",
  open: "nach Bedarf", general: "Allgemein", coding: "Programmieren", reasoning: "Denken", multilingual: "Sprachen",
  agents: "Agenten", vision: "Bilder", any: "beliebig", commercial: "gewerblich", permissive: "freizügig",
  best: "Beste", fast: "Schnell", light: "Klein", nothing: "Nichts passt.", all: "Alles in der Reihenfolge",
  name: "Modell", quant: "Quantisierung", engine: "Engine", memory: "Speicher", tps: "Token/s", copy: "Kopieren",
  copied: "Kopiert", longest: "längstens", plan: "Erklären", weights: "Gewichte", kv_cache: "KV-Cache", state: "Zustand",
  compute: "Rechnen", overhead: "Grundlast", reserve: "Grundlast höchstens", unused: "frei", chooseModel: "Modell",
  modelHelp: "Ein Name des Katalogs, ein Repository oder ein ganzer Befehl wie „vllm serve …“.",
  fits: "passt", tight: "knapp", doesnt: "passt nicht", perDevice: "Speicher jedes Geräts", overDepth: "Tempo über die Tiefe",
  tokensInContext: "Token im Kontext", expected: "erwartet", band: "wo 80 % der Messungen liegen",
  quants: "Alle Quantisierungen hier", loss: "Verlust (Punkte)", size: "Größe", alternatives: "Was die Antwort änderte",
  command: "Befehl", licenceWords: "Die Lizenz in Worten", limitedBy: "Begrenzt durch", firstToken: "Erstes Token",
  basis: "Beruht auf", prefill: "Prefill", decode: "Decode", models: "Modelle (mit Komma)", budget: "Budget",
  watts: "Höchstens Watt", hours: "Stunden am Tag", kwh: "Preis der kWh", months: "Monate", show: "Zeigen",
  price: "Preis", total: "Mit Strom", noise: "Geräusch", rent: "Stundenweise mieten", notToBuy: "Nicht dafür",
  priceSpeed: "Preis gegen Tempo", ask: "Erklären", pasteHelp: "Ein Befehl, ein Log oder ein Fehler. Gelesen wird hier, gesendet nichts.",
  cause: "Was geschah", why: "Warum", mend: "Was hilft", missing: "Was mehr verriete",
  costs: "Kosten über Monate", own: "eigen", holds: "stimmt", fails: "stimmt nicht", partly: "teils", notReckoned: "nichts zu rechnen", unknown: "nicht erkannt",
  elsewhere: "Vom Server gerechnet, von dem diese Seite kommt.", served: "Vom Server auf Ihrem Rechner gerechnet.",
  browser: "In diesem Browser gerechnet; nichts verlässt ihn.",
  loading: "Der Planer wird geladen …", working: "Es wird gerechnet …", sortBy: "sortieren nach", print: "Drucken", link: "Link kopieren",
  wide: "Tabelle", machineName: "Rechner",
};

export const language = (navigator.languages ?? [navigator.language]).find((l) => /^(de|en)/.test(l))?.slice(0, 2) ?? "en";
const WORDS = language === "de" ? DE : EN;

export const say = (key) => WORDS[key] ?? EN[key] ?? key;
export const catalogues = { en: EN, de: DE };
