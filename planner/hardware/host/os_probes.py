"""Questions that only one operating system answers: Metal's limit on macOS, the registry on Windows."""

from __future__ import annotations

import sys
from typing import Any, Final

_CLASS: Final = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
_CPU_KEY: Final = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
# PF_ constants of winnt.h that IsProcessorFeaturePresent knows.
_WINDOWS_FEATURES: Final = {38: "sse4_2", 39: "avx", 40: "avx2", 41: "avx512f", 19: "neon", 43: "dotprod"}
_VALUES: Final = ("DriverDesc", "MatchingDeviceId", "HardwareInformation.qwMemorySize")


def metal_working_set() -> int | None:
    """recommendedMaxWorkingSetSize of the default Metal device in bytes, asked of Metal itself.

    The figure that llama.cpp counts as the GPU's total (ggml-metal-device.m, b11434). None without Metal.
    """
    import ctypes
    import ctypes.util

    try:
        # Without Core Graphics in the process there is no default device.
        ctypes.CDLL("/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics")
        metal = ctypes.CDLL("/System/Library/Frameworks/Metal.framework/Metal")
        objc = ctypes.CDLL(ctypes.util.find_library("objc") or "/usr/lib/libobjc.A.dylib")
        metal.MTLCreateSystemDefaultDevice.restype = ctypes.c_void_p
        device = metal.MTLCreateSystemDefaultDevice()
        objc.sel_registerName.restype = ctypes.c_void_p
        objc.sel_registerName.argtypes = [ctypes.c_char_p]
        send = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p)(("objc_msgSend", objc))
        if not device:
            return None
        value = send(device, objc.sel_registerName(b"recommendedMaxWorkingSetSize"))
    except (OSError, AttributeError, ValueError):
        return None
    return int(value) or None


def windows_cpu() -> tuple[str | None, frozenset[str]]:
    """The processor's brand string and instruction sets; (None, nothing) off Windows or when refused."""
    if sys.platform != "win32":
        return None, frozenset()
    import ctypes
    import winreg

    name: str | None = None
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _CPU_KEY) as key:
            name = str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    except OSError:
        pass
    present = ctypes.windll.kernel32.IsProcessorFeaturePresent
    return name, frozenset(text for number, text in _WINDOWS_FEATURES.items() if present(number))


def read_registry() -> list[dict[str, Any]]:
    """The display adapters of the registry; empty off Windows or without permission."""
    if sys.platform != "win32":
        return []
    import winreg

    rows: list[dict[str, Any]] = []
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _CLASS) as base:
            for number in range(winreg.QueryInfoKey(base)[0]):
                rows.append(_row(winreg, base, winreg.EnumKey(base, number)))
    except OSError:
        pass
    return [row for row in rows if row]


def _row(winreg: Any, base: Any, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    try:
        with winreg.OpenKey(base, name) as key:
            for value in _VALUES:
                try:
                    row[value] = winreg.QueryValueEx(key, value)[0]
                except OSError:
                    continue
    except OSError:
        pass
    return row
