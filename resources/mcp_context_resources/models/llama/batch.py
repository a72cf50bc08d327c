"""Batch: the tokens of one evaluation, in memory that llama.cpp reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import llama_cpp
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BATCH: Final = 512
"""Most tokens in one evaluation."""


class Batch:
    """Up to `MAX_BATCH` tokens, each with its position, its sequence, and whether logits are wanted after it."""

    def __init__(self, sequences: int) -> None:
        self.size = 0
        self._tokens = np.zeros(MAX_BATCH, np.int32)
        self._positions = np.zeros(MAX_BATCH, np.int32)
        self._counts = np.ones(MAX_BATCH, np.int32)
        self._outputs = np.zeros(MAX_BATCH, np.int8)
        self._names = np.arange(sequences, dtype=np.int32)
        self._sequences = np.zeros(MAX_BATCH, np.uint64)
        self._first = int(self._names.ctypes.data)
        self._native = llama_cpp.llama_batch()
        kinds: dict[str, Any] = {field[0]: field[1] for field in llama_cpp.llama_batch._fields_}
        for field, array in (
            ("token", self._tokens),
            ("pos", self._positions),
            ("n_seq_id", self._counts),
            ("seq_id", self._sequences),
            ("logits", self._outputs),
        ):
            setattr(self._native, field, array.ctypes.data_as(kinds[field]))

    @property
    def room(self) -> int:
        """How many tokens can be added."""
        return MAX_BATCH - self.size

    def clear(self) -> None:
        """Take all tokens out."""
        self.size = 0

    def add(self, tokens: Sequence[int], position: int, sequence: int, *, outputs: bool | None = None) -> int:
        """Add tokens of a sequence from a position on; returns the place of the last one in the batch.

        Logits are wanted after the last token (`outputs` None), after every one (True) or after none (False).
        """
        start, end = self.size, self.size + len(tokens)
        self._tokens[start:end] = tokens
        self._positions[start:end] = np.arange(position, position + len(tokens))
        self._sequences[start:end] = self._first + self._names.itemsize * sequence
        self._outputs[start:end] = 1 if outputs else 0
        if outputs is None:
            self._outputs[end - 1] = 1
        self.size = end
        return end - 1

    def native(self) -> Any:
        """Return the batch as llama.cpp takes it."""
        self._native.n_tokens = self.size
        return self._native
