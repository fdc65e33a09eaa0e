"""NVIDIA GPUs through NVML (the module pynvml), including MIG slices and chips with unified memory."""

from __future__ import annotations

from typing import Any, Final

from planner.fast_dataclass import replace
from planner.hardware.found import FoundDevices
from planner.hardware.host.system import System
from planner.hardware.machine import Accelerator, Backend
from planner.hardware.profiles.profile import pcie_bandwidth
from planner.hardware.profiles.slices import slice_named
from planner.hardware.profiles.store import get_profile, same_name
from planner.hardware.vendors.profile_facts import from_facts, size_or_none
from planner.hardware.vendors.visible_devices import shown, visible_indices
from planner.outside_numbers import MAX_BYTES, whole
from planner.safe_text import one_line
from planner.units import gib, mib

# Files that are there when an NVIDIA driver is: without one of them the NVML library isn't even looked for.
_DRIVER_SIGNS: Final = (
    "/proc/driver/nvidia/version",
    "/dev/nvidiactl",
    "/dev/dxg",  # WSL2
    "/usr/lib/wsl/lib/libnvidia-ml.so.1",
    "/dev/nvgpu",  # Jetson
    "/dev/nvmap",
)
# word in the board's name -> its GPU as NVML calls it where there is one
_JETSONS: Final = {"Orin": "Orin (nvgpu)", "Thor": "NVIDIA Thor"}
_MAX_NVLINKS: Final = 18
_MAX_DEVICES: Final = 64  # NVML_MAX_PHYSICAL devices of one computer, with room


def detect_nvidia(system: System, ram_total: int, ram_available: int) -> FoundDevices:
    """All NVIDIA devices that a process may use. A missing or broken driver is a note, never an error."""
    found = FoundDevices()
    if system.platform == "darwin":
        return found
    present = _pci_present(system)
    if system.platform == "linux" and not any(system.exists(sign) for sign in _DRIVER_SIGNS):
        if present:
            found.notes.append("an NVIDIA GPU is in the computer but its driver is not loaded")
        return found
    try:
        nvml = system.nvml()
    except ImportError:
        found.notes.append("NVIDIA GPUs cannot be seen: the Python module pynvml (nvidia-ml-py) is missing")
        return found
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        board = _jetson(system, found, ram_total, ram_available)
        if not board and (system.platform == "linux" or present):
            found.notes.append(f"NVIDIA GPUs cannot be seen: {_reason(error)}")
        return found
    except OSError as error:
        found.notes.append(f"NVIDIA GPUs cannot be seen: {error.strerror or 'the library cannot be loaded'}")
        return found
    except (
        Exception
    ) as error:  # RuntimeError, SystemError …: whatever a broken library makes the binding raise
        found.notes.append(f"NVIDIA GPUs cannot be seen: {one_line(_reason(error), 120)}")
        return found
    try:
        _devices(nvml, system, found, ram_total, ram_available)
    finally:
        _ask(nvml, "nvmlShutdown")
    return found


def _jetson(system: System, found: FoundDevices, ram_total: int, ram_available: int) -> bool:
    """The GPU of a Jetson board whose JetPack brings no NVML, from the board's name."""
    model = system.read("/proc/device-tree/model") or system.read("/sys/firmware/devicetree/base/model") or ""
    name = next((gpu for word, gpu in _JETSONS.items() if "Jetson" in model and word in model), None)
    if name is None or ram_total <= 0:
        return False
    gpu = Accelerator(
        name=name,
        vendor="nvidia",
        backend=Backend.CUDA,
        memory_total=ram_total,
        memory_free=ram_available,
        unified=True,
        integrated=True,
    )
    found.accelerators.append(from_facts(gpu, found.notes, found.sources, told=ram_total))
    found.sources["gpus"] = "device tree: " + model[:60]
    found.notes.append(f"{model[:60]} brings no NVML: its GPU shares the RAM of the computer")
    return True


def _pci_present(system: System) -> bool:
    folder = "/sys/bus/pci/devices"
    return any(
        system.read(f"{folder}/{name}/vendor") == "0x10de"
        and (system.read(f"{folder}/{name}/class") or "").startswith(("0x0300", "0x0302"))
        for name in system.entries(folder)
    )


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    hints = {
        "version mismatch": "; the driver was updated under a running system: reboot",
        "Insufficient Permissions": "; the user may not open /dev/nvidia*",
        "Driver Not Loaded": "; load it with: modprobe nvidia",
    }
    return text + next((hint for key, hint in hints.items() if key in text), "")


def _ask(nvml: Any, call: str, *args: Any) -> Any:
    """The answer of one NVML call by its name, or None when the driver, or this pynvml, does not give it."""
    try:
        value = getattr(nvml, call)(*args)
    except Exception:  # the binding passes on whatever a broken library does
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _text(nvml: Any, call: str, *args: Any) -> str | None:
    """A text that NVML answers, on one printable line; None for none."""
    value = _ask(nvml, call, *args)
    return one_line(value, 120).strip() or None if isinstance(value, str) else None


def _number(nvml: Any, call: str, *args: Any) -> int | None:
    """A whole number that NVML answers; None for none."""
    return whole(_ask(nvml, call, *args), 0, MAX_BYTES)


def _devices(nvml: Any, system: System, found: FoundDevices, ram_total: int, ram_available: int) -> None:
    count = whole(_ask(nvml, "nvmlDeviceGetCount"), 0, _MAX_DEVICES)
    if count is None:
        found.notes.append("NVIDIA GPUs cannot be counted: the driver gives no answer")
        return
    found.sources["gpus"] = "NVML"
    driver = _text(nvml, "nvmlSystemGetDriverVersion")
    if driver:
        found.sources["nvidia driver"] = driver
    everything: list[Accelerator] = []
    for index in range(count):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
        except Exception as error:
            found.notes.append(f"NVIDIA GPU {index} cannot be opened: {_reason(error)}")
            continue
        card = _device(nvml, handle, index, found, ram_total, ram_available)
        slices = _mig_slices(nvml, handle, card, found)
        everything += slices if slices is not None else [card]
    found.accelerators = _visible(everything, system, found)


def _device(
    nvml: Any, handle: Any, index: int, found: FoundDevices, ram_total: int, ram_available: int
) -> Accelerator:
    name = _text(nvml, "nvmlDeviceGetName", handle) or "NVIDIA GPU"
    memory = _memory(nvml, handle)
    total, free = size_or_none(getattr(memory, "total", None)), getattr(memory, "free", None)
    known = None if total is not None else _discrete(name)
    if known is not None:
        total = free = known
        found.notes.append(
            f"{name} does not tell its memory: what its profile says is counted, all of it free"
        )
    unified = total is None
    if unified:
        # GB10, Jetson and Thor answer "not supported": the GPU uses the RAM of the computer.
        total, free = ram_total, ram_available
        found.notes.append(f"{name} reports no memory of its own: it shares the RAM of the computer")
    assert total is not None
    if not isinstance(free, int) or not 0 <= free <= total:
        found.notes.append(f"{name} does not say how much memory is free; all is counted")
        free = total
    gpu = Accelerator(
        name=name,
        vendor="nvidia",
        backend=Backend.CUDA,
        memory_total=total,
        memory_free=free,
        memory_reserved=_reserved(memory, total),
        index=index,
        unified=unified,
        integrated=unified,
        uuid=_text(nvml, "nvmlDeviceGetUUID", handle),
        compute_capability=_capability(nvml, handle),
        pcie_bandwidth=None if unified else _pcie(nvml, handle, name, found),
        tdp_w=_power(nvml, handle),
    )
    gpu = from_facts(gpu, found.notes, found.sources, told=ram_total if unified else total)
    if gpu.nvlink_bandwidth is not None and not _nvlinks(nvml, handle):
        gpu = replace(gpu, nvlink_bandwidth=None)
    if not unified:
        _others(nvml, handle, gpu, found)
    return gpu


def _discrete(name: str) -> int | None:
    """The memory of a card that has its own, by its name; None for a chip that shares the RAM, or an unknown one."""
    profile = same_name(name, None)
    return None if profile is None or profile.unified or profile.kind != "gpu" else profile.memory_total


def _memory(nvml: Any, handle: Any) -> Any:
    """NVML's memory figures: version 2, which tells the driver's own part, else version 1."""
    version = getattr(nvml, "nvmlMemory_v2", None)
    second = None if version is None else _ask(nvml, "nvmlDeviceGetMemoryInfo", handle, version)
    return second or _ask(nvml, "nvmlDeviceGetMemoryInfo", handle)


def _reserved(memory: Any, total: int) -> int | None:
    value = getattr(memory, "reserved", None)
    return value if isinstance(value, int) and 0 < value < total else None


def _capability(nvml: Any, handle: Any) -> tuple[int, int] | None:
    value = _ask(nvml, "nvmlDeviceGetCudaComputeCapability", handle)
    if not isinstance(value, tuple | list) or len(value) != 2:
        return None
    major, minor = whole(value[0], 1, 99), whole(value[1], 0, 99)
    return None if major is None or minor is None else (major, minor)


def _power(nvml: Any, handle: Any) -> float | None:
    value = _number(nvml, "nvmlDeviceGetEnforcedPowerLimit", handle)
    return value / 1000 if isinstance(value, int) and value > 0 else None


def _pcie(nvml: Any, handle: Any, name: str, found: FoundDevices) -> float | None:
    # The link's generation drops when the card idles, its width does not: the highest generation that card
    # and slot agree on, times the width of now.
    generation = _number(nvml, "nvmlDeviceGetMaxPcieLinkGeneration", handle)
    width = _number(nvml, "nvmlDeviceGetCurrPcieLinkWidth", handle)
    widest = _number(nvml, "nvmlDeviceGetMaxPcieLinkWidth", handle)
    if not isinstance(generation, int) or not isinstance(width, int) or width < 1:
        return None
    if isinstance(widest, int) and width < widest:
        found.notes.append(f"{name} is connected by {width} of its {widest} PCIe lanes")
    return pcie_bandwidth(generation, width)


def _nvlinks(nvml: Any, handle: Any) -> int:
    states = [_ask(nvml, "nvmlDeviceGetNvLinkState", handle, link) for link in range(_MAX_NVLINKS)]
    return sum(1 for state in states if state == 1)


def _others(nvml: Any, handle: Any, gpu: Accelerator, found: FoundDevices) -> None:
    """A note when a display or other programs hold memory of the card."""
    held = gpu.memory_total - gpu.memory_free
    compute = _processes(nvml, "nvmlDeviceGetComputeRunningProcesses", handle)
    graphics = _processes(nvml, "nvmlDeviceGetGraphicsRunningProcesses", handle)
    programs = len({getattr(p, "pid", None) for p in [*compute, *graphics]})
    display = _ask(nvml, "nvmlDeviceGetDisplayActive", handle) == 1
    if programs or display:
        who = [f"{programs} program{'s' if programs != 1 else ''}"] if programs else []
        who += ["a display"] if display else []
        found.notes.append(
            f"GPU {gpu.index} ({gpu.name}): {mib(held)} are in use, by {' and '.join(who)} and the driver"
        )


def _processes(nvml: Any, call: str, handle: Any) -> list[Any]:
    answer = _ask(nvml, call, handle)
    return list(answer) if isinstance(answer, tuple | list) else []


def _mig_slices(
    nvml: Any, handle: Any, whole_card: Accelerator, found: FoundDevices
) -> list[Accelerator] | None:
    """The slices of a partitioned card, [] when it has none yet, None when it is not partitioned."""
    mode = _ask(nvml, "nvmlDeviceGetMigMode", handle)
    if not isinstance(mode, tuple | list) or not mode or mode[0] != 1:
        return None
    slices: list[Accelerator] = []
    most = whole(_ask(nvml, "nvmlDeviceGetMaxMigDeviceCount", handle), 0, 64) or 0
    for number in range(most):
        part = _ask(nvml, "nvmlDeviceGetMigDeviceHandleByIndex", handle, number)
        memory = None if part is None else _ask(nvml, "nvmlDeviceGetMemoryInfo", part)
        total, free = size_or_none(getattr(memory, "total", None)), getattr(memory, "free", None)
        if total is None or total > whole_card.memory_total:
            continue
        name = _text(nvml, "nvmlDeviceGetName", part) or f"{whole_card.name} MIG"
        memory_share, compute_share = _slice_shares(nvml, part, total, whole_card, name)
        slices.append(
            replace(
                whole_card,
                name=name,
                memory_total=total,
                memory_free=free if isinstance(free, int) and 0 <= free <= total else total,
                memory_reserved=None,
                uuid=_text(nvml, "nvmlDeviceGetUUID", part),
                mig=True,
                memory_bandwidth=_scaled(whole_card.memory_bandwidth, memory_share),
                rates=whole_card.rates.scaled(compute_share),
                nvlink_bandwidth=None,
            )
        )
    if slices:
        found.notes.append(
            f"{whole_card.name} is split into {len(slices)} MIG slices; one process can use one slice"
        )
    else:
        found.notes.append(f"{whole_card.name} is in MIG mode but has no slice: no program can use it")
    return slices


def _slice_shares(
    nvml: Any, part: Any, memory: int, whole_card: Accelerator, name: str
) -> tuple[float, float]:
    """A slice's parts of the bandwidth and of the multiprocessors.

    From the card's profile where it knows the slice; else eighths of the memory, and sevenths as the driver
    counts them.
    """
    known = None if whole_card.profile is None else slice_named(get_profile(whole_card.profile), name)
    if known is not None:
        return known.memory_share, known.compute_share
    attributes = _ask(nvml, "nvmlDeviceGetAttributes", part)
    sevenths = whole(getattr(attributes, "gpuInstanceSliceCount", 0), 1, 7)
    held = memory / whole_card.memory_total
    return min(max(round(held * 8), 1) / 8, 1.0), sevenths / 7 if sevenths else min(held, 1.0)


def _scaled(value: float | None, share: float) -> float | None:
    return None if value is None else value * share


def _visible(gpus: list[Accelerator], system: System, found: FoundDevices) -> list[Accelerator]:
    variable = "CUDA_VISIBLE_DEVICES"
    value = system.env.get(variable)
    if value is None:
        return gpus
    kept = visible_indices(value, [g.uuid for g in gpus])
    chosen = [gpus[i] for i in kept]
    if chosen != gpus:
        found.notes.append(f"{variable}={shown(value)} shows {len(chosen)} of {len(gpus)} NVIDIA devices")
    mixed = len({g.name for g in gpus}) > 1 and system.env.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID"
    if mixed and value.strip() and chosen:
        found.notes.append(
            "CUDA counts the fastest card first: set CUDA_DEVICE_ORDER=PCI_BUS_ID to count as here"
        )
    hidden = sum(g.memory_total for g in gpus if g not in chosen)
    if hidden:
        found.notes.append(f"{gib(hidden)} of GPU memory are hidden from this program")
    return chosen
