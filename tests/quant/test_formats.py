"""Block sizes, rows and the padding of device buffers."""

from __future__ import annotations

import pytest

from planner.errors import UnsupportedError
from planner.quant.formats import (
    GGML_FORMATS,
    cuda_bytes,
    ggml_format,
    host_bytes,
    tensor_bytes,
)


@pytest.mark.parametrize(
    ("name", "bits"),
    [("Q4_K", 4.5), ("Q6_K", 6.5625), ("Q8_0", 8.5), ("MXFP4", 4.25), ("IQ4_XS", 4.25), ("Q2_K", 2.625)],
)
def test_bits_per_weight(name: str, bits: float) -> None:
    assert ggml_format(name).bits_per_weight == bits


def test_names_are_case_insensitive_and_unknown_ones_refused() -> None:
    assert ggml_format("q8_0") is GGML_FORMATS["Q8_0"]
    with pytest.raises(UnsupportedError, match="Q9_Z"):
        ggml_format("Q9_Z")


def test_gguf_library_agrees_on_every_block_size() -> None:
    gguf = pytest.importorskip("gguf")
    sizes = {t.name: s for t, s in gguf.GGML_QUANT_SIZES.items()}
    known = (set(sizes) & set(GGML_FORMATS)) - {"Q8_1"}  # never in a file; the library still has the old one
    assert len(known) > 25
    for name in known:
        assert (GGML_FORMATS[name].block, GGML_FORMATS[name].bytes) == sizes[name], name


def test_tensor_bytes_of_stacked_experts() -> None:
    assert tensor_bytes((2880, 2880, 32), ggml_format("MXFP4")) == 2880 // 32 * 17 * 2880 * 32


def test_cuda_pads_one_row_of_a_quantised_tensor_to_512() -> None:
    shape = (2880, 100)  # 2880 % 512 = 320: 192 elements more, once
    kind = ggml_format("Q8_0")
    assert cuda_bytes(shape, kind) == -(-(tensor_bytes(shape, kind) + 192 // 32 * 34) // 128) * 128
    plain = ggml_format("F16")
    assert cuda_bytes(shape, plain) == tensor_bytes(shape, plain)


def test_host_pads_to_32_bytes() -> None:
    assert host_bytes((3,), ggml_format("F32")) == 32
