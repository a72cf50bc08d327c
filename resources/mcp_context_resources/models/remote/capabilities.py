"""Capabilities of a server: the words it understands, and what to leave out when a request is refused.

Servers share OpenAI's protocol but differ in how a JSON schema is given and in which options they know. Each request
begins with the form that worked last; when the server refuses, `retreat` tells the next one to try.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from mcp_context_resources.errors import InvalidInputError

if TYPE_CHECKING:
    from mcp_context_resources.models.spec import Generation

_SEED: Final = 42
SCHEMA_FORMS: Final = ("json_schema", "json_object", "fields", "object_in_words", "words")
"""Ways to give a JSON schema, the strictest first.

`json_schema`: `response_format` as OpenAI, llama-server, vLLM, LM Studio and Ollama have it. `json_object`: a schema
beside `json_object`, as llama-cpp-python has it. `fields`: fields of their own, as older llama-server and vLLM have
them. The last two tell the schema in words, with and without the promise of some JSON object.
"""

_COMPLAINTS: Final = {
    "usage": ("stream_options", "include_usage"),
    "penalty": ("repeat_penalty", "repetition_penalty"),
    "seed": ("seed",),
    "chances": ("logprob", "logits_all"),
    "no_thinking": ("chat_template_kwargs", "enable_thinking"),
    "max_tokens": ("max_completion_tokens",),
    "system": ("system role", "system message", "role 'system'"),
    "temperature": ("temperature",),
}
"""Options by name, and the words by which a refusal names them."""

_OPTIONAL: Final = frozenset({"usage", "penalty", "seed", "chances", "no_thinking"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a server understands of one model's requests, as far as is known.

    `settled` tells that an answer once followed a schema in this form.
    """

    form: int = 0
    dropped: frozenset[str] = frozenset()
    settled: bool = False

    def body(self, model: str, request: Generation, *, chances: int = 0) -> dict[str, Any]:
        """Return the body of a request for a streamed answer.

        `chances` is how many likely tokens to tell at each place; with it, thinking is switched off and the answer
        comes whole, since llama-cpp-python loses characters of a stream that tells them.

        Raises `InvalidInputError` for a picture that is neither PNG nor JPEG.
        """
        system, user = request.system, request.user
        if request.json_schema is not None and "words" in SCHEMA_FORMS[self.form]:
            told = f"Answer with JSON only, of this JSON schema:\n{json.dumps(request.json_schema, ensure_ascii=False)}"
            system = f"{system}\n\n{told}".strip()
        if "system" in self.dropped:
            system, user = "", f"{system}\n\n{user}".strip()
        body: dict[str, Any] = {
            "model": model,
            "messages": [
                *([{"role": "system", "content": system}] if system else []),
                {"role": "user", "content": _content(user, request.pictures)},
            ],
            "max_completion_tokens" if "max_tokens" in self.dropped else "max_tokens": request.max_tokens,
            "stream": not chances,
        }
        options: dict[str, dict[str, Any]] = {
            "temperature": {"temperature": request.temperature},
            "seed": {"seed": _SEED},
            "usage": {"stream_options": {"include_usage": True}},
            "penalty": {"repeat_penalty": request.repeat_penalty},
        }
        if request.repeat_penalty != 1.0:
            options["penalty"]["repetition_penalty"] = request.repeat_penalty
        if chances:
            del options["usage"]
            options["chances"] = {"logprobs": True, "top_logprobs": chances}
            options["no_thinking"] = {"chat_template_kwargs": {"enable_thinking": False}}
        for name, fields in options.items():
            if name not in self.dropped:
                body |= fields
        if request.json_schema is not None:
            body |= _schema_fields(SCHEMA_FORMS[self.form], request.json_schema)
        return body

    def retreat(self, said: str, *, schema: bool, chances: bool) -> Dialect | None:
        """Return what to try after a refusal that says `said`; None when nothing is left.

        `schema` and `chances` tell whether the request had them.
        """
        text = said.lower()
        sent = _COMPLAINTS.keys() - self.dropped
        sent -= {"usage"} if chances else {"chances", "no_thinking"}
        for name in sorted(sent):
            if any(word in text for word in _COMPLAINTS[name]):
                return replace(self, dropped=self.dropped | {name})
        if schema and (further := self.next_form()) is not None:
            return further
        if optional := sent & _OPTIONAL:
            return replace(self, dropped=self.dropped | optional)
        return None

    def next_form(self) -> Dialect | None:
        """Return the dialect that gives a schema in the next form; None after the last."""
        return replace(self, form=self.form + 1) if self.form + 1 < len(SCHEMA_FORMS) else None


def _schema_fields(form: str, schema: dict[str, Any]) -> dict[str, Any]:
    match form:
        case "json_schema":
            named = {"name": "answer", "schema": schema}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
        case "json_object":
            return {"response_format": {"type": "json_object", "schema": schema}}
        case "fields":
            return {"json_schema": schema, "guided_json": schema}
        case "object_in_words":
            return {"response_format": {"type": "json_object"}}
        case _:
            return {}


def _content(user: str, pictures: tuple[bytes, ...]) -> str | list[dict[str, Any]]:
    if not pictures:
        return user
    return [
        *({"type": "image_url", "image_url": {"url": _data_url(picture)}} for picture in pictures),
        {"type": "text", "text": user},
    ]


def _data_url(picture: bytes) -> str:
    if picture.startswith(b"\x89PNG\r\n\x1a\n"):
        kind = "png"
    elif picture.startswith(b"\xff\xd8\xff"):
        kind = "jpeg"
    else:
        raise InvalidInputError("A picture is neither PNG nor JPEG.", "Convert it first.")
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
