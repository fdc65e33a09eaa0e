"""Machines: the one in front of us, those that profiles describe, clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from planner.api.arguments import instance_of, memory_of, text_of, text_or_none
from planner.bounded_read import read_text
from planner.errors import FieldError, cause_of
from planner.fast_dataclass import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents.doctor import Doctor
    from planner.documents.profiles import Profiles
    from planner.hardware.machine import Machine

_LARGEST_LIST: Final = 64 << 20  # bytes of a node list


def detect(*, measure: bool = False) -> Machine:
    """Return the machine in front of you: GPUs with free memory, RAM that this process may use, CPU.

    An installed engine whose rules are known by its version is asked for that.

    With `measure`, the memory bandwidth of the RAM and of each GPU is measured first, which takes seconds.
    Never raises for what cannot be seen: the machine's notes say it. Raises InputError where too little
    memory is free to measure.

        >>> machine = planner.detect()
        >>> machine.host.ram_available > 0
        True
    """
    from planner.engines.installed import followed_engines
    from planner.hardware.detect import detect as detect_machine
    from planner.hardware.host.system import System

    system = System()
    machine = replace(detect_machine(system), engines=followed_engines(system))
    if not measure:
        return machine
    from planner.hardware.host.measure_ram import measure_memory_bandwidth, with_measured
    from planner.hardware.vendors.measure_vram import measure_gpu_bandwidth, with_measured_gpus

    machine = with_measured(machine, measure_memory_bandwidth(available=machine.host.ram_available))
    return with_measured_gpus(machine, measure_gpu_bandwidth() if machine.accelerators else ())


def load_profile(
    spec: str | None = None, *, ram: int | str | None = None, vram: int | str | None = None
) -> Machine:
    """Return a machine described by a profile: "rtx-4090", "rtx-3090 x2", "2x rtx-3090 + 128GiB ddr5-6000".

    `ram` and `vram` (bytes, or a text such as "24GiB") replace the host's RAM and each GPU's memory; without a
    profile they are all that is known of the machine. Raises InputError for an unknown name (with those that
    are near) or an impossible size.

        >>> planner.load_profile("rtx-3090 x2").name
        'rtx-3090 x2'
    """
    from planner.hardware.profiles.load import load_profile as load

    return load(text_or_none(spec, "profile"), ram=memory_of(ram, "ram"), vram=memory_of(vram, "vram"))


def adjust_machine(
    machine: Machine,
    *,
    free: str | None = None,
    backend: str | None = None,
    engines: Mapping[str, str] | None = None,
) -> Machine:
    """Return a machine with what you know better of it.

    `free`: memory that is free, "20GiB" of every GPU, "20GiB,10GiB" of each in turn, "ram=24GiB" of the host.
    `backend`: what drives its GPUs: cuda, rocm, vulkan, sycl or metal; cpu leaves them idle. `engines`: versions that
    are installed there, by engine: {"llama.cpp": "b9010"} is planned by the rules of that build. Raises InputError
    for more than there is, or a backend that drives none of them.

        >>> machine = planner.load_profile("rtx-3090 x2")
        >>> [gpu.memory_free >> 30 for gpu in planner.adjust_machine(machine, free="20GiB,8GiB").accelerators]
        [20, 8]
    """
    from planner.hardware.adjusted import driven_by, with_free
    from planner.hardware.machine import Machine

    changed = instance_of(machine, Machine, "machine")
    if backend is not None:
        changed = driven_by(changed, text_of(backend, "backend"))
    if engines is not None:
        given = instance_of(engines, dict, "engines")
        known = {text_of(name, "engines"): text_of(version, "engines") for name, version in given.items()}
        changed = replace(changed, engines=known)
    return changed if free is None else with_free(changed, text_of(free, "free"))


def list_profiles(search: str = "") -> Profiles:
    """Return the devices and machines that `load_profile` knows, or those that hold all the words.

    >>> [profile.id for profile in planner.list_profiles("3090 ti").profiles]
    ['rtx-3090-ti']
    """
    from planner.documents.profiles import Profiles
    from planner.hardware.profiles.load import list_profiles as find
    from planner.hardware.profiles.load import user_profiles

    return Profiles(tuple(find(text_of(search, "search"))), tuple(user_profiles()[1]))


def doctor() -> Doctor:
    """Return what was detected on this machine, which engines are installed and which models lie here.

    Runs the engines' programs to ask for their versions, which takes a moment.
    """
    from planner.documents.doctor import Doctor
    from planner.engines.installed import differences, installed_engines, model_stores, pulled_models
    from planner.hardware.detect import detect as detect_machine
    from planner.hardware.host.system import System

    system = System()
    engines = installed_engines(system)
    return Doctor(
        machine=detect_machine(system),
        engines=tuple(engines),
        differences=tuple(differences(engines)),
        models=tuple(pulled_models(system)),
        stores=tuple(model_stores(system)),
    )


def export_profile(machine: Machine, name: str = "this-machine") -> str:
    """Return a profile of a machine, for use on another: TOML to write to NAME.toml.

    Raises InputError for a name that no profile can have.

        >>> planner.export_profile(planner.load_profile("rtx-4090"), "mine").splitlines()[0]
        'id = "mine"'
    """
    from planner.hardware.machine import Machine
    from planner.hardware.profiles.exported import export_profile as export

    return export(instance_of(machine, Machine, "machine"), text_of(name, "name"))


def load_cluster(source: str) -> Machine:
    """Return the machines of a running cluster: "ray", "ray:ADDRESS", or a file with kubectl's node list.

    The file is what `kubectl get nodes -o json` prints. Raises InputError where there is no such cluster or file.
    """
    name = text_of(source, "cluster")
    if name == "ray" or name.startswith("ray:"):
        from planner.hardware.cluster import machine_from_ray

        return machine_from_ray(name.partition(":")[2] or None)
    try:
        text = read_text(name, _LARGEST_LIST)
    except (OSError, ValueError) as error:
        raise FieldError(
            "cluster",
            f"'{name}' is no readable file ({cause_of(error)}); write ray, ray:ADDRESS, - or a file",
        ) from None
    return read_nodes(text)


def read_nodes(text: str) -> Machine:
    """Return the cluster that `kubectl get nodes -o json` describes. Raises InputError for anything else."""
    from planner.hardware.cluster import machine_from_kubernetes

    return machine_from_kubernetes(text_of(text, "nodes")[:_LARGEST_LIST])
