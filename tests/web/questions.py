"""Two hundred questions, as plain values and as the command line writes them."""

from __future__ import annotations

from collections.abc import Iterator

MODELS = (
    "gpt-oss-20b", "gpt-oss-120b", "qwen3.6-27b", "qwen3.6-35b-a3b", "qwen3-8b", "llama-3.3-70b", "gemma-4-26b-a4b",
    "deepseek-r1", "glm-5.3-flash", "granite-4.2-3b",
)  # fmt: skip
MACHINES = (
    "rtx-4090", "rtx-3060-12", "2x rtx-3090", "apple-m4-max-128gb", "apple-m4-16gb", "h100-80gb",
    "strix-halo-395-128", "raspberry-pi-5-8gb", "dgx-spark", "rx-7900-xtx + 64GiB ddr5-5600",
)  # fmt: skip


def questions() -> Iterator[tuple[str, dict[str, object], list[str]]]:
    """(question, its values, the command's words)."""
    for model in MODELS:
        yield "show", {"name": model}, ["show", model]
        for machine in MACHINES:
            yield "plan", {"model": model, "profile": machine}, ["plan", model, "--profile", machine]
    for number, machine in enumerate(MACHINES):
        model = MODELS[number]
        yield "check", {"profile": machine, "limit": 2}, ["check", "--profile", machine, "--limit", "2"]
        for format in ("shell", "compose"):
            values = {"model": "gpt-oss-20b", "profile": machine, "format": format}
            yield "launch", values, ["launch", "gpt-oss-20b", "--profile", machine, "--format", format]
        for users, context in ((1, "16k"), (2, "8k")):
            values = {
                "model": model,
                "profile": machine,
                "users": users,
                "context": context,
                "use_case": "coding",
            }
            words = ["plan", model, "--profile", machine, "--users", str(users), "--context", context]
            yield "plan", values, [*words, "--use-case", "coding"]
        two = [model, MODELS[number - 1]]
        yield "compare", {"models": two}, ["compare", *two]
        yield "models", {"search": model[:4]}, ["models", model[:4]]
        yield "profiles", {"search": machine[:5]}, ["profiles", machine[:5]]
        values = {"model": "gpt-oss-20b", "profile": machine, "months": 24}
        yield "cost", values, ["cost", "gpt-oss-20b", "--profile", machine, "--months", "24"]
    pasted = "vllm serve openai/gpt-oss-20b --max-model-len 8192"
    yield (
        "plan",
        {"model": pasted, "profile": "h100-80gb"},
        ["plan", "--profile", "h100-80gb", "--", *pasted.split()],
    )
