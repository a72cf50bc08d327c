"""Chat format: a conversation written as a model was trained to read it; its thoughts told from its answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import jinja2
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from mcp_context_resources.errors import ModelUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHATML: Final = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHATML_END: Final = "<|im_end|>"
_MAX_TEMPLATE_CHARS: Final = 200_000
_THINKING: Final = re.compile(
    r"<(?P<tag>think|thinking|thought|reasoning)>.*?(?:</(?P=tag)>\s*|\Z)", re.DOTALL | re.IGNORECASE
)
_OPENED: Final = re.compile(r"<(think|thinking|thought|reasoning)>\s*\Z", re.IGNORECASE)
_BROKEN: Final = "\u200b"


class ChatFormat:
    """A model's own chat template, or ChatML where it has none.

    Raises `ModelUnavailableError` for a template that is no template.
    """

    def __init__(self, template: str, *, begin: str, end: str, special: frozenset[str]) -> None:
        self._special = sorted((text for text in special if len(text) > 1 and text.strip()), key=len, reverse=True)
        if len(template) > _MAX_TEMPLATE_CHARS:
            raise ModelUnavailableError("The model's chat template is absurdly long.", "Name another model.")
        try:
            self._formatter = Jinja2ChatFormatter(template=template or _CHATML, eos_token=end, bos_token=begin)
        except (jinja2.TemplateError, ValueError, TypeError) as error:
            raise ModelUnavailableError(
                f"The model's chat template can't be understood: {str(error)[:200]}", "Name another model."
            ) from error

    def prompt(self, system: str, user: str) -> str:
        """Write the conversation up to where the model's answer begins.

        Raises `ModelUnavailableError` when the template fails.
        """
        system, user = self.defused(system), self.defused(user)
        turns = (("system", system), ("user", user))
        joined = (("user", f"{system}\n\n{user}"),)
        written = ""
        failure: Exception | None = None
        # Some templates know no system role, and some only content that is a list of typed parts.
        for messages in (
            _messages(turns),
            _messages(turns, typed=True),
            _messages(joined),
            _messages(joined, typed=True),
        ):
            try:
                text = str(self._formatter(messages=messages, enable_thinking=False).prompt)
            except Exception as error:  # noqa: BLE001 - templates of strangers
                failure = error
                continue
            if user.strip() in text:
                return text
            written = written or text
        if failure is not None and not written:
            raise ModelUnavailableError(
                f"The model's chat template fails: {str(failure)[:200]}", "Name another model."
            ) from failure
        return written

    def defused(self, text: str) -> str:
        """Break up what would become a control token, so that a document can't end its own quotation."""
        for mark in self._special:
            if mark in text:
                text = text.replace(mark, f"{mark[0]}{_BROKEN}{mark[1:]}")
        return text


def _messages(turns: Sequence[tuple[str, str]], *, typed: bool = False) -> list[Any]:
    return [
        {"role": role, "content": [{"type": "text", "text": content}] if typed else content} for role, content in turns
    ]


def without_thinking(prompt: str, text: str) -> tuple[str, str]:
    """Split what a model wrote into its answer and its thoughts; these may have begun in the prompt."""
    opened = _OPENED.search(prompt[-64:])
    if opened:
        text = f"<{opened[1]}>{text}"
    thoughts = "".join(match[0] for match in _THINKING.finditer(text))
    return _THINKING.sub("", text), thoughts
