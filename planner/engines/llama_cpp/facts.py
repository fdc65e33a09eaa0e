"""What llama.cpp says about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from planner.engines.endpoint import Api
from planner.engines.facts import (
    EngineFacts,
    Install,
    Kernels,
    NarrowCache,
    NotPlanned,
    Serving,
    Weights,
)
from planner.engines.llama_cpp.backends import BACKENDS

if TYPE_CHECKING:
    from planner.engines.allocated import Allocation
    from planner.engines.base import Engine
    from planner.engines.bench_program import BenchTest, Timed
    from planner.engines.container import Container
    from planner.engines.endpoint import Endpoint
    from planner.engines.launch import Launch
    from planner.engines.running import Pages, Running
    from planner.engines.work_split import WorkSplit
    from planner.hardware.host.system import System
    from planner.models.gguf.header import GgufHeader
    from planner.models.model import Model
    from planner.models.role import Role
    from planner.plan import FitAdvice, Plan


class LlamaCppFacts(EngineFacts):
    """llama.cpp, served by llama-server."""

    name = "llama.cpp"
    title = "llama.cpp"
    aliases = ("llamacpp", "llama-cpp", "llama-server")
    loads = Weights.GGUF
    backends = BACKENDS
    kernels = Kernels.GGML
    wrapped_by = ("lm-studio", "llamafile")
    forks = ("ik_llama.cpp",)
    nearest_to = (
        NotPlanned(
            "ik_llama.cpp",
            ("ik_llama.cpp", "ik_llama", "ik-llama.cpp", "ik-llama"),
            "weights and caches of the same file are the same; its buffers, speed and own types (IQ4_KS …) are not",
        ),
        NotPlanned(
            "ExLlamaV3",
            ("exllamav3", "exllama", "exl3", "tabbyapi", "exllamav2", "exl2"),
            "take a file of as many bits a weight, all on GPUs; EXL3 and its caches of 2 to 8 bits are not sized",
        ),
        NotPlanned(
            "KTransformers",
            ("ktransformers", "kt-kernel"),
            "it too keeps experts in RAM (--cpu-moe, --n-cpu-moe); its own kernels are faster where the CPU has AMX",
        ),
    )
    narrow_cache = NarrowCache(
        settings={"cache_type_k": "q8_0", "cache_type_v": "q8_0"},
        said="an 8-bit KV cache (q8_0)",
        instead_of={"cache_type_k": "f16"},
    )
    follows_versions = True
    own_drafts: ClassVar[Mapping[str, str]] = {"spec_type": "draft-mtp"}
    own_drafts_said = "--spec-type draft-mtp"
    draft_setting = "spec_draft_model"
    server = "llama-server"
    bench_program = "llama-bench"
    port = 8080  # as it is started here; its own is 9931 since b11549
    apis = frozenset({Api.CHAT, Api.RESPONSES, Api.MESSAGES})
    programs = ("llama-server", "llama-cli")
    install = Install(
        "https://github.com/ggml-org/llama.cpp/releases",
        "the archive of the target's system and GPU, or its source to build there",
    )

    def rules(self) -> Engine:
        """Return llama.cpp's rules."""
        from planner.engines.llama_cpp.engine import LlamaCpp

        return LlamaCpp()

    def command(self, plan: Plan, model: Model) -> Launch:
        """Return llama-server's command."""
        from planner.engines.llama_cpp.command import llama_server

        return llama_server(plan, model)

    def fit_command(self, plan: Plan, model: Model, advice: FitAdvice) -> str:
        """Return llama-server's command with --fit on."""
        from planner.engines.llama_cpp.command import fit_command

        return fit_command(plan, model, advice)

    def draft_source(self, model: Model, quant: str) -> str:
        """Return the file, or the repository and the quantisation in it."""
        from planner.models.sources import gguf_repository

        repository = gguf_repository(model, quant)
        return model.path or (f"{repository}:{quant}" if repository else f"{model.name.lower()}-{quant}.gguf")

    def serving(self, role: Role, model: Model, context: int) -> Serving:
        """Return --embeddings or --reranking, with room to read at once what can't be read in parts."""
        from planner.engines.llama_cpp.pooled import serving

        return serving(role, model, context)

    def work_split(self, plan: Plan, layers: int, expert_layers: int) -> WorkSplit:
        """Return what llama.cpp's settings mean for the work."""
        from planner.engines.llama_cpp.work_split import work_split

        return work_split(plan, layers, expert_layers)

    def container(self, plan: Plan, model: Model, shell: Launch) -> Container:
        """Return llama-server in ggml-org's image."""
        from planner.engines.llama_cpp.container import container

        return container(plan, shell)

    def model_folders(self, system: System) -> Sequence[str]:
        """Return the folder of -hf downloads (common/common.cpp fs_get_cache_directory)."""
        home, env = system.home(), system.env
        if not home:
            return ()
        cache = (
            f"{home}/Library/Caches"
            if system.platform == "darwin"
            else env.get("XDG_CACHE_HOME") or f"{home}/.cache"
        )
        return (env.get("LLAMA_CACHE") or f"{cache}/llama.cpp",)

    def installed_version(self, system: System, program: str) -> str | None:
        """Return the build that the program at this path says it is."""
        from planner.engines.llama_cpp.builds import number_of

        for line in (system.run([program, "--version"]) or "").splitlines():
            number = number_of(line) if "version" in line.lower() else None
            if number is not None:
                return f"b{number}"
        return super().installed_version(system, program)

    def differences(self, version: str) -> tuple[str, ...]:
        """Return what an installed build does otherwise than the rules."""
        from planner.engines.llama_cpp.builds import differences

        return differences(version)

    def differences_here(self, system: System) -> tuple[str, ...]:
        """Return the same of the llama-server on the PATH, which has to be asked."""
        from planner.engines.local_files import which

        path = which(system, self.server)
        version = self.installed_version(system, path) if path else None
        return self.differences(version) if version else ()

    def running(self, pages: Pages) -> list[Running] | None:
        """Return what a running llama-server tells."""
        from planner.engines.llama_cpp.server import running

        return running(pages)

    def allocated(self, header: GgufHeader, settings: Mapping[str, Any]) -> Allocation:
        """Return what the installed llama.cpp would allocate (the extra "verify")."""
        from planner.engines.llama_cpp.real_engine import allocated

        return allocated(header, settings)

    def bench_words(self, plan: Plan, model: Model, test: BenchTest) -> tuple[str, ...]:
        """Return llama-bench's command."""
        from planner.engines.llama_cpp.bench import bench_words

        return bench_words(plan, model, test)

    def timed(self, line: str) -> Timed | None:
        """Read one line of llama-bench."""
        from planner.engines.llama_cpp.bench import timed

        return timed(line)

    def local_server(self, plan: Plan, model: Model) -> tuple[str, ...]:
        """Return llama-server on a free port."""
        from planner.engines.llama_cpp.bench import server_words

        return server_words(plan, model)

    def address(self, line: str) -> str | None:
        """Read the line of llama-server's log that says where it listens."""
        from planner.engines.llama_cpp.bench import address

        return address(line)

    def endpoint(self, plan: Plan, model: Model) -> Endpoint:
        """Return how clients ask llama-server."""
        from planner.engines.llama_cpp.clients import endpoint

        return endpoint(plan, model, self.apis)
