"""Ray by hand: one script for the head, one for every worker (vLLM's own distributed engine).

`ray start` on each node, then `vllm serve` on the head alone; all nodes need the same vLLM, `pip install
ray`, and the model under the same name or a token to fetch it (vLLM 0.33.0, parallelism and scaling).
"""

from __future__ import annotations

import shlex
from typing import Final

from planner.engines.launch import Launch, first_command
from planner.engines.register import engine_facts, planning, titles
from planner.errors import InputError
from planner.models.model import Model
from planner.plan import Plan

PORT: Final = 6379
_COUNT: Final = (
    'import ray; ray.init("auto", logging_level="ERROR"); print(int(ray.cluster_resources().get("GPU", 0)))'
)


def render(plan: Plan, model: Model, shell: Launch) -> Launch:
    """Return ray-head.sh and ray-worker.sh and what to type; InputError for an engine that does not run on Ray."""
    if not engine_facts(plan.engine).spans_hosts:
        able = titles(tuple(facts for facts in planning() if facts.spans_hosts))
        raise InputError(f"--format ray renders {able} plans; {plan.engine} does not run on Ray")
    nodes = int(plan.settings.get("nnodes", 1))
    gpus = sum(1 for d in plan.memory.devices if d.kind == "gpu")
    argv = first_command(shell)
    if "--distributed-executor-backend" not in argv:
        argv += ["--distributed-executor-backend", "ray"]
    exports = [f"export {key}={shlex.quote(value)}" for key, value in shell.env.items()]
    head = [
        "#!/bin/sh",
        "# On the head; where the others reach it by another address than its first: HEAD_IP=ADDRESS sh ray-head.sh",
        "set -eu",
        ': "${HEAD_IP:=$(hostname -I | cut -d " " -f 1)}"',
        'export VLLM_HOST_IP="$HEAD_IP"',
        *exports,
        *(
            ['echo "On every other node: HEAD_IP=$HEAD_IP MY_IP=ITS_ADDRESS sh ray-worker.sh"']
            if nodes > 1
            else []
        ),
        f'ray start --head --port={PORT} --node-ip-address="$HEAD_IP"',
        f'until [ "$(python3 -c {shlex.quote(_COUNT)})" -ge {gpus} ]; do',
        f'  echo "waiting for {gpus} GPUs on {nodes} nodes"; sleep 5',
        "done",
        f"exec {shlex.join(argv)}",
        "",
    ]
    worker = [
        "#!/bin/sh",
        "# On every other node: HEAD_IP=<the head's address> MY_IP=<this node's address> sh ray-worker.sh",
        "set -eu",
        ': "${HEAD_IP:?set HEAD_IP to the head\'s address}"',
        ': "${MY_IP:?set MY_IP to the address of this node that the others reach}"',
        'export VLLM_HOST_IP="$MY_IP"',
        *exports,
        f'exec ray start --address="$HEAD_IP:{PORT}" --node-ip-address="$MY_IP" --block',
        "",
    ]
    files = [("ray-head.sh", "\n".join(head))]
    if nodes > 1:
        files.append(("ray-worker.sh", "\n".join(worker)))
    return Launch(command="sh ray-head.sh", files=tuple(files), env={}, source=shell.source)
