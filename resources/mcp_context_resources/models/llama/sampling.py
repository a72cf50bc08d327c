"""Sampling: choosing the next token of a text."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from mcp_context_resources.models.llama.grammar import Grammar
    from mcp_context_resources.models.spec import Generation

_SEED: Final = 42
_PENALIZED: Final = 64
_TOP_P: Final = 0.95


class Sampler:
    """The likeliest token that the grammar allows, or at a temperature above 0 one drawn by chance (always the same).

    A `repeat_penalty` above 1 makes the last 64 tokens, the prompt's among them, less likely (Keskar et al. 2019,
    arXiv:1909.05858). Under a grammar the last quarter of `max_tokens` is for closing what is open.
    """

    def __init__(
        self, prompt: list[int], request: Generation, *, grammar: Grammar | None, piece: Callable[[int], bytes]
    ) -> None:
        self._temperature = request.temperature
        self._penalty = request.repeat_penalty
        self._piece = piece
        self._hurry_after = request.max_tokens * 3 // 4
        self._made = 0
        self._grammar = grammar
        self._recent = deque(prompt[-_PENALIZED:], maxlen=_PENALIZED)
        self._chance = np.random.default_rng(_SEED)

    def next(self, logits: npt.NDArray[np.float32]) -> int:
        """Return the next token and remember it."""
        if self._penalty != 1.0:
            logits = logits.copy()
            recent = np.array(list(set(self._recent)))
            seen = logits[recent]
            logits[recent] = np.where(seen > 0, seen / self._penalty, seen * self._penalty)
        token = self._pick(logits)
        self._recent.append(token)
        if self._grammar is not None:
            self._grammar.accept(token, self._piece(token))
        self._made += 1
        return token

    @property
    def is_complete(self) -> bool:
        """Tell whether nothing can follow what was chosen."""
        return self._grammar is not None and self._grammar.is_complete

    def _pick(self, logits: npt.NDArray[np.float32]) -> int:
        hurry = self._made >= self._hurry_after
        if self._temperature <= 0:
            return int(logits.argmax()) if self._grammar is None else self._grammar.best(logits, hurry=hurry)
        if self._grammar is not None:
            logits = logits.copy()
            self._grammar.restrict(logits, hurry=hurry)
        scaled = (logits - logits.max()).astype(np.float64) / self._temperature
        likely = np.exp(scaled)
        order = np.argsort(-likely)
        total = np.cumsum(likely[order]) / likely.sum()
        nucleus = order[: int(np.searchsorted(total, _TOP_P)) + 1]
        return int(self._chance.choice(nucleus, p=likely[nucleus] / likely[nucleus].sum()))
