"""Languages of the prompts: in which one a prompt is written, by the words that its reader uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from mcp_context_resources.models.language import language_of
from mcp_context_tools.prompts.wording_en import ENGLISH
from mcp_context_tools.prompts.wording_ja import JAPANESE

if TYPE_CHECKING:
    from mcp_context_tools.prompts.wording import Wording

_KANJI: Final = re.compile(r"[\u3400-\u9fff]")
# Written so in Japan alone: a table's names are often without kana.
_JAPANESE: Final = re.compile(
    "[売駅円県価気図広栄桜沢浜渋総験検険続乗仏伝働単塩変対歩毎済発絵経継処両払辺込畑枠峠帰拡]"
)
_LETTER: Final = re.compile(r"[^\W\d_\u3400-\u9fff]")


def wording_for(*texts: str) -> Wording:
    """Return the texts in the language of the first of `texts` that shows one; in English where none does.

    Kanji alone may be Chinese, so unless some are written so in Japan only, what comes after them decides.
    """
    return JAPANESE if _language(*texts) == "ja" else ENGLISH


def wording_of_two(a: str, b: str) -> Wording:
    """Return the texts in Japanese where one of two texts is: who compares it with an English one reads both."""
    return wording_for(*sorted((a, b), key=lambda text: language_of(text) != "ja"))


def _language(*texts: str) -> Literal["ja", "en"] | None:
    for text in texts:
        if (language := language_of(text)) is not None:
            return language
        if _JAPANESE.search(text):
            return "ja"
        if len(text) > 40 and _LETTER.search(text) and not _KANJI.search(text):
            return "en"  # another language in Latin letters or a mixture: English is read more widely
    return None
