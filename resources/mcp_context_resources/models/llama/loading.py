"""Loading: a model's weights brought into memory, on GPUs as far as they fit, a context, and adapters."""

from __future__ import annotations

import ctypes
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import llama_cpp

from mcp_context_resources.errors import ModelUnavailableError, OutOfMemoryError
from mcp_context_resources.models.llama import gpu, llama_log
from mcp_context_resources.models.llama.batch import MAX_BATCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.spec import ModelSpec

_log = logging.getLogger("fresh_context")
_ALL_LAYERS: Final = 0x7FFF_FFFF
_GGML_TYPES: Final = {"f16": 1, "q8_0": 8, "q4_0": 2}
_FLASH_ATTENTION_AUTO, _FLASH_ATTENTION_OFF = -1, 0
_KEY_AND_VALUE_BYTES: Final = 4


def load_model(spec: ModelSpec) -> tuple[Any, str]:
    """Load the weights; returns the model and what it runs on, "gpu" or "cpu".

    Where a graphics processor fails, the processor does the work and one warning says so.

    Raises `ModelUnavailableError`.
    """
    layers = _gpu_layers(spec)
    device = "gpu" if layers else "cpu"
    model = _loaded(spec, layers)
    if model is None and layers:
        _log.warning("%s does not run on the GPU (%s); using the CPU.", spec.name, llama_log.last_complaint())
        device, model = "cpu", _loaded(spec, 0)
    if model is None:
        raise ModelUnavailableError(
            f"The model {spec.name!r} can't be loaded: {llama_log.last_complaint().replace(spec.path, spec.name)}",
            f"Check that {Path(spec.path).name} is a complete GGUF file that this llama.cpp build knows.",
        )
    return model, device


def make_context(
    spec: ModelSpec, model: Any, tokens: int, sequences: int, *, embedding: bool, flash_attention: bool = True
) -> Any:
    """Make a context for `tokens` tokens of up to `sequences` texts, or for one text to be embedded.

    Raises `OutOfMemoryError`.
    """
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = tokens
    parameters.n_threads = parameters.n_threads_batch = spec.threads
    parameters.flash_attn_type = _FLASH_ATTENTION_AUTO if flash_attention else _FLASH_ATTENTION_OFF
    parameters.no_perf = True
    if embedding:
        # A model that reads both ways needs each text whole in one batch.
        parameters.n_ctx = min(tokens, MAX_BATCH)
        parameters.embeddings = True
        parameters.n_seq_max = 1
    else:
        parameters.kv_unified = True
        parameters.n_seq_max = sequences
        parameters.type_k = parameters.type_v = _GGML_TYPES[spec.cache_type]
    parameters.n_batch = parameters.n_ubatch = MAX_BATCH
    context = llama_cpp.llama_init_from_model(model, parameters)
    if context is None:
        raise OutOfMemoryError(
            f"There is no memory for a context of {tokens:,} tokens of {spec.name!r}: {llama_log.last_complaint()}.",
            "Lower models.context_tokens, or set models.cache_type to q8_0.",
        )
    return context


class Loras:
    """Adapters in memory, with their scales; they are freed with the model."""

    def __init__(self, adapters: Sequence[Any], scales: Sequence[float]) -> None:
        self._adapters = (llama_cpp.llama_adapter_lora_p_ctypes * len(adapters))(*adapters)
        self._scales = (ctypes.c_float * len(adapters))(*scales)

    def put_on(self, context: Any) -> None:
        """Let the context work with them."""
        if len(self._scales):
            llama_cpp.llama_set_adapters_lora(context, self._adapters, len(self._scales), self._scales)


def load_loras(spec: ModelSpec, model: Any) -> Loras:
    """Load the adapters.

    Raises `ModelUnavailableError` for one that doesn't fit.
    """
    adapters = []
    for path, _ in spec.loras:
        adapter = llama_cpp.llama_adapter_lora_init(model, path.encode())
        if not adapter:
            raise ModelUnavailableError(
                f"The LoRA adapter {Path(path).name} doesn't fit {spec.name!r}: {llama_log.last_complaint()}",
                "Check models.loras: an adapter fits only the model it was trained on.",
            )
        adapters.append(adapter)
    return Loras(adapters, [scale for _, scale in spec.loras])


def _gpu_layers(spec: ModelSpec) -> int:
    if not gpu.has_gpu():
        return 0
    return spec.gpu_layers if spec.gpu_layers >= 0 else _fitting(spec)


def _fitting(spec: ModelSpec) -> int:
    """Return how many layers fit into the graphics memory that is free now; all where that can't be told."""
    free = gpu.free_bytes()
    model = _loaded(spec, 0, vocab_only=True) if free else None
    if model is None:
        return _ALL_LAYERS
    layers, width = llama_cpp.llama_model_n_layer(model), llama_cpp.llama_model_n_embd(model)
    share = llama_cpp.llama_model_n_head_kv(model) / max(1, llama_cpp.llama_model_n_head(model))
    llama_cpp.llama_model_free(model)
    context = int(_KEY_AND_VALUE_BYTES * layers * width * share * spec.context_tokens)
    return gpu.layers_that_fit(layers, Path(spec.path).stat().st_size, context, free)


def _loaded(spec: ModelSpec, layers: int, *, vocab_only: bool = False) -> Any:
    parameters = llama_cpp.llama_model_default_params()
    parameters.n_gpu_layers = layers
    parameters.vocab_only = vocab_only
    return llama_cpp.llama_model_load_from_file(os.fsencode(spec.path), parameters)
