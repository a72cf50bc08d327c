"""The one model a worker holds in memory, and what its context remembers."""

from __future__ import annotations

import contextlib
import ctypes
from typing import TYPE_CHECKING, Any, Final, TypeVar

import llama_cpp
import numpy as np

from mcp_context_resources.models.llama import llama_log
from mcp_context_resources.models.llama.batch import MAX_BATCH, Batch
from mcp_context_resources.models.llama.chat_format import CHATML_END, ChatFormat
from mcp_context_resources.models.llama.grammar import JsonTokens
from mcp_context_resources.models.llama.loading import load_loras, load_model, make_context
from mcp_context_resources.models.llama.stopping import AbortFlag
from mcp_context_resources.models.llama.threads import Threads
from mcp_context_resources.models.model_card import QUANTIZATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from mcp_context_resources.models.spec import ModelSpec
    from mcp_context_resources.workers.job import Job

T = TypeVar("T")

SEQUENCES: Final = 64
"""How many texts a context can keep apart."""

_ABORTED: Final = 2
_NO_ROOM: Final = 1
_CONTROL_ATTRIBUTES: Final = 1 << 0 | 1 << 3 | 1 << 4  # LLAMA_TOKEN_ATTR_UNKNOWN, _CONTROL, _USER_DEFINED
_META_BYTES: Final = 4_096


class Aborted(Exception):  # noqa: N818 - no failure: the job was told to stop
    """An evaluation was ended because the job must stop; the context holds nothing any more."""


class Held:
    """A model in memory with a context; `embedding` ones make vectors instead of words.

    `tokens` are what sequence 0 of the context remembers, so that a prompt with the same beginning is read from where
    it differs. What is `attached` is made with its first use.

    Raises `ModelUnavailableError`, `OutOfMemoryError`.
    """

    def __init__(self, spec: ModelSpec, *, embedding: bool = False) -> None:
        llama_log.listen()
        self.spec = spec
        self.tokens: list[int] = []
        self.priors: dict[object, npt.NDArray[np.float64]] = {}
        self._attached: dict[object, Any] = {}
        self._json_tokens: JsonTokens | None = None
        self._closing = contextlib.ExitStack()
        try:
            self._load(embedding=embedding)
        except BaseException:
            self._closing.close()
            raise

    def _load(self, *, embedding: bool) -> None:
        self.model, self.device = load_model(self.spec)
        self._closing.callback(llama_cpp.llama_model_free, self.model)
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.vocabulary_size: int = llama_cpp.llama_vocab_n_tokens(self.vocabulary)
        trained_tokens: int = llama_cpp.llama_model_n_ctx_train(self.model)
        # Beyond its training a model only babbles.
        self.context_tokens = min(self.spec.context_tokens, trained_tokens or self.spec.context_tokens)
        self._logits_type = ctypes.c_float * self.vocabulary_size
        file_type = self.metadata("general.file_type")
        self.quantization = QUANTIZATIONS.get(int(file_type), "unknown") if file_type.isdigit() else "unknown"
        self.abort = AbortFlag()
        self.batch = Batch(SEQUENCES)
        self._plain_is_quicker = self.device == "cpu" and self.spec.cache_type == "f16" and not embedding
        self._several = False
        self._loras = load_loras(self.spec, self.model)
        self.context: Any = None
        self._closing.callback(self._free_context)
        self._open_context(embedding=embedding, flash_attention=not self._plain_is_quicker)
        self.context_tokens = min(self.context_tokens, llama_cpp.llama_n_ctx(self.context))
        begin, end = (
            self._text_of(token(self.vocabulary)) for token in (llama_cpp.llama_vocab_bos, llama_cpp.llama_vocab_eos)
        )
        self._begin = begin
        # Models like BERT end a text with what parts it from the next; -1 where a model knows no end at all.
        kinds = llama_cpp.llama_vocab_eot, llama_cpp.llama_vocab_eos, llama_cpp.llama_vocab_sep
        self.end_token: int = next((found for kind in kinds if (found := kind(self.vocabulary)) >= 0), -1)
        self.stops = tuple({text for text in (end, CHATML_END) if text})
        self.chat = ChatFormat(
            self.metadata("tokenizer.chat_template"), begin=begin, end=end, special=self._control_texts()
        )

    def _open_context(self, *, embedding: bool, flash_attention: bool) -> None:
        self._free_context()
        self.context = make_context(
            self.spec,
            self.model,
            self.context_tokens,
            SEQUENCES,
            embedding=embedding,
            flash_attention=flash_attention,
        )
        self.memory = llama_cpp.llama_get_memory(self.context)
        self._loras.put_on(self.context)
        self.abort.attach(self.context)
        self.threads = Threads(self.context, self.spec.threads)

    def _free_context(self) -> None:
        if self.context is not None:
            llama_cpp.llama_free(self.context)
        self.context = None

    def work_on(self, *, several: bool) -> None:
        """Get ready for one text, or for several at once; a change empties the context.

        On a processor, flash attention reads several texts in one context a tenth faster, since it skips what they
        hide from each other; a single text is written a tenth faster without it, and a third faster behind a long
        prompt.

        Raises `OutOfMemoryError`.
        """
        if several != self._several and self._plain_is_quicker:
            self.tokens = []
            self._open_context(embedding=False, flash_attention=several)
        self._several = several

    def close(self) -> None:
        """Free the model's memory."""
        self._closing.close()

    def attached(self, make: Callable[[Held], T]) -> T:
        """Return what `make` makes of this model, the first time and for as long as the model is in memory."""
        if make not in self._attached:
            self._attached[make] = make(self)
        made: T = self._attached[make]
        return made

    def when_closed(self, free: Callable[[], None]) -> None:
        """Call `free` before the model's memory is freed."""
        self._closing.callback(free)

    def metadata(self, key: str) -> str:
        """Return a value of the file's metadata as text; empty where there is none."""
        size = _META_BYTES
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = llama_cpp.llama_model_meta_val_str(self.model, key.encode(), buffer, size)
            if length < size:
                return buffer.value.decode(errors="replace") if length > 0 else ""
            size = length + 1

    def tokenize(self, text: str, *, begin: bool = False, special: bool = False) -> list[int]:
        """Return the tokens of a text; `begin` puts what begins a text before it, `special` reads control tokens."""
        data = text.encode("utf-8", "replace")
        size = len(data) + 8
        while True:
            tokens = np.empty(size, np.int32)
            found: int = llama_cpp.llama_tokenize(
                self.vocabulary, data, len(data), tokens.ctypes.data_as(_TOKENS), size, begin, special
            )
            if -found <= size:
                return [int(token) for token in tokens[: max(found, 0)]]
            size = -found

    def prompt_tokens(self, prompt: str) -> list[int]:
        """Return the tokens of a conversation that `chat` wrote."""
        return self.tokenize(prompt, begin=self.needs_begin(prompt), special=True)

    def needs_begin(self, prompt: str) -> bool:
        """Tell whether a conversation that `chat` wrote lacks what begins a text."""
        return not (self._begin and prompt.startswith(self._begin))

    def bytes_of(self, token: int) -> bytes:
        """Return what a token stands for; nothing for a control token."""
        return self._piece(token, special=False)

    def ends(self, token: int) -> bool:
        """Tell whether a token ends an answer."""
        return bool(llama_cpp.llama_vocab_is_eog(self.vocabulary, token))

    def evaluate(self) -> None:
        """Evaluate the batch.

        Raises `Aborted` when the job must stop.
        """
        with self.threads.measured():
            code = llama_cpp.llama_decode(self.context, self.batch.native())
        if code == 0:
            return
        self.forget()
        if code == _ABORTED:
            raise Aborted
        if code == _NO_ROOM:
            raise RuntimeError("the context is full")
        raise RuntimeError(f"llama_decode failed ({code}): {llama_log.last_complaint()}")

    def json_tokens(self) -> JsonTokens:
        """Return the tokens as a JSON text is written with them."""
        if self._json_tokens is None:
            every = range(self.vocabulary_size)
            pieces, ends = [self.bytes_of(token) for token in every], [token for token in every if self.ends(token)]
            self._json_tokens = JsonTokens(self.vocabulary, pieces, ends)
        return self._json_tokens

    def logits(self, place: int) -> npt.NDArray[np.float32]:
        """Return the logits after the token at a place of the batch: a view that the next evaluation overwrites."""
        found = llama_cpp.llama_get_logits_ith(self.context, place)
        return np.frombuffer(self._logits_type.from_address(ctypes.addressof(found.contents)), np.float32)

    def read(self, job: Job, tokens: Sequence[int], read: Callable[[int], None] | None = None) -> int:
        """Let sequence 0 hold `tokens` and nothing else; returns how many of them it held already.

        `read` hears after each evaluation how many it holds. Raises `Aborted` when the job must stop.
        """
        pairs = zip(self.tokens, tokens, strict=False)
        same = next((place for place, (old, new) in enumerate(pairs) if old != new), None)
        kept = self._keep(min(len(self.tokens), len(tokens)) if same is None else same)
        for start in range(kept, len(tokens), MAX_BATCH):
            if job.should_stop:
                raise Aborted
            piece = tokens[start : start + MAX_BATCH]
            self.batch.clear()
            self.batch.add(piece, start, 0, outputs=False)
            self.evaluate()
            self.tokens += piece
            if read is not None:
                read(start + len(piece))
        return kept

    def _keep(self, tokens: int) -> int:
        for sequence in range(1, SEQUENCES):
            llama_cpp.llama_memory_seq_rm(self.memory, sequence, -1, -1)
        if tokens < len(self.tokens) and not llama_cpp.llama_memory_seq_rm(self.memory, 0, tokens, -1):
            self.forget()  # a recurrent model can't take back what it has read
            return 0
        del self.tokens[tokens:]
        return tokens

    def drop(self, sequence: int) -> None:
        """Forget a sequence."""
        llama_cpp.llama_memory_seq_rm(self.memory, sequence, -1, -1)

    def copy(self, source: int, target: int) -> None:
        """Let the sequence `target` begin with all that `source` holds; no memory is copied."""
        llama_cpp.llama_memory_seq_cp(self.memory, source, target, -1, -1)

    def forget(self) -> None:
        """Empty the context."""
        if self.memory is not None:
            llama_cpp.llama_memory_clear(self.memory, True)
        self.tokens = []

    def _control_texts(self) -> frozenset[str]:
        return frozenset(
            self._text_of(token)
            for token in range(self.vocabulary_size)
            if llama_cpp.llama_vocab_get_attr(self.vocabulary, token) & _CONTROL_ATTRIBUTES
        )

    def _text_of(self, token: int) -> str:
        return self._piece(token, special=True).decode(errors="replace") if token >= 0 else ""

    def _piece(self, token: int, *, special: bool) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length: int = llama_cpp.llama_token_to_piece(self.vocabulary, token, buffer, size, 0, special)
            if length >= 0:
                return buffer.raw[:length]
            size = -length


_TOKENS: Final = ctypes.POINTER(llama_cpp.llama_token)
_current: list[tuple[ModelSpec, bool, Held]] = []


def held(spec: ModelSpec, *, embedding: bool = False) -> Held:
    """Return the model in memory, loaded first when it isn't the one that is held.

    Raises `ModelUnavailableError`, `OutOfMemoryError`.
    """
    for known, embeds, model in _current:
        if known == spec and embeds == embedding:
            return model
    release()
    model = Held(spec, embedding=embedding)
    _current.append((spec, embedding, model))
    return model


def release() -> None:
    """Free the model in memory, if there is one."""
    while _current:
        _current.pop()[2].close()
