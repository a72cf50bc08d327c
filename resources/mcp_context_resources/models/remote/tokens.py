"""How many tokens texts have: from the server's tokenizer, else estimated."""

from __future__ import annotations

import contextlib
import math
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import ModelUnavailableError
from mcp_context_resources.models.remote.concurrency import fan_out
from mcp_context_resources.models.remote.failures import Refused
from mcp_context_resources.models.remote.token_estimate import tokens_by_length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_context_resources.models.remote.client import ServerClient

_SECONDS: Final = 10.0
_MANY: Final = 16
_SAMPLE_CHARS: Final = 20_000


class TokenCounter:
    """Counts by llama-server's or vLLM's `/tokenize`, or llama-cpp-python's counter; remembers which one answered."""

    def __init__(self, client: ServerClient, model: str) -> None:
        self._client = client
        self._model = model
        self._paths = ["tokenize", "extras/tokenize/count"]

    async def count(self, texts: Sequence[str], *, at_once: int) -> list[int]:
        """Count the tokens of each text, `at_once` together; estimated where no tokenizer answers within 10 s.

        Of many texts a sample is counted as one, and tells by how much the estimates of all are off.
        """
        if len(texts) > _MANY:
            sample = "\n".join(texts[:: max(1, len(texts) // _MANY)])[:_SAMPLE_CHARS]
            factor = (await self.count([sample], at_once=1))[0] / max(1, tokens_by_length(sample))
            return [math.ceil(tokens_by_length(text) * factor) for text in texts]
        counts: list[int | None] = [None] * len(texts)
        with contextlib.suppress(ModelUnavailableError):
            counts, _ = await fan_out([partial(self._count, text) for text in texts], at_once=at_once, seconds=_SECONDS)
        return [tokens_by_length(text) if count is None else count for text, count in zip(texts, counts, strict=True)]

    async def _count(self, text: str) -> int:
        while text and (paths := self._paths):
            try:
                answer = await self._asked(paths[0], text)
            except Refused as refused:
                if refused.transient:
                    break
                answer = None
            count = _told(answer)
            if count is not None:
                return count
            self._paths = paths[1:]
        return tokens_by_length(text)

    async def _asked(self, path: str, text: str) -> Any:
        # llama-server reads `content`, vLLM `prompt`, llama-cpp-python `input`; each ignores the others' words.
        body = {"model": self._model, "content": text, "prompt": text, "input": text, "add_special_tokens": False}
        return await self._client.post(f"{self._client.server.root}/{path}", body, seconds=_SECONDS)


def _told(answer: Any) -> int | None:
    if not isinstance(answer, dict):
        return None
    count, tokens = answer.get("count"), answer.get("tokens")
    if isinstance(count, int) and not isinstance(count, bool) and count >= 0:
        return count
    return len(tokens) if isinstance(tokens, list) else None
