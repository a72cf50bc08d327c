"""Makers of tiny vision models: random weights, always the same, in the formats of real ones.

Nothing they write means anything, but llama.cpp loads and evaluates them as it does a real model: another picture
changes what follows.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, Literal

import gguf
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

Kind = Literal["llava", "qwen2vl", "gemma3"]
"""A picture is 16 tokens at 16 positions; 9 tokens at 3 positions (96 × 96); 1,024 tokens that are read whole."""

WIDTH: Final = 64
CONTEXT: Final = 4_096

_ARCHITECTURES: Final[dict[Kind, str]] = {"llava": "llama", "qwen2vl": "qwen2vl", "gemma3": "llama"}
_PROJECTORS: Final[dict[Kind, str]] = {"llava": "mlp", "qwen2vl": "qwen2vl_merger", "gemma3": "gemma3"}
_PICTURES: Final[dict[Kind, tuple[int, int]]] = {"llava": (64, 16), "qwen2vl": (64, 16), "gemma3": (512, 4)}
_LAYERS: Final = 2
_HEADS: Final = 4
_SEEN_WIDTH: Final = 32


class _Tensors:
    """Random weights of a fixed seed, written to a file."""

    def __init__(self, writer: gguf.GGUFWriter, seed: int) -> None:
        self._writer = writer
        self._chance = np.random.default_rng(seed)

    def ones(self, name: str, *shape: int) -> None:
        self._writer.add_tensor(name, np.ones(shape, np.float32))

    def random(self, name: str, *shape: int) -> None:
        self._writer.add_tensor(name, self._chance.normal(0, 0.2, shape).astype(np.float32))

    def layer(self, name: str, *shape: int) -> None:
        self.random(f"{name}.weight", *shape)
        self.random(f"{name}.bias", shape[0])

    def norm(self, name: str, width: int, *, bias: bool = True) -> None:
        self.ones(f"{name}.weight", width)
        if bias:
            self.random(f"{name}.bias", width)

    def write(self) -> None:
        self._writer.write_header_to_file()
        self._writer.write_kv_data_to_file()
        self._writer.write_tensors_to_file()
        self._writer.close()


def write_model(path: Path, kind: Kind = "llava", *, template: str = "") -> Path:
    """Write a model of two layers whose tokens are the bytes and the printable ASCII characters."""
    architecture = _ARCHITECTURES[kind]
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny vision model")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // _HEADS)
    if kind == "qwen2vl":
        writer.add_rope_dimension_sections([2, 3, 3, 0])
    vocabulary = _add_tokenizer(writer)
    if template:
        writer.add_chat_template(template)
    tensors = _Tensors(writer, seed=1)
    tensors.random("token_embd.weight", vocabulary, WIDTH)
    tensors.norm("output_norm", WIDTH, bias=False)
    tensors.random("output.weight", vocabulary, WIDTH)
    for number in range(_LAYERS):
        block = f"blk.{number}"
        tensors.norm(f"{block}.attn_norm", WIDTH, bias=False)
        tensors.norm(f"{block}.ffn_norm", WIDTH, bias=False)
        for part in ("attn_q", "attn_k", "attn_v"):
            tensors.random(f"{block}.{part}.weight", WIDTH, WIDTH)
            if kind == "qwen2vl":
                tensors.random(f"{block}.{part}.bias", WIDTH)
        tensors.random(f"{block}.attn_output.weight", WIDTH, WIDTH)
        tensors.random(f"{block}.ffn_gate.weight", 2 * WIDTH, WIDTH)
        tensors.random(f"{block}.ffn_up.weight", 2 * WIDTH, WIDTH)
        tensors.random(f"{block}.ffn_down.weight", WIDTH, 2 * WIDTH)
    tensors.write()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter) -> int:
    letters = [b"\xe2\x96\x81", *(bytes([code]) for code in range(33, 127))]
    tokens = [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % code for code in range(256)), *letters]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 3 + [-1_000.0] * 256 + [-1.0 - number / 100 for number in range(len(letters))])
    writer.add_token_types(kinds + [gguf.TokenType.BYTE] * 256 + [gguf.TokenType.NORMAL] * len(letters))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    return len(tokens)


def write_projector(path: Path, kind: Kind = "llava", *, width: int = WIDTH) -> Path:
    """Write a projector of two layers for models whose vectors have `width` numbers."""
    size, patch = _PICTURES[kind]
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.use_gelu", True)
    writer.add_string("clip.projector_type", _PROJECTORS[kind])
    for key, number in (
        ("image_size", size),
        ("patch_size", patch),
        ("embedding_length", _SEEN_WIDTH),
        ("feed_forward_length", 2 * _SEEN_WIDTH),
        ("block_count", _LAYERS),
        ("projection_dim", width),
        ("attention.head_count", 2),
    ):
        writer.add_uint32(f"clip.vision.{key}", number)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5] * 3)
    writer.add_array("clip.vision.image_std", [0.5] * 3)
    tensors = _Tensors(writer, seed=2)
    patches = (size // patch) ** 2
    tensors.random("v.patch_embd.weight", _SEEN_WIDTH, 3, patch, patch)
    if kind == "llava":
        tensors.random("v.class_embd", _SEEN_WIDTH)
        tensors.random("v.position_embd.weight", patches + 1, _SEEN_WIDTH)
        tensors.norm("v.pre_ln", _SEEN_WIDTH)
        tensors.layer("mm.0", width, _SEEN_WIDTH)
        tensors.layer("mm.2", width, width)
    elif kind == "qwen2vl":
        writer.add_uint32("clip.vision.spatial_merge_size", 2)
        tensors.random("v.patch_embd.weight.1", _SEEN_WIDTH, 3, patch, patch)
        tensors.norm("v.post_ln", _SEEN_WIDTH)
        tensors.layer("mm.0", 4 * _SEEN_WIDTH, 4 * _SEEN_WIDTH)
        tensors.layer("mm.2", width, 4 * _SEEN_WIDTH)
    else:
        tensors.random("v.position_embd.weight", patches, _SEEN_WIDTH)
        tensors.norm("v.post_ln", _SEEN_WIDTH)
        tensors.random("mm.input_projection.weight", _SEEN_WIDTH, width)
        tensors.ones("mm.soft_emb_norm.weight", _SEEN_WIDTH)
    for number in range(_LAYERS):
        block = f"v.blk.{number}"
        for part in ("ln1", "ln2"):
            tensors.norm(f"{block}.{part}", _SEEN_WIDTH)
        for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
            tensors.layer(f"{block}.{part}", _SEEN_WIDTH, _SEEN_WIDTH)
        tensors.layer(f"{block}.ffn_up", 2 * _SEEN_WIDTH, _SEEN_WIDTH)
        tensors.layer(f"{block}.ffn_down", _SEEN_WIDTH, 2 * _SEEN_WIDTH)
    tensors.write()
    return path


def picture(seed: int, *, width: int = 96, height: int = 96, form: str = "PNG") -> bytes:
    """Make a picture of coloured noise, another one for each seed."""
    chance = np.random.default_rng(seed)
    pixels: npt.NDArray[np.uint8] = chance.integers(0, 256, (height, width, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form)
    return out.getvalue()
