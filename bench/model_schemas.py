"""Ten JSON schemas of the kinds people write, and texts to fill them from."""

from __future__ import annotations

from typing import Any, Final

_TEXT: Final[dict[str, Any]] = {"type": "string", "maxLength": 60}
_AMOUNT: Final[dict[str, Any]] = {"type": "number", "minimum": 0}
_DATE: Final[dict[str, Any]] = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_LINE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"item": _TEXT, "quantity": {"type": "integer", "minimum": 0, "maximum": 10_000}},
    "required": ["item", "quantity"],
    "additionalProperties": False,
}


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), **more}


SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "strings": _object({"sender": _TEXT, "place": _TEXT}),
    "numbers": _object({"amount": _AMOUNT, "days": {"type": "integer", "minimum": 0, "maximum": 365}}),
    "choice": _object({"urgency": {"enum": ["low", "high"]}, "about": {"enum": ["money", "repair", "other"]}}),
    "null or text": _object({"name": {"type": ["string", "null"], "maxLength": 40}, "paid": {"type": "boolean"}}),
    "list of strings": _object({"names": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 4}}),
    "list of objects": _object({"lines": {"type": "array", "items": _LINE, "maxItems": 3}}),
    "nested": _object({"from": _object({"name": _TEXT, "city": _TEXT}), "sum": _object({"value": _AMOUNT})}),
    "date and pattern": _object({"date": _DATE, "code": {"type": "string", "minLength": 2, "maxLength": 20}}),
    "alternatives": _object({"value": {"anyOf": [{"type": "number"}, {"const": "unknown"}]}}),
    "optional, closed": {
        "type": "object",
        "properties": {"title": _TEXT, "year": {"type": "integer", "minimum": 1900, "maximum": 2100}, "note": _TEXT},
        "required": ["title"],
        "additionalProperties": False,
    },
}
"""By what is special about each."""

_SENDERS: Final = ("Harbour Tram Works", "Nakamura Denki", "Olive & Sons", "株式会社みなと電鉄", "山田商店")
_PLACES: Final = ("Bergen", "Yokohama", "Leeds", "神戸", "札幌")
_ITEMS: Final = ("brake pads", "ticket rolls", "door sensors", "架線", "座席カバー")


def texts(count: int) -> list[str]:
    """Write `count` different short letters, every third one in Japanese."""
    return [_letter(number) for number in range(count)]


def _letter(number: int) -> str:
    day, pieces, price = 1 + number % 28, 3 + number * 7 % 40, 120 + 35 * number
    sender, place, item = (names[number % len(names)] for names in (_SENDERS, _PLACES[::-1], _ITEMS))
    if number % 3 == 2:
        return (
            f"{sender}（{place}）より。{item}を{pieces}個、2026年{1 + number % 12}月{day}日までにお送りください。"
            f"代金は{price:,}円です。注文番号はT-{100 + number}。至急お願いします。"
        )
    ask = "Ms. Berg" if number % 2 else "Ms. Berg or Mr. Ito"
    return (
        f"From {sender}, {place}: please send {pieces} {item} by 2026-{1 + number % 12:02}-{day:02}. Order"
        f" T-{100 + number}, {price:,}.50 euros, paid in advance. Ask for {ask} if a part is missing."
    )
