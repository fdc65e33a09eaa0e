"""What a running Ollama tells: /api/version and /api/ps (its API documentation)."""

from __future__ import annotations

from planner.engines.running import Pages, Running, count, section, text


def running(pages: Pages) -> list[Running] | None:
    """Return the models that an Ollama holds loaded, None where the server is none."""
    version = pages.object("/api/version")
    loaded = pages.object("/api/ps") if version and "version" in version else None
    if not version or loaded is None or not isinstance(loaded.get("models"), list):
        return None
    found = []
    for model in loaded["models"]:
        if isinstance(model, dict) and text(model.get("name")):
            details = section(model, "details")
            found.append(
                Running(
                    engine="ollama",
                    build=f"Ollama {text(version['version'])}",
                    model=str(text(model["name"])),
                    quant=text(details.get("quantization_level")),
                    context=count(model.get("context_length")),
                    total=count(model.get("size")),
                    vram=count(model.get("size_vram")) or 0,  # old versions leave out a 0
                )
            )
    return found
