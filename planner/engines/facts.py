"""EngineFacts: what an engine says about itself, and where its parts are.

Everybody outside an engine's folder asks here instead of comparing its name. A part (rules, command line,
container …) is imported when it is asked for, so that listing engines costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from planner.engines.endpoint import Api
from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Backend
from planner.models.file_format import FileFormat

if TYPE_CHECKING:
    from planner.engines.allocated import Allocation
    from planner.engines.base import Engine
    from planner.engines.bench_program import BenchTest, Timed
    from planner.engines.container import Container
    from planner.engines.endpoint import Endpoint
    from planner.engines.launch import Launch
    from planner.engines.local_files import PulledModel
    from planner.engines.running import Pages, Running
    from planner.engines.work_split import WorkSplit
    from planner.hardware.host.system import System
    from planner.models.gguf.header import GgufHeader
    from planner.models.model import Model
    from planner.models.role import Role
    from planner.plan import FitAdvice, Plan


class Weights(StrEnum):
    """What an engine loads."""

    GGUF = "gguf"
    CHECKPOINT = "checkpoint"  # a Hugging Face repository of safetensors
    MLX = FileFormat.MLX.value  # safetensors as mlx-lm converts them
    WHISPER = "whisper"  # ggml's older format, of speech models alone


class Kernels(StrEnum):
    """Whose code computes."""

    GGML = "ggml"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class Install:
    """Where an engine is fetched for a machine without network."""

    url: str
    what: str
    package: str | None = None  # the package of Python wheels, where it is one


@dataclass(frozen=True, slots=True)
class NarrowCache:
    """Settings that store the KV cache in eight bits."""

    settings: Mapping[str, str]
    said: str  # at the beginning of a sentence: what the person would write or choose
    instead_of: Mapping[str, str]  # only where the plan has these settings, or doesn't name them


@dataclass(frozen=True, slots=True)
class Serving:
    """How an engine serves a model that makes no text."""

    settings: Mapping[str, Any]
    words: tuple[str, ...] = ()  # of its command line, beyond the settings


@dataclass(frozen=True, slots=True)
class NotPlanned:
    """An engine that people ask about and that has no rules here; another's plan comes nearest."""

    title: str
    names: tuple[str, ...]  # as people type it, in lower case
    difference: str  # what of that plan holds for it and what doesn't


class EngineFacts:
    """One engine. A subclass states what differs; what is left out is the common case."""

    name: ClassVar[str]  # in plans, documents and options
    title: ClassVar[str]  # as its makers write it
    aliases: ClassVar[tuple[str, ...]] = ()  # what people type as well
    loads: ClassVar[Weights] = Weights.GGUF
    backends: ClassVar[frozenset[Backend]] = frozenset()  # what drives the GPUs that it can use
    beside: ClassVar[frozenset[Backend]] = (
        frozenset()
    )  # where it is planned beside others, and the better wins
    sees: ClassVar[bool] = True  # loads vision towers
    transcribes: ClassVar[bool] = False  # runs models that make text of speech, and no others
    timed_by_tokens: ClassVar[bool] = True  # what it does takes as long as tokens take to be read and written
    serves_many: ClassVar[bool] = False  # made to batch the requests of many users
    when_full: ClassVar[str] = "a request that finds no room fails"  # of a cache that all requests share
    may_spill: ClassVar[bool] = True  # weights may lie partly in RAM
    spans_hosts: ClassVar[bool] = False  # one model over several hosts, held together by Ray
    variant_of: ClassVar[str | None] = None  # the engine that it runs with defaults of its own
    kernels: ClassVar[Kernels] = Kernels.OWN
    wrapped_by: ClassVar[tuple[str, ...]] = ()  # programs that run its code under their own name
    forks: ClassVar[tuple[str, ...]] = ()  # programs that grew from it and are measured apart
    nearest_to: ClassVar[tuple[NotPlanned, ...]] = ()  # engines without rules that its plans come nearest to
    starts_plans_of: ClassVar[str | None] = None  # the engine whose rules plan for it; it has none of its own
    daemon: ClassVar[tuple[str, ...]] = ()  # the server that must run before the command is given
    environment_note: ClassVar[str | None] = (
        None  # where the plan's variables belong, if not before the command
    )
    follows_versions: ClassVar[bool] = False  # plans by the rules of the version that is installed
    looks_first: ClassVar[bool] = False  # takes its memory by what is free when it starts
    narrow_cache: ClassVar[NarrowCache | None] = None
    own_drafts: ClassVar[Mapping[str, str]] = {}  # settings that draft with a model's own prediction layers
    own_drafts_said: ClassVar[str] = ""  # what the person would write for them
    draft_setting: ClassVar[str] = ""  # names a smaller model that drafts; empty where there is none
    draft_quant: ClassVar[str] = "Q8_0"  # in which it is taken, where its name doesn't say it
    install: ClassVar[Install | None] = None
    server: ClassVar[str | None] = None  # what its server is called, where a running one can be read
    bench_program: ClassVar[str] = ""  # a program of its own that times it
    port: ClassVar[int | None] = None  # where its server answers, where no --port says
    apis: ClassVar[frozenset[Api]] = frozenset()  # what its server answers
    programs: ClassVar[
        tuple[str, ...]
    ] = ()  # on the PATH where it is installed; the first that is there is asked

    application: ClassVar[str | None] = None  # where its app lies on a Mac

    def rules(self) -> Engine:
        """Return the rules of memory and placement. Raises InputError where there are none."""
        raise InputError(f"engine '{self.name}' has no memory rules")

    def command(self, plan: Plan, model: Model) -> Launch:
        """Return the command that starts a plan. Raises InputError where no command is known."""
        raise InputError(f"engine '{self.name}' has no command line")

    def fit_command(self, plan: Plan, model: Model, advice: FitAdvice) -> str:
        """Return the command that leaves the placement to the engine, where a plan advises that."""
        raise InputError(f"{self.title} has no placement of its own to leave it to")

    def serving(self, role: Role, model: Model, context: int) -> Serving:
        """Return how it serves a model in a role that makes no text, reading so many tokens at once."""
        return Serving({})

    def modest(self, plan: Plan) -> Mapping[str, Any]:
        """Return settings with which a plan takes no more than its context and users need; {} where it never does."""
        return {}

    def common_settings(self, plans: Sequence[Plan]) -> Mapping[str, Any]:
        """Return the settings that one server of it has for all models it loads; {} where each has its own server."""
        return {}

    def common_environment(self, loaded: int) -> Mapping[str, str]:
        """Return what lets one server of it keep so many models loaded at once."""
        return {}

    def work_split(self, plan: Plan, layers: int, expert_layers: int) -> WorkSplit:
        """Return how a plan divides the work of so many layers, of which some hold routed experts."""
        from planner.engines.work_split import by_memory

        return by_memory(plan)

    def is_published(self, model: Model, quant: str) -> bool:
        """Return whether what it would load of a model lies somewhere to be fetched, as far as is known."""
        return True

    def draft_source(self, model: Model, quant: str) -> str:
        """Return where a model that drafts is loaded from."""
        return model.path or model.id

    def container(self, plan: Plan, model: Model, shell: Launch) -> Container:
        """Return the container that runs a plan, `shell` being its command. Raises InputError where there is none."""
        raise InputError(f"there is no container image for {self.name}")

    def endpoint(self, plan: Plan, model: Model) -> Endpoint:
        """Return how clients ask the server of a plan. Raises InputError where it has none."""
        raise InputError(f"{self.title} has no server that clients are known to ask")

    def ray_arguments(self, plan: Plan, model: Model) -> dict[str, Any]:
        """Return the engine's arguments inside Ray Serve. Raises InputError where it doesn't run there."""
        raise InputError(f"{self.name} does not run on Ray")

    def installed_version(self, system: System, program: str) -> str | None:
        """Return the version of the program at this path, None where it doesn't say."""
        from planner.engines.local_files import version_in

        return version_in(system.run([program, "--version"]))

    def differences(self, version: str) -> tuple[str, ...]:
        """Return what an installed version does otherwise than the rules here, one clause each."""
        return ()

    def differences_here(self, system: System) -> tuple[str, ...]:
        """Return the same of what is installed on this computer, as far as that can be read or asked at once."""
        return ()

    def model_folders(self, system: System) -> Sequence[str]:
        """Return where it keeps models of its own, whether the folders are there or not."""
        return ()

    def models_in(self, system: System, store: str, folder: str) -> Iterator[PulledModel]:
        """Yield the models in such a folder; GGUF files unless the engine keeps them otherwise."""
        from planner.engines.local_files import gguf_files

        return gguf_files(system, store, folder)

    def running(self, pages: Pages) -> list[Running] | None:
        """Return the models that a server runs; None where the server isn't this engine's."""
        return None

    def allocated(self, header: GgufHeader, settings: Mapping[str, Any]) -> Allocation:
        """Return what the real engine would allocate for a file. Raises InputError where it can't be asked."""
        raise InputError(f"{self.title} can't be asked what it would allocate")

    def bench_words(self, plan: Plan, model: Model, test: BenchTest) -> tuple[str, ...]:
        """Return the command of the program that times a plan; () where the engine has none."""
        return ()

    def timed(self, line: str) -> Timed | None:
        """Return the speed that a line of that program tells."""
        return None

    def local_server(self, plan: Plan, model: Model) -> tuple[str, ...]:
        """Return the command of a server for this machine alone, on a free port, which fetches nothing; () for none."""
        return ()

    def address(self, line: str) -> str | None:
        """Return where a server that was started so says that it listens, None for any other line of its log."""
        return None

    def named_quant(self, model: Model) -> str | None:
        """Return the quantisation that the model's own name means to this engine; None where it means none."""
        return None

    def own_tag(self, source: str | None) -> str | None:
        """Return the tag of its own registry that a plan's source is; None: a file, or the hub's."""
        return None

    def fetch_lines(self, tag: str) -> Sequence[str]:
        """Return the lines of a shell script that fetch a tag into the folder of a bundle."""
        return ()

    def serve_lines(self) -> Sequence[str]:
        """Return the lines of a shell script that serve from that folder, before the plan's own command."""
        return ()
