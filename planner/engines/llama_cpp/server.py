"""What a running llama-server tells: /props (tools/server/server-context.cpp, b11434)."""

from __future__ import annotations

from planner.engines.llama_cpp.builds import differences
from planner.engines.running import Pages, Running, count, section, text


def running(pages: Pages) -> list[Running] | None:
    """Return the model that a llama-server runs, None where the server is none."""
    props = pages.object("/props")
    if not props or "build_info" not in props:
        return None
    build = text(props["build_info"]) or "unknown"
    settings = section(props, "default_generation_settings")
    path = text(props.get("model_path"))
    ram, vram = pages.process_memory()
    notes = (
        () if vram else ("llama-server doesn't tell what memory it uses; its log does (start it with -lv 5)",)
    )
    return [
        Running(
            engine="llama.cpp",
            build=build,
            model=text(props.get("model_alias")) or path or "unknown",
            path=path,
            context=count(settings.get("n_ctx")),
            sequences=count(props.get("total_slots")),
            process_ram=ram,
            process_vram=vram,
            notes=(*notes, *differences(build)),
        )
    ]
