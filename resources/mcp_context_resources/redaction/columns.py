"""Column names: what they, or a key, say about values where the values themselves don't show it."""

from __future__ import annotations

import re
from typing import Final

from mcp_context_resources.redaction.finding import legible

# `password1`, `phone_2`, `パスワード(仮)`
_SUFFIX: Final = r"(?:[\W_]{0,2}[0-9]{1,3})?(?: ?\([^()]{1,20}\))?"
_TELLING: Final = r"(?!(?i:true|false|null|none|yes|no|passe?d?|fail(?:ed)?)\Z|[*•x.…]+\Z)"

_SIGNS: Final[tuple[tuple[str, re.Pattern[str], re.Pattern[str]], ...]] = tuple(
    (kind, re.compile(rf"(?:.*[\W_])?(?:{names}){_SUFFIX}", re.IGNORECASE), re.compile(values))
    for kind, names, values in (
        (
            "secret",
            (
                r".*(?:password|passwd|passphrase|passcode|secret)(?:[\W_](?:old|new|confirm(?:ation)?))?|pwd"
                r"|(?:(?:user|login|db|admin|mail|ftp|smtp|wifi)[\W_]?)?pass|(?:.*[^\x00-\x7f])?pw|credentials?"
                r"|(?:api|access|private|secret|auth|encryption)[\W_]?key|(?:access|refresh|auth|api|bearer)[\W_]?token"
                r"|.*(?:パスワード|パスコード|パスフレーズ|暗証番号|合言葉|合い言葉|秘密鍵|秘密の答え)|.*apiキー"
            ),
            rf"{_TELLING}[\s\S]{{4,4096}}",
        ),
        # Words of a text are tokens too, and so are the legs of a chip pins.
        ("secret", r"token|.*トークン", rf"{_TELLING}(?=[^\s0-9]*[0-9])\S{{8,4096}}"),
        ("secret", r"pin(?:番号)?", r"[0-9]{4,12}"),
        (
            "my_number",
            r".*(?:マイナンバー|個人番号)|my_?number|individual_?number",
            r"[0-9][0-9 -]{10,14}[0-9]",
        ),
        ("card", r".*カード番号|(?:credit_?)?card_?(?:no|number|num)", r"[0-9][0-9 -]{10,21}[0-9]"),
        ("ssn", r"ssn|social_?security(?:_?(?:no|number))?", r"[0-9][0-9 -]{7,9}[0-9]"),
        ("bank_account", r".*口座番号|iban|(?:bank_?)?account_?(?:no|number|num)", r"[A-Z0-9][A-Z0-9 -]{3,40}"),
        (
            "id_document",
            r".*(?:免許証?番号|旅券番号|パスポート番号|在留カード番号)|(?:passport|licen[cs]e|driver_?licen[cs]e)_?(?:no|number|num)",
            r"[A-Z0-9][A-Z0-9-]{4,20}",
        ),
        (
            "phone",
            (
                r".*(?:電話|携帯|ファックス|FAX)(?:番号)?|(?:tele)?phone|tel|mobile|fax|cell"
                r"|(?:tele|cell|mobile_?)?(?:phone|tel|fax)_?(?:no|number|num)"
            ),
            r"\+?[0-9(][0-9 ().-]{5,20}",
        ),
        (
            "postal_code",
            r".*郵便番号|(?:postal|zip|post)[\W_]?code|zip",
            r"〒? ?(?:[0-9]{3}-?[0-9]{4}|[0-9]{5}(?:-[0-9]{4})?|[0-9]{6}|[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2})",
        ),
    )
)


def sign_of_name(name: str) -> int | None:
    """Return which sign the name of a column or key is, for `kind_by_sign`; None for most."""
    if len(name) > 100:
        return None
    name = legible(name)
    return next((place for place, (_, names, _) in enumerate(_SIGNS, start=1) if names.fullmatch(name)), None)


def kind_by_sign(sign: int | None, value: str) -> str | None:
    """Return the kind that a sign promises if a value, as `legible` made it, can be of it."""
    if sign is None:
        return None
    kind, _, values = _SIGNS[sign - 1]
    return kind if values.fullmatch(value.strip()) else None
