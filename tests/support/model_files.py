"""Makers of tiny GGUF files: right in form, without anything learned in them."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

F32: Final = 0
_ALIGNMENT: Final = 32
_ARRAY, _STRING, _U32, _I32, _U64, _F32, _BOOL = 9, 8, 4, 5, 10, 6, 7


def gguf(
    metadata: Mapping[str, Any],
    tensors: Mapping[str, tuple[int, ...]] | None = None,
    *,
    version: int = 3,
    tensor_count: int | None = None,
    key_count: int | None = None,
    data: Mapping[str, bytes] | None = None,
) -> bytes:
    """Write a GGUF with float tensors of these shapes, zero unless `data` has their bytes; counts may lie."""
    shapes = {"token_embd.weight": (4, 8)} if tensors is None else tensors
    counts = (len(shapes) if tensor_count is None else tensor_count, len(metadata) if key_count is None else key_count)
    out = bytearray(struct.pack("<4sIQQ", b"GGUF", version, *counts))
    for key, value in metadata.items():
        out += text(key) + _value(value)
    offset = 0
    for name, shape in shapes.items():
        out += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, F32, offset)
        offset += _padded(4 * math.prod(shape))
    out += bytes(-len(out) % _ALIGNMENT)
    for name, shape in shapes.items():
        content = (data or {}).get(name, bytes(4 * math.prod(shape)))
        out += content + bytes(_padded(len(content)) - len(content))
    return bytes(out)


def text(value: str) -> bytes:
    """Write a text as GGUF does."""
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def chat_model(**changes: Any) -> bytes:
    """Write what passes for a small model that writes; `changes` are metadata, with `__` for dots."""
    metadata = {
        "general.architecture": "llama",
        "general.type": "model",
        "general.name": "Tiny Writer",
        "general.file_type": 0,
        "llama.block_count": 2,
        "llama.context_length": 4096,
        "llama.embedding_length": 64,
        "llama.feed_forward_length": 128,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "tokenizer.ggml.tokens": ["a", "b"],
        "tokenizer.chat_template": "{{ messages }}",
    }
    return gguf(metadata | {key.replace("__", "."): value for key, value in changes.items()})


def embedder(**changes: Any) -> bytes:
    """Write what passes for a small model that embeds."""
    metadata = {
        "general.architecture": "bert",
        "general.name": "Tiny Embedder",
        "bert.block_count": 1,
        "bert.context_length": 512,
        "bert.embedding_length": 32,
        "bert.pooling_type": 1,
    }
    return gguf(metadata | {key.replace("__", "."): value for key, value in changes.items()})


def projector(width: int) -> bytes:
    """Write what passes for the projector of vision models with this embedding length."""
    return gguf(
        {"general.architecture": "clip", "general.type": "mmproj", "clip.vision.projection_dim": width},
        {"mm.0.weight": (4, 4)},
    )


def adapter() -> bytes:
    """Write what passes for a LoRA adapter."""
    return gguf({"general.architecture": "llama", "general.type": "adapter", "adapter.type": "lora"}, {"a": (4, 4)})


def write_split(folder: Path, stem: str, count: int, *, leave_out: int | None = None) -> list[Path]:
    """Write a model in several files, the first with all metadata; returns the paths that were written."""
    paths = []
    for number in range(1, count + 1):
        path = folder / f"{stem}-{number:05d}-of-{count:05d}.gguf"
        if number != leave_out:
            path.write_bytes(chat_model() if number == 1 else gguf({"split.no": number - 1}, {"t": (8, 16)}))
            paths.append(path)
    return paths


def _padded(size: int) -> int:
    return size + -size % _ALIGNMENT


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _U32, value) if 0 <= value < 1 << 32 else struct.pack("<Iq", 11, value)
    if isinstance(value, float):
        return struct.pack("<If", _F32, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + text(value)
    return _array(value)


def _array(values: list[Any]) -> bytes:
    if values and isinstance(values[0], str):
        return struct.pack("<IIQ", _ARRAY, _STRING, len(values)) + b"".join(map(text, values))
    kind = "f" if values and isinstance(values[0], float) else "i"
    code = _F32 if kind == "f" else _I32
    return struct.pack(f"<IIQ{len(values)}{kind}", _ARRAY, code, len(values), *values)


def loadable_reranker() -> bytes:
    """Write a whole model of one layer that llama.cpp loads and that ranks, by weights that are arbitrary but fixed."""
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *(f"▁{word}" for word in "tram fare yen harbour rain a the is".split()),
    ]
    width, inner, positions = 32, 64, 128
    vectors = ("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm")
    square = ("attn_q", "attn_k", "attn_v", "attn_output")
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (width, len(words)),
        "position_embd.weight": (width, positions),
        "token_types.weight": (width, 2),
        **{f"{name}.{part}": (width,) for name in vectors for part in ("weight", "bias")},
        **{f"blk.0.{name}.weight": (width, width) for name in square},
        **{f"blk.0.{name}.bias": (width,) for name in square},
        "blk.0.ffn_up.weight": (width, inner),
        "blk.0.ffn_up.bias": (inner,),
        "blk.0.ffn_down.weight": (inner, width),
        "blk.0.ffn_down.bias": (width,),
        "cls.weight": (width, width),
        "cls.bias": (width,),
        "cls.output.weight": (width, 1),
        "cls.output.bias": (1,),
    }
    metadata = {
        "general.architecture": "bert",
        "general.name": "Tiny Ranker",
        "general.file_type": 0,
        "bert.block_count": 1,
        "bert.context_length": positions,
        "bert.embedding_length": width,
        "bert.feed_forward_length": inner,
        "bert.attention.head_count": 4,
        "bert.attention.layer_norm_epsilon": 1e-12,
        "bert.attention.causal": False,
        "bert.pooling_type": 4,
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": words,
        "tokenizer.ggml.token_type": [3] * 4 + [1] * (len(words) - 4),
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.cls_token_id": 2,
        "tokenizer.ggml.seperator_token_id": 3,
        "tokenizer.ggml.eos_token_id": 3,
        "tokenizer.ggml.padding_token_id": 0,
    }
    data = {name: _weights(number, math.prod(shape)) for number, (name, shape) in enumerate(shapes.items())}
    return gguf(metadata, shapes, data=data)


def _weights(seed: int, count: int) -> bytes:
    return struct.pack(f"<{count}f", *(math.sin(1.7 * place + 3.1 * seed) for place in range(count)))
