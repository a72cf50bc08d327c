"""What the name of a column or key says about its values, where the values themselves don't show it."""

from __future__ import annotations

import re
from typing import Final

_SIGNS: Final[tuple[tuple[str, re.Pattern[str], re.Pattern[str]], ...]] = tuple(
    (kind, re.compile(rf"(?:.*[\W_])?(?:{names})", re.IGNORECASE), re.compile(values))
    for kind, names, values in (
        (
            "secret",
            (
                r".*(?:password|passwd|passphrase|secret)|pwd|(?:api|access|private|secret|auth|encryption)[\W_]?key"
                r"|(?:access|refresh|auth|api|bearer)[\W_]?token|credentials?|.*(?:パスワード|暗証番号|秘密鍵)|.*apiキー"
            ),
            r"(?!(?i:true|false|null|none|yes|no)\Z|[*•x.…]+\Z)[\s\S]{4,4096}",
        ),
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


def kind_by_name(name: str) -> str | None:
    """Return the kind of value that a column or key of this name holds; None for most."""
    if len(name) > 100:
        return None
    return next((kind for kind, names, _ in _SIGNS if names.fullmatch(name)), None)


def is_such(kind: str, value: str) -> bool:
    """Say whether a value can be of the kind that its column's name promises; `value` as `legible` made it."""
    return any(sign == kind and values.fullmatch(value.strip()) for sign, _, values in _SIGNS)
