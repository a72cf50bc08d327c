"""The same model called directly: `llama_cpp.Llama` in this process, as its documentation shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.workers.cores import available_cores

if TYPE_CHECKING:
    from pathlib import Path

DIRECT: Final = "llama_cpp, in process"
_SEED: Final = 42


class Direct:
    """The model in this process, with as many threads as the server's worker has; deterministic."""

    def __init__(self, path: Path, context_tokens: int) -> None:
        import llama_cpp
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        threads = available_cores()
        self._llama = llama_cpp.Llama(
            model_path=str(path),
            n_ctx=context_tokens,
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
        """Free the model."""
        self._llama.close()

    async def complete(self, system: str, user: str, max_tokens: int, *, repeat_penalty: float = 1.0) -> dict[str, Any]:
        """Generate from the model's own chat template; returns what `run_model` calls the same."""
        text = self._formatter(messages=_messages(system, user)).prompt
        add_bos = not (self._begin and text.startswith(self._begin))
        answer: Any = self._llama.create_completion(
            prompt=self._llama.tokenize(text.encode(), add_bos=add_bos, special=True),
            max_tokens=max_tokens,
            temperature=0.0,
            repeat_penalty=repeat_penalty,
            stop=[mark for mark in (self._end, "<|im_end|>") if mark],
            seed=_SEED,
        )
        answered = str(answer["choices"][0]["text"])
        return {
            "text": answered.strip(),
            "prompt_tokens": answer["usage"]["prompt_tokens"],
            "completion_tokens": len(self._llama.tokenize(answered.encode(), add_bos=False)) if answered else 0,
        }

    def chat(self, system: str, user: str, max_tokens: int, *, json_schema: dict[str, Any] | None = None) -> str:
        """Make one `create_chat_completion` call, with `response_format` where there is a schema; returns the text."""
        response_format: Any = None if json_schema is None else {"type": "json_object", "schema": json_schema}
        answer: Any = self._llama.create_chat_completion(
            messages=_messages(system, user),
            max_tokens=max_tokens,
            temperature=0.0,
            seed=_SEED,
            response_format=response_format,
        )
        return str(answer["choices"][0]["message"]["content"] or "")

    def _token_text(self, token: int) -> str:
        return str(self._llama.detokenize([token], special=True).decode(errors="replace")) if token >= 0 else ""


def _messages(system: str, user: str) -> list[Any]:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]
