"""Questions with known answers: by hand about the example data, and made of titles and first sentences of the sets."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.search_sets import SearchSet

_SENTENCE: Final = re.compile(r"[^.。!?！？\n]+(?:[.!?](?=\s|$)|[。！？]|$)", re.MULTILINE)
_LEAST: Final = {"en": 30, "ja": 15}
_MOST: Final = {"en": 300, "ja": 150}


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the strings that answer it, each of which will do."""

    text: str
    answers: tuple[str, ...]

    def is_answered_by(self, text: str) -> bool:
        """Tell whether an answer stands in a text; white space and width are no matter."""
        within = squeezed(text)
        return any(squeezed(answer) in within for answer in self.answers)


EXAMPLE_QUESTIONS: Final = (
    Question("How much is the surcharge for travelling without a valid ticket?", ("surcharge of 420 yen",)),
    Question("When did the oldest section of the tramway open?", ("1 June 1912",)),
    Question("How long is lost property kept?", ("kept for 30 days",)),
    Question("Can I take my bicycle on the tram at 10 in the morning?", ("from 09:30 to 16:00",)),
    Question("What happens to the Hill Line on days of extreme rain?", ("the Hill Line is suspended",)),
    Question("Which bus accepts tram tickets while the Hill Line does not run?", ("town bus 7",)),
    Question("Which stop should wheelchair users take instead of 203?", ("should use stop 202",)),
    Question("How large may luggage be?", ("at most 120 cm long",)),
    Question("At what wind speed do Harbour Line trams turn back?", ("25 metres a second",)),
    Question("What does a day pass cost for an adult?", ("A day pass costs 650 yen", "Day pass 650 yen")),
    Question("What is the handling fee for returning an unused ten-ride book?", ("fee of 220 yen",)),
    Question("What was locally called fish Monday?", ('Market day, locally called "fish Monday"', "fish Monday")),
    Question("忘れ物は何日間保管されますか", ("見つかった日から30日間", "30 days")),
    Question("始発は何時ですか", ("始発は5時42分", "leaves Station Front at 05:42")),
    Question("丘線が終日運休になるのはどんな日ですか", ("120ミリを超える日は、丘線を始発から終日運休", "120 mm")),
    Question("遅延券はいつまでに交換できますか", ("7日以内に港の里駅前の窓口", "Within 7 days")),
    Question("自転車を電車に持ち込む料金はいくらですか", ("1台150円", "150 yen")),
    Question("車いすで使えない停留所はどこですか", ("石段下（203番）のみ階段がある", "except stop 203")),
    Question("灯籠まつりの夜は何時まで電車がありますか", ("0時40分まで臨時電車", "until 00:40")),
    Question("開業記念日の運賃はいくらですか", ("1乗車100円", "every ride costs 100 yen")),
    Question("運賃箱で一万円札は使えますか", ("千円札だけです", "does not take larger notes")),
    Question("天文台口の停留所番号と開業日を教えて", ("204",)),
    Question("屋根のある停留所はいくつありますか", ("24か所のうち14か所", "14 of the 24 stops")),
    Question("小さな動物はどうやって乗せられますか", ("長さ70センチ以内のかご", "closed carrier up to 70 cm")),
)


def made_questions(one: SearchSet, most: int) -> list[tuple[Question, str]]:
    """Make questions of titles, each with the first sentence of its document that stands in no other, and its document.

    Titles in the set's own language only. A document without such a sentence is passed over.
    """
    often = Counter(sentence for text in one.documents.values() for sentence in set(_sentences(text, one.language)))
    made = []
    for query in one.asked_in(one.language):
        sentences = _sentences(one.documents[query.target], one.language)
        answer = next((sentence for sentence in sentences if often[sentence] == 1), None)
        if answer is not None:
            made.append((Question(query.text, (answer,)), query.target))
    return made[:most]


def squeezed(text: str) -> str:
    """Return a text without white space, its width and other variants folded."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def _sentences(text: str, language: str) -> Sequence[str]:
    found = (match.group().strip() for match in _SENTENCE.finditer(text))
    return [sentence for sentence in found if _LEAST[language] <= len(sentence) <= _MOST[language]]
