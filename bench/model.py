"""Tokens a second of `run_model` over stdio and of the same model called directly through llama_cpp.

Each round asks twice about a prompt of its own: first for a single token, which times the evaluation of the prompt,
then for many, which times generation alone because llama.cpp still holds the prompt. Both sides do exactly this.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.measure import OURS, BenchError, Table, interleaved, paired
from bench.serving import call, connected, our_arguments
from mcp_context_resources.models.registry import HOW_TO_GET_ONE, models, runtime_installed
from mcp_context_resources.models.settings import ModelSettings
from mcp_context_resources.workers.cores import available_cores
from mcp_context_resources.workspace.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.measure import Contender, Options, Sample

    Ask = Callable[[str, int], Any]

_DIRECT: Final = "llama_cpp, in process"
_TITLE: Final = "run_model over stdio, tokens a second"
_TOKENS: Final = 128
_QUICK_TOKENS: Final = 32
_SENTENCES: Final = 20
_CONTEXT: Final = 2048
_SEED: Final = 42
_REPEAT_PENALTY: Final = 1.1
# What run_model says to the model before the prompt; if it changes, the token counts differ and the bench says so.
_SYSTEM: Final = "You are a careful assistant. Answer briefly and only what was asked."


async def run(options: Options) -> Table:
    """Measure prompt evaluation and generation, or say that there is no model."""
    available = models(Catalogue(()), ModelSettings())
    if not available or not runtime_installed():
        return Table("model", _TITLE, notes=("Skipped: no local model is installed.", HOW_TO_GET_ONE))
    model = available[0]
    max_tokens = _QUICK_TOKENS if options.quick else _TOKENS
    with tempfile.TemporaryDirectory(prefix="fresh-context-bench-") as folder:
        scratch = Path(folder)
        (scratch / "data").mkdir()
        settings = (f"models.context_tokens={_CONTEXT}",)
        async with connected(our_arguments(scratch / "data", scratch=scratch, settings=settings), scratch) as client:

            async def ours(prompt: str, tokens: int) -> dict[str, Any]:
                arguments = {"task": "generate", "prompt": prompt, "max_tokens": tokens}
                return await call(client, "run_model", arguments)

            direct = _Direct(model.path)
            try:
                answers: dict[str, list[str]] = {OURS: [], _DIRECT: []}
                samples = await interleaved(
                    {
                        OURS: _contender(ours, max_tokens, answers[OURS]),
                        _DIRECT: _contender(direct.ask, max_tokens, answers[_DIRECT]),
                    },
                    runs=options.runs,
                )
            finally:
                direct.close()
    _check_same_work(samples)
    alike = sum(mine == other for mine, other in zip(*answers.values(), strict=True))
    last = samples[OURS][-1]
    return Table(
        "model",
        _TITLE,
        (
            paired("prompt evaluation", samples, _DIRECT, key="prompt", unit="tokens/s"),
            paired("generation", samples, _DIRECT, key="generation", unit="tokens/s"),
        ),
        (
            f"{model.name}, {available_cores()} threads; wall time of whole calls.",
            f"{last['prompt_tokens']:.0f} tokens in, {last['completion_tokens']:.0f} out.",
            f"Answers were word for word the same in {alike} of {len(answers[OURS])} rounds, the warm-up among them.",
            "They may part where tokens nearly tie: llama.cpp rounds otherwise when it evaluates in other pieces.",
        ),
    )


def _prompt(number: int) -> str:
    """Write a prompt that begins otherwise each round, so that nothing of an earlier one is held."""
    sentences = (
        f"On day {number + 3 * line} tram {line + 11} carried {97 * (number + line) % 800 + 20} people to the harbour."
        for line in range(_SENTENCES)
    )
    return f"{number + 1}. {' '.join(sentences)} Tell a long story about the driver of one of these trams."


def _contender(ask: Ask, max_tokens: int, answers: list[str]) -> Contender:
    async def contender() -> Sample:
        prompt = _prompt(len(answers))
        started = time.perf_counter()
        first = await ask(prompt, 1)
        evaluated = time.perf_counter()
        answer = await ask(prompt, max_tokens)
        ended = time.perf_counter()
        answers.append(answer["text"])
        return {
            "prompt": first["prompt_tokens"] / (evaluated - started),
            "generation": answer["completion_tokens"] / (ended - evaluated),
            "prompt_tokens": answer["prompt_tokens"],
            "completion_tokens": answer["completion_tokens"],
        }

    return contender


def _check_same_work(samples: dict[str, list[Sample]]) -> None:
    for mine, other in zip(samples[OURS], samples[_DIRECT], strict=True):
        if mine["prompt_tokens"] != other["prompt_tokens"]:
            counts = f"{mine['prompt_tokens']:.0f} through run_model, {other['prompt_tokens']:.0f} directly"
            raise BenchError(f"The prompts differ: {counts}.")


class _Direct:
    """The model in this process, set up as the server's worker sets it up."""

    def __init__(self, path: Path) -> None:
        import llama_cpp
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        threads = available_cores()
        self._llama = llama_cpp.Llama(
            model_path=str(path),
            n_ctx=_CONTEXT,
            n_threads=threads,
            n_threads_batch=threads,
            n_gpu_layers=-1,
            seed=_SEED,
            verbose=False,
        )
        self._end = self._token_text(self._llama.token_eos())
        self._begin = self._token_text(self._llama.token_bos())
        self._formatter = Jinja2ChatFormatter(
            template=self._llama.metadata["tokenizer.chat_template"], eos_token=self._end, bos_token=self._begin
        )

    def close(self) -> None:
        self._llama.close()

    async def ask(self, prompt: str, max_tokens: int) -> dict[str, Any]:
        messages: list[Any] = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": prompt}]
        text = self._formatter(messages=messages).prompt
        add_bos = not (self._begin and text.startswith(self._begin))
        answer: Any = self._llama.create_completion(
            prompt=self._llama.tokenize(text.encode(), add_bos=add_bos, special=True),
            max_tokens=max_tokens,
            temperature=0.0,
            repeat_penalty=_REPEAT_PENALTY,
            stop=[mark for mark in (self._end, "<|im_end|>") if mark],
            seed=_SEED,
        )
        answered = str(answer["choices"][0]["text"])
        return {
            "text": answered.strip(),
            "prompt_tokens": answer["usage"]["prompt_tokens"],
            "completion_tokens": len(self._llama.tokenize(answered.encode(), add_bos=False)) if answered else 0,
        }

    def _token_text(self, token: int) -> str:
        return str(self._llama.detokenize([token], special=True).decode(errors="replace")) if token >= 0 else ""
