"""llama.cpp inside a worker process: one model in memory, one generation at a time.

Facts about the library this relies on: a grammar is not validated by `LlamaGrammar`, so the sampler is built once to
try it; a prompt longer than the context must be refused before it is evaluated; only the abort callback stops the
evaluation of a long prompt.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import jinja2
import llama_cpp
from llama_cpp.llama_chat_format import Jinja2ChatFormatter
from llama_cpp.llama_grammar import LlamaGrammar, json_schema_to_gbnf

from mcp_context_resources.errors import InvalidInputError, ModelUnavailableError, PromptTooLongError
from mcp_context_resources.models.json_schema import MAX_GRAMMAR_CHARS
from mcp_context_resources.models.spec import Finish, Generated, Generation, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_context_resources.workers.job import Job

_SEED: Final = 42
_STEP_TOKENS: Final = 256
_CHATML: Final = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# `enum llama_ftype` of llama.h.
_QUANTIZATIONS: Final = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    23: "IQ3_XXS", 25: "IQ4_NL", 30: "IQ4_XS", 32: "BF16",
}  # fmt: skip


def has_gpu() -> bool:
    """Tell whether this build of llama.cpp can use a graphics processor."""
    return bool(llama_cpp.llama_supports_gpu_offload())


class _Loaded:
    """The model in memory."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.gpu = bool(spec.gpu_layers) and has_gpu()
        self.context_tokens = spec.context_tokens
        self.llama = self._load()
        metadata = self.llama.metadata
        trained = int(metadata.get(f"{metadata.get('general.architecture', '')}.context_length", 0))
        if 0 < trained < spec.context_tokens:  # beyond its training a model only babbles
            self.llama.close()
            self.context_tokens = trained
            self.llama = self._load()
        self.quantization = _QUANTIZATIONS.get(int(metadata.get("general.file_type", -1)), "unknown")
        self._formatter = Jinja2ChatFormatter(
            template=metadata.get("tokenizer.chat_template") or _CHATML,
            eos_token=self._token_text(self.llama.token_eos()),
            bos_token=self._token_text(self.llama.token_bos()),
        )
        self.stop = [text for text in (self._token_text(self.llama.token_eos()), "<|im_end|>") if text]

    def _load(self) -> llama_cpp.Llama:
        spec = self.spec
        try:
            return llama_cpp.Llama(
                model_path=spec.path,
                n_ctx=self.context_tokens,
                n_threads=spec.threads,
                n_threads_batch=spec.threads,
                n_gpu_layers=spec.gpu_layers if self.gpu else 0,
                seed=_SEED,
                verbose=False,
            )
        except (ValueError, RuntimeError, OSError) as error:
            raise ModelUnavailableError(
                f"The model {spec.name!r} can't be loaded: {str(error).splitlines()[0].replace(spec.path, spec.name)}",
                f"Check that {Path(spec.path).name} is a complete GGUF file that this llama.cpp build knows.",
            ) from error

    def close(self) -> None:
        """Free the model's memory."""
        self.llama.close()

    def prompt(self, system: str, user: str) -> list[int]:
        """Return the tokens of a conversation, in the model's own chat format."""
        messages: list[Any] = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        try:
            text = self._formatter(messages=messages).prompt
        except Exception:  # noqa: BLE001 - templates of strangers; some know no system role
            text = self._formatter(messages=[{"role": "user", "content": f"{system}\n\n{user}"}]).prompt
        bos = self._token_text(self.llama.token_bos())
        return self.llama.tokenize(text.encode(), add_bos=not (bos and text.startswith(bos)), special=True)

    def _token_text(self, token: int) -> str:
        return self.llama.detokenize([token], special=True).decode(errors="replace") if token >= 0 else ""


_current: list[_Loaded] = []


def generate(job: Job, spec: ModelSpec, request: Generation) -> Generated:
    """Generate text with a model, loading it first when it isn't the one in memory.

    At the deadline, or when the caller gives up, what was generated so far is returned and `finish` says so.

    Raises `ModelUnavailableError`, `PromptTooLongError`, `InvalidInputError`.
    """
    started = time.perf_counter()
    model = _loaded(spec)
    load_seconds = time.perf_counter() - started
    tokens = model.prompt(request.system, request.user)
    room = model.context_tokens - request.max_tokens
    if len(tokens) > room:
        raise PromptTooLongError(
            f"The prompt has {len(tokens):,} tokens, but only {max(room, 0):,} fit: the model's context is"
            f" {model.context_tokens:,} and max_tokens {request.max_tokens:,}.",
            "Give fewer or shorter sources (a page range, a narrower table), or lower max_tokens.",
        )
    grammar = _grammar(model.llama, request.json_schema) if request.json_schema is not None else None
    return _run(job, model, tokens, request, grammar, load_seconds)


def _run(
    job: Job, model: _Loaded, tokens: list[int], request: Generation, grammar: LlamaGrammar | None, load_seconds: float
) -> Generated:
    started = time.perf_counter()
    pieces: list[str] = []
    finish: Finish = "length"
    prompt_seconds = 0.0
    try:
        with _abortable(model.llama, job):
            _evaluate_prompt(job, model.llama, tokens, request.max_tokens)
        prompt_seconds = time.perf_counter() - started
        finish = _decode(job, model, tokens, request, grammar, pieces)
    except RuntimeError:
        if not job.should_stop:  # the abort callback makes llama_decode fail; anything else is a real failure
            raise
        finish = _stopped(job)
        model.llama.reset()  # type: ignore[no-untyped-call]
    text = "".join(pieces)
    return Generated(
        text=text.strip(),
        finish=finish,
        prompt_tokens=len(tokens),
        completion_tokens=len(model.llama.tokenize(text.encode(), add_bos=False)) if text else 0,
        load_seconds=load_seconds,
        prompt_seconds=prompt_seconds,
        generate_seconds=time.perf_counter() - started - prompt_seconds,
        context_tokens=model.context_tokens,
        quantization=model.quantization,
        device="gpu" if model.gpu else "cpu",
    )


def _evaluate_prompt(job: Job, llama: llama_cpp.Llama, tokens: list[int], max_tokens: int) -> None:
    """Evaluate the prompt but for its last token, in steps, so that progress shows and a stop is heard.

    What the model still holds of an earlier prompt with the same beginning is not evaluated again.
    """
    held = llama.input_ids[: llama.n_tokens].tolist()
    same = next((i for i, (old, new) in enumerate(zip(held, tokens, strict=False)) if old != new), len(held))
    last = len(tokens) - 1
    llama.n_tokens = min(same, last)
    for start in range(llama.n_tokens, last, _STEP_TOKENS):
        if job.should_stop:
            raise RuntimeError
        llama.eval(tokens[start : min(start + _STEP_TOKENS, last)])
        job.progress(min(start + _STEP_TOKENS, last), last + max_tokens)


def _decode(
    job: Job, model: _Loaded, tokens: list[int], request: Generation, grammar: LlamaGrammar | None, pieces: list[str]
) -> Finish:
    """Generate into `pieces` until the model stops, a limit is reached or the caller gives up."""
    stream = model.llama.create_completion(
        prompt=tokens,
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        repeat_penalty=request.repeat_penalty,
        stop=model.stop,
        seed=_SEED,
        grammar=grammar,
        stream=True,
    )
    for produced, chunk in enumerate(cast("Iterator[dict[str, Any]]", stream), start=len(tokens)):
        choice = chunk["choices"][0]
        pieces.append(choice["text"])
        job.progress(min(produced, len(tokens) + request.max_tokens), len(tokens) + request.max_tokens)
        if choice["finish_reason"] == "stop":
            return "stop"
        if job.should_stop:
            return _stopped(job)
    return "length"


def _stopped(job: Job) -> Finish:
    return "cancelled" if job.cancelled else "deadline"


@contextlib.contextmanager
def _abortable(llama: llama_cpp.Llama, job: Job) -> Iterator[None]:
    """Let llama.cpp ask inside an evaluation whether to stop; between tokens the loop itself looks."""
    context = llama._ctx.ctx
    callback = llama_cpp.ggml_abort_callback(lambda _data: job.should_stop)
    llama_cpp.llama_set_abort_callback(context, callback, None)
    try:
        yield
    finally:
        llama_cpp.llama_set_abort_callback(context, llama_cpp.ggml_abort_callback(), None)


def _loaded(spec: ModelSpec) -> _Loaded:
    if _current and _current[0].spec == spec:
        return _current[0]
    while _current:
        _current.pop().close()
    try:
        _current.append(_Loaded(spec))
    except (ValueError, TypeError, jinja2.TemplateError) as error:  # what strangers write into a file's metadata
        raise ModelUnavailableError(
            f"The metadata of the model {spec.name!r} can't be understood: {str(error)[:200]}", "Name another model."
        ) from error
    return _current[0]


def _grammar(llama: llama_cpp.Llama, schema: dict[str, Any]) -> LlamaGrammar:
    try:
        text = json_schema_to_gbnf(json.dumps(schema))
    except Exception as error:  # the converter raises many kinds
        raise InvalidInputError(
            f"No grammar can be made from this JSON schema: {str(error)[:200]}", "Simplify it."
        ) from error
    if len(text) > MAX_GRAMMAR_CHARS:
        raise InvalidInputError("The JSON schema makes too large a grammar.", "Use fewer properties or choices.")
    vocabulary = llama_cpp.llama_model_get_vocab(llama._model.model)
    sampler = llama_cpp.llama_sampler_init_grammar(vocabulary, text.encode(), b"root")
    if not sampler:
        raise InvalidInputError("llama.cpp rejects the grammar of this JSON schema.", "Simplify it.")
    llama_cpp.llama_sampler_free(sampler)
    return LlamaGrammar.from_string(text, verbose=False)
