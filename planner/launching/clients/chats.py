"""Chats and assistants: Open WebUI and Home Assistant."""

from __future__ import annotations

from typing import Final

from planner.launching.clients.connection import NO_KEY, ClientFile, Connection
from planner.launching.yaml_text import to_yaml
from planner.safe_text import one_line

PORT: Final = 3000  # Open WebUI's own is llama-server's here
_LEAST, _MOST = 2048, 131072  # tokens that Home Assistant's form takes


def open_webui(server: Connection) -> tuple[ClientFile, ...]:
    """Return Open WebUI's environment (backend/open_webui/config.py and env.py, 0.6).

    A file for `docker run --env-file`: one line a variable, no quotes.
    """
    env = (
        {"ENABLE_OLLAMA_API": "True", "OLLAMA_BASE_URL": server.address, "ENABLE_OPENAI_API": "False"}
        if server.is_ollama
        else {
            "ENABLE_OPENAI_API": "True",
            "OPENAI_API_BASE_URL": server.openai,
            "OPENAI_API_KEY": NO_KEY,
            "ENABLE_OLLAMA_API": "False",
        }
    )
    env |= {"DEFAULT_MODELS": server.model, "HOST": "127.0.0.1", "PORT": str(PORT)}
    lines = [f"{name}={one_line(value)}" for name, value in env.items()]
    return (
        ClientFile(
            "open-webui",
            "open-webui.env",
            "\n".join(lines) + "\n",
            "docker run --network host --env-file open-webui.env --volume open-webui:/app/backend/data"
            f" ghcr.io/open-webui/open-webui, then http://127.0.0.1:{PORT}; read at its first start, later ones keep"
            " what its settings say",
        ),
    )


def home_assistant(server: Connection) -> tuple[ClientFile, ...]:
    """Return what Home Assistant's form asks (homeassistant/components/ollama: config_flow.py, const.py, 2026).

    Its integrations are set up in its pages, not in a file: these are the values to type, by the form's own names.
    `num_ctx` goes with every request: another than the planned one would load the model anew.
    """
    values = {
        "url": server.address,
        "model": server.model,
        "llm_hass_api": ["assist"] if server.calls_tools else [],
        "num_ctx": min(max(server.context, _LEAST), _MOST),
        "keep_alive": -1,
    }
    return (
        ClientFile(
            "home-assistant",
            "Settings > Devices & services > Add integration > Ollama",
            to_yaml(values),
            "from another machine the server must listen there: OLLAMA_HOST=ADDRESS, in a network that is yours alone;"
            " the address then replaces 127.0.0.1",
        ),
    )
