"""Holding a model to a JSON schema: the grammar decides which tokens may come next.

llama.cpp checks a grammar only when a sampler is made of it, and crashes on some that pass for one, so each is tried
once before a model is let loose with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import re
from typing import TYPE_CHECKING, Any, Final

import llama_cpp
import numpy as np

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.models.llama.schema_rules import schema_grammar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy.typing as npt

_CANDIDATE: Final = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
_FEW: Final = 16
_BRACKETS: Final = re.compile(rb"\s*[}\]][\s}\]]*")
_QUOTE: Final = re.compile(rb'"[\s}\]]*')
_BACKSLASH: Final = ord("\\")
_QUOTATION: Final = ord('"')


class Closers:
    """The tokens of a vocabulary that only close what is open in a JSON text: brackets, and quotation marks."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        brackets, quotes = [], []
        for token, piece in enumerate(pieces):
            if _BRACKETS.fullmatch(piece):
                brackets.append(token)
            elif _QUOTE.fullmatch(piece):
                quotes.append(token)
        self.brackets = np.array(brackets, np.int32)
        self.quotes = np.array(quotes, np.int32)


class Grammar:
    """The state of one JSON text under a grammar.

    Raises `InvalidInputError` for a grammar that llama.cpp rejects.
    """

    def __init__(self, vocabulary: Any, text: str, closers: Closers) -> None:
        self._closers = closers
        self._in_string = self._escaped = False
        self._sampler = llama_cpp.llama_sampler_init_grammar(vocabulary, text.encode(), b"root")
        if not self._sampler:
            raise InvalidInputError("llama.cpp rejects the grammar of this JSON schema.", "Simplify it.")

    def close(self) -> None:
        """Free it."""
        if self._sampler:
            llama_cpp.llama_sampler_free(self._sampler)
            self._sampler = None

    def accept(self, token: int, piece: bytes) -> None:
        """Go on by one token, which must be allowed."""
        llama_cpp.llama_sampler_accept(self._sampler, token)
        for byte in piece:
            if self._escaped:
                self._escaped = False
            elif byte == _BACKSLASH:
                self._escaped = self._in_string
            elif byte == _QUOTATION:
                self._in_string = not self._in_string

    def best(self, logits: npt.NDArray[np.float32], *, hurry: bool = False) -> int:
        """Return the likeliest token that is allowed next; in a hurry one that closes what is open, if any does.

        To ask about every token takes longer than to evaluate one, so the likeliest are asked about first.
        """
        if hurry:
            closing = self._closers.quotes if self._in_string else self._closers.brackets
            allowed = self._allowed(closing, logits)
            if len(closing) and (best := int(allowed.argmax())) >= 0 and allowed[best] > -np.inf:
                return int(closing[best])
        first = int(logits.argmax())
        if self._allowed(np.array([first], np.int32), logits)[0] > -np.inf:
            return first
        for some in (np.argpartition(logits, -_FEW)[-_FEW:], np.arange(len(logits))):
            allowed = self._allowed(some.astype(np.int32), logits)
            if (best := int(allowed.argmax())) >= 0 and allowed[best] > -np.inf:
                return int(some[best])
        raise InvalidInputError("The JSON schema leaves the model no way to go on.", "Loosen it.")

    def restrict(self, logits: npt.NDArray[np.float32]) -> None:
        """Take all tokens out of `logits` that are not allowed next."""
        logits[:] = self._allowed(np.arange(len(logits), dtype=np.int32), logits)

    def _allowed(self, tokens: npt.NDArray[np.int32], logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        candidates = np.zeros(len(tokens), _CANDIDATE)
        candidates["id"] = tokens
        candidates["logit"] = logits[tokens]
        array = llama_cpp.llama_token_data_array(
            data=candidates.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token_data)),
            size=len(candidates),
            selected=-1,
            sorted=False,
        )
        llama_cpp.llama_sampler_apply(self._sampler, ctypes.byref(array))
        return candidates["logit"]


@contextlib.contextmanager
def grammars(vocabulary: Any, closers: Callable[[], Closers]) -> Iterator[Grammars]:
    """Make grammars that are freed when the block ends."""
    made = Grammars(vocabulary, closers)
    try:
        yield made
    finally:
        made.close()


class Grammars:
    """Makes grammars of schemas, each schema written out only once."""

    def __init__(self, vocabulary: Any, closers: Callable[[], Closers]) -> None:
        self._vocabulary = vocabulary
        self._closers = closers
        self._texts: dict[str, str] = {}
        self._open: list[Grammar] = []

    def of(self, schema: dict[str, Any] | None) -> Grammar | None:
        """Return a fresh grammar for one text; None for no schema."""
        if schema is None:
            return None
        key = json.dumps(schema, sort_keys=True)
        if key not in self._texts:
            self._texts[key] = schema_grammar(schema)
        grammar = Grammar(self._vocabulary, self._texts[key], self._closers())
        self._open.append(grammar)
        return grammar

    def close(self) -> None:
        """Free all of them."""
        for grammar in self._open:
            grammar.close()
