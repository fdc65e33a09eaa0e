"""The GGUF header reader: what it keeps, what it refuses, how much it costs."""

from __future__ import annotations

import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import gguf
import gguf_bytes as w
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import InputError
from planner.models.gguf.header import GgufArray, quant_of_name, read_gguf
from planner.models.gguf.types import FILE_TYPES, GGML_TYPES, REMOVED_GGML_TYPES

ARCH = w.pair("general.architecture", w.STRING, "llama")


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(raw: bytes, name: str = "model.gguf") -> Path:
        path = tmp_path / name
        path.write_bytes(raw)
        return path

    return write


def test_every_kind_of_value(write: Any) -> None:
    pairs = [
        ARCH,
        w.pair("u8", w.U8, 255),
        w.pair("i8", w.I8, -1),
        w.pair("u16", w.U16, 65535),
        w.pair("i16", w.I16, -2),
        w.pair("u32", w.U32, 4294967295),
        w.pair("i32", w.I32, -3),
        w.pair("f32", w.F32, 0.5),
        w.pair("bool", w.BOOL, True),
        w.pair("u64", w.U64, 1 << 63),
        w.pair("i64", w.I64, -4),
        w.pair("f64", w.F64, 0.25),
        w.array("heads", w.U32, [1, 2, 3]),
        w.array("pattern", w.BOOL, [True, False]),
        w.array("languages", w.STRING, ["en", "de"]),
        w.array("long", w.F32, [0.0] * 5000),
        w.array("words", w.STRING, ["ab"] * 5000),
        w.array("empty", w.STRING, []),
    ]
    header = read_gguf(write(w.header(pairs)))
    assert dict(header.metadata) == {
        "general.architecture": "llama",
        "u8": 255,
        "i8": -1,
        "u16": 65535,
        "i16": -2,
        "u32": 4294967295,
        "i32": -3,
        "f32": 0.5,
        "bool": True,
        "u64": 1 << 63,
        "i64": -4,
        "f64": 0.25,
        "heads": (1, 2, 3),
        "pattern": (True, False),
        "languages": ("en", "de"),
        "long": GgufArray("float32", 5000),
        "words": GgufArray("string", 5000),
        "empty": (),
    }


@pytest.mark.parametrize("kind", GGML_TYPES.values(), ids=lambda k: k.name)
def test_every_type_of_b11434_agrees_with_the_gguf_package(kind: Any) -> None:
    known = {int(t): (t.name, *size) for t, size in gguf.GGML_QUANT_SIZES.items()}
    if kind.id not in known or kind.name == "Q8_1":  # a type of activations: older packages pad it
        pytest.skip("the installed gguf package is older than b11434")
    assert known[kind.id] == (kind.name, kind.block, kind.bytes)


def test_types_are_complete() -> None:
    assert set(GGML_TYPES) | set(REMOVED_GGML_TYPES) == set(range(43))
    assert {t.id for t in GGML_TYPES.values()} >= {int(t) for t in gguf.GGML_QUANT_SIZES}


@pytest.mark.parametrize("kind", GGML_TYPES.values(), ids=lambda k: k.name)
def test_a_tensor_of_every_type(write: Any, kind: Any) -> None:
    raw = w.padded(w.header([ARCH], [w.info("t", [kind.block * 2, 3, 2], kind.id, 0)]))
    header = read_gguf(write(raw + bytes(kind.bytes * 12)))
    (tensor,) = header.tensors
    assert (tensor.type, tensor.shape, tensor.nbytes) == (kind, (kind.block * 2, 3, 2), kind.bytes * 12)
    assert header.parameters == kind.block * 12
    assert not header.header_only


def test_tensors_data_section_and_the_gguf_package(tmp_path: Path) -> None:
    path = tmp_path / "tiny-Q8_0.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_custom_alignment(64)
    writer.add_tensor("token_embd.weight", np.zeros((10, 8), dtype=np.float32))
    writer.add_tensor("blk.0.attn_q.weight", np.zeros((7, 33), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read_gguf(path)
    reader = gguf.GGUFReader(path)
    assert [(t.name, t.shape, t.nbytes) for t in header.tensors] == [
        (t.name, tuple(int(e) for e in t.shape), t.n_bytes) for t in reader.tensors
    ]
    assert header.data_offset == reader.data_offset
    assert header.alignment == 64
    assert header.file_size == path.stat().st_size
    assert header.quant == "Q8_0"
    assert header.weight_bytes == 320 + 462
    assert (header.architecture, header.get("llama.block_count", int)) == ("llama", 1)


def _damaged() -> dict[str, tuple[bytes, str]]:
    big = 1 << 62
    one = w.info("t", [4], 0, 0)
    return {
        "empty": (b"", "truncated"),
        "magic": (w.header([ARCH], magic=b"GGML"), "not a GGUF file"),
        "html": (b"<html><body>Not found</body></html>", "not a GGUF file"),
        "big endian": (w.header([ARCH], version=3 << 24), "big-endian"),
        "version 0": (w.header([ARCH], version=0), "version 0"),
        "version 1": (w.header([ARCH], version=1), "version 1"),
        "version 4": (w.header([ARCH], version=4), "version 4"),
        "cut in the counts": (w.header([ARCH])[:20], "truncated"),
        "cut in a key": (w.header([ARCH])[:40], "truncated"),
        "keys": (w.header([ARCH], n_kv=big), "more than any model has"),
        "tensors": (w.header([ARCH], n_tensors=big), "more than any model has"),
        "fewer keys than announced": (w.header([ARCH], n_kv=3), "truncated"),
        "key length": (w.header([struct.pack("<Q", 1 << 63)]), "long"),
        "empty key": (w.header([w.pair("", w.U8, 1)]), "empty"),
        "duplicate key": (w.header([ARCH, ARCH]), "duplicate"),
        "value length": (w.header([w.text("k") + struct.pack("<IQ", w.STRING, big)]), "long"),
        "value type": (w.header([w.text("k") + struct.pack("<I", 99)]), "unknown value type 99"),
        "array type": (w.header([w.text("k") + struct.pack("<IIQ", 9, 77, 1)]), "unknown type 77"),
        "nested arrays": (w.header([w.text("k") + struct.pack("<IIQ", 9, 9, 1)]), "nests arrays"),
        "array length": (w.header([w.array("k", w.U64, [], count=big)]), "truncated"),
        "array overflow": (w.header([w.array("k", w.U64, [], count=(1 << 64) - 1)]), "truncated"),
        "string array length": (w.header([w.array("k", w.STRING, [], count=big)]), "more than any vocab"),
        "string array cut": (w.header([w.array("k", w.STRING, ["a"], count=4)]), "truncated"),
        "string in an array": (
            w.header([w.array("k", w.STRING, [], count=1) + struct.pack("<Q", (1 << 64) - 1)]),
            "truncated",
        ),
        "last string": (w.header([w.array("k", w.STRING, ["a"], 2) + struct.pack("<Q", 9)]), "truncated"),
        "alignment": (w.header([w.pair("general.alignment", w.U32, 24)]), "power of two"),
        "alignment 0": (w.header([w.pair("general.alignment", w.U32, 0)]), "power of two"),
        "alignment type": (w.header([w.pair("general.alignment", w.STRING, "32")]), "power of two"),
        "huge alignment": (w.header([w.pair("general.alignment", w.U32, 1 << 31)]), "more than any"),
        "tensor name": (w.header([ARCH], [w.info("n" * 64, [4], 0, 0)]), "long"),
        "duplicate tensor": (w.header([ARCH], [one, w.info("t", [4], 0, 32)]), "duplicate tensor"),
        "dimensions": (w.header([ARCH], [w.info("t", [1] * 5, 0, 0)]), "5 dimensions"),
        "shape": (w.header([ARCH], [w.info("t", [1 << 40, 1 << 40], 0, 0)]), "overflows"),
        "negative shape": (w.header([ARCH], [w.info("t", [(1 << 64) - 1], 0, 0)]), "overflows"),
        "bytes": (w.header([ARCH], [w.info("t", [1 << 62], 28, 0)]), "larger than any file"),
        "row": (w.header([ARCH], [w.info("t", [100, 4], 12, 0)]), "multiple of 256"),
        "type": (w.header([ARCH], [w.info("t", [32], 200, 0)]), "unknown type 200"),
        "removed type": (w.header([ARCH], [w.info("t", [32], 31, 0)]), "Q4_0_4_4"),
        "offset": (w.header([ARCH], [w.info("t", [4], 0, 32)]), "expected 0"),
        "offset overflow": (w.header([ARCH], [one, w.info("u", [4], 0, (1 << 64) - 32)]), "expected 32"),
        "cut in the data": (w.padded(w.header([ARCH], [w.info("t", [64], 0, 0)]), data=100), "truncated"),
    }


@pytest.mark.parametrize("name", _damaged())
def test_damaged_files_are_refused_with_one_line(write: Any, name: str) -> None:
    raw, words = _damaged()[name]
    path = write(raw)
    with pytest.raises(InputError) as caught:
        read_gguf(path)
    message = str(caught.value)
    assert words in message
    assert str(path) in message
    assert "\n" not in message
    assert len(message) < 400 + len(str(path))


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_a_header_cut_anywhere_is_refused(write: Any, cut: int) -> None:
    raw = w.header(
        [ARCH, w.array("tokens", w.STRING, ["abc"] * 20), w.array("heads", w.U32, [1] * 8)],
        [w.info("t", [4], 0, 0)],
    )
    with pytest.raises(InputError, match="truncated"):
        read_gguf(write(raw[: cut * (len(raw) - 1) // 400]))


@settings(max_examples=300, deadline=2000)
@given(data=st.data())
def test_random_damage_never_escapes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    raw = bytearray(
        w.padded(
            w.header(
                [ARCH, w.array("tokens", w.STRING, ["abc"] * 9), w.array("heads", w.U32, [1] * 8)],
                [w.info("t", [4], 0, 0), w.info("u", [256, 2], 12, 32)],
            ),
            data=320,
        )
    )
    for _ in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(0, len(raw) - 1))
        raw[position] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damage") / "m.gguf"
    path.write_bytes(raw)
    try:
        read_gguf(path)
    except InputError as error:
        assert "\n" not in str(error)


def test_no_file_a_folder_and_a_header_without_data(write: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_gguf(tmp_path / "absent.gguf")
    with pytest.raises(InputError, match="folder"):
        read_gguf(tmp_path)
    header = read_gguf(write(w.header([ARCH], [w.info("t", [64], 0, 0)])))
    assert header.header_only
    assert header.weight_bytes == 256


def _vocabulary(path: Path, tokens: int) -> None:
    words = [f"token{i}" for i in range(tokens)]
    merges = [f"tok en{i}" for i in range(2 * tokens)]
    path.write_bytes(
        w.header(
            [
                ARCH,
                w.array("tokenizer.ggml.tokens", w.STRING, words),
                w.array("tokenizer.ggml.scores", w.F32, [0.0] * tokens),
                w.array("tokenizer.ggml.token_type", w.I32, [1] * tokens),
                w.array("tokenizer.ggml.merges", w.STRING, merges),
            ],
            [w.info(f"blk.{i}.attn_q.weight", [64, 64], 0, i * 16384) for i in range(1000)],
        )
    )


def test_a_vocabulary_of_200000_tokens_costs_little(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.gguf"
    _vocabulary(path, 200_000)
    seconds = []  # of processor time: a busy machine is no slow reader
    for _ in range(3):
        start = time.process_time()
        header = read_gguf(path)
        seconds.append(time.process_time() - start)
    assert header.metadata["tokenizer.ggml.tokens"] == GgufArray("string", 200_000)
    assert header.metadata["tokenizer.ggml.merges"] == GgufArray("string", 400_000)
    assert len(header.tensors) == 1000
    assert min(seconds) <= 0.15
    tracemalloc.start()
    read_gguf(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 60 << 20


def test_hostile_strings_are_bounded_in_time(write: Any) -> None:
    """Four million empty strings are the most that the reader steps over."""
    raw = w.header([w.array("k", w.STRING, [], count=4 << 20)]) + bytes(8 * (4 << 20))
    start = time.process_time()
    header = read_gguf(write(raw))
    assert header.metadata["k"] == GgufArray("string", 4 << 20)
    assert time.process_time() - start < 1.5
    twice = w.header([w.array(k, w.STRING, [], count=3 << 20) + bytes(8 * (3 << 20)) for k in "kl"])
    with pytest.raises(InputError, match="more than any vocabulary"):
        read_gguf(write(twice))


def _shard(no: int, count: int, tensors: list[bytes], total: int, **changes: int) -> bytes:
    said = {"split.no": no, "split.count": count, "split.tensors.count": total, **changes}
    pairs = [w.pair(k, w.I32 if "tensors" in k else w.U16, v) for k, v in said.items()]
    return w.padded(w.header([*([ARCH] if no == 0 else []), *pairs], tensors))


def test_split_files_are_read_as_one(write: Any) -> None:
    names = [f"big-Q4_K_M-0000{i}-of-00003.gguf" for i in (1, 2, 3)]
    bodies = [
        _shard(0, 3, [], 2),
        _shard(1, 3, [w.info("a", [256], 12, 0)], 2) + bytes(144),
        _shard(2, 3, [w.info("b", [64], 0, 0)], 2) + bytes(256),
    ]
    paths = [write(body, name) for body, name in zip(bodies, names, strict=True)]
    for path in paths:  # whichever of them is named
        header = read_gguf(path)
        assert [(t.name, t.shard) for t in header.tensors] == [("a", 1), ("b", 2)]
        assert (header.shards, header.architecture, header.quant) == (3, "llama", "Q4_K_M")
        assert header.file_size == sum(map(len, bodies))
    paths[1].unlink()
    with pytest.raises(InputError, match=r"00002-of-00003.*needs all its files"):
        read_gguf(paths[0])


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (_shard(0, 2, [w.info("b", [4], 0, 0)], 2), r"split\.no is 0, expected 1"),
        (_shard(1, 3, [w.info("b", [4], 0, 0)], 2), "a split of 3 files"),
        (_shard(1, 2, [w.info("a", [4], 0, 0)], 2), "in an earlier file"),
        (_shard(1, 2, [], 2), r"has 1 tensors, .* says 2"),
    ],
)
def test_split_files_that_contradict_each_other(write: Any, second: bytes, words: str) -> None:
    first = write(_shard(0, 2, [w.info("a", [4], 0, 0)], 2), "m-00001-of-00002.gguf")
    write(second, "m-00002-of-00002.gguf")
    with pytest.raises(InputError, match=words):
        read_gguf(first)


def test_a_renamed_part_of_a_split_is_refused(write: Any) -> None:
    with pytest.raises(InputError, match="split of 2 files"):
        read_gguf(write(_shard(0, 2, [], 0), "renamed.gguf"))


@pytest.mark.parametrize(
    ("name", "quant"),
    [
        ("Qwen3-8B-Q4_K_M.gguf", "Q4_K_M"),
        ("Qwen3-30B-A3B-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("DeepSeek-R1-UD-IQ1_S-00001-of-00003.gguf", "UD-IQ1_S"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("llama-3.2-3b-instruct.q8_0.gguf", "Q8_0"),
        ("gemma-3-4b-it-BF16.gguf", "BF16"),
        ("phi-4-iq4_nl.gguf", "IQ4_NL"),
        ("bitnet-TQ2_0.gguf", "TQ2_0"),
        ("Qwen2.5-Q2_K.gguf", "Q2_K"),
        ("model.gguf", None),
    ],
)
def test_quantisation_in_a_name(name: str, quant: str | None) -> None:
    assert quant_of_name(name) == quant


def test_quantisation_without_a_name(write: Any) -> None:
    pairs = [ARCH, w.pair("general.file_type", w.U32, 15)]
    assert read_gguf(write(w.header(pairs))).quant == "Q4_K_M"
    infos = [w.info("a", [4], 0, 0), w.info("b", [256, 9], 14, 32)]
    assert read_gguf(write(w.header([ARCH], infos))).quant == "Q6_K"
    known = {int(t) for t in gguf.LlamaFileType if t.name.startswith(("ALL_", "MOSTLY_"))}
    assert known <= set(FILE_TYPES)


def test_wrong_types_of_metadata_are_named(write: Any) -> None:
    header = read_gguf(write(w.header([w.pair("general.architecture", w.U32, 5)])))
    with pytest.raises(InputError, match=r"general\.architecture is 5, expected str"):
        _ = header.architecture
    header = read_gguf(write(w.header([])))
    with pytest.raises(InputError, match=r"general\.architecture is missing"):
        _ = header.architecture


@pytest.mark.parametrize("named", ["a\nb", "llama\n", "", "\x1b[2J"])
def test_names_from_a_file_are_printable(write: Any, named: str) -> None:
    pairs = [
        w.pair("general.architecture", w.STRING, named),
        w.pair("general.name", w.STRING, "x\x1b[2J\ny"),
    ]
    header = read_gguf(write(w.header(pairs)))
    assert header.name == "x [2J y"
    with pytest.raises(InputError, match="no architecture's name") as caught:
        _ = header.architecture
    assert str(caught.value).isprintable()
