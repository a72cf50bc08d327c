"""JSON schemas as grammars: what a model writes under one follows it, or the schema is refused; never a crash.

The model is a random one that would write nonsense, so whatever is valid here is so because of the grammar.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.models.json_schema import check_json_schema, validation_problem
from mcp_context_resources.models.llama import loaded_model
from mcp_context_resources.models.llama.grammar import Grammar, Grammars
from tests.support.model_engine import EngineJob, asking, generate, model_spec
from tests.support.vision_model import write_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mcp_context_resources.models.spec import Generated

    Schema = dict[str, Any]
    Write = Callable[..., Generated]
    MayBe = Callable[[Schema, str], bool]

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Write]:
    """Let the random model write under a schema."""
    spec = model_spec(write_model(tmp_path_factory.mktemp("models") / "tiny.gguf"))

    def under(schema: Schema, max_tokens: int = 200, *, temperature: float = 0.0, seconds: float = 60.0) -> Generated:
        check_json_schema(schema)
        request = asking("x", max_tokens, json_schema=schema, temperature=temperature)
        return generate(spec, request, job=EngineJob(seconds))[0]

    yield under
    loaded_model.release()


@pytest.fixture(scope="module")
def may_be(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MayBe]:
    """Tell whether a text, byte by byte, is one that a schema lets a model write."""
    model = loaded_model.held(model_spec(write_model(tmp_path_factory.mktemp("models") / "tiny.gguf")))
    byte = {model.bytes_of(token): token for token in range(model.vocabulary_size)}
    grammars = Grammars(model.json_tokens)

    def allowed(grammar: Grammar, token: int) -> bool:
        logits = np.zeros(model.vocabulary_size, np.float32)
        logits[token] = 1.0
        return grammar.best(logits) == token

    def check(schema: Schema, text: str) -> bool:
        check_json_schema(schema)
        grammar = grammars.of(schema)
        assert grammar is not None
        for piece in (bytes([one]) for one in text.encode()):
            if grammar.is_complete or not allowed(grammar, byte[piece]):
                return False
            grammar.accept(byte[piece], piece)
        return grammar.is_complete or allowed(grammar, model.end_token)

    yield check
    loaded_model.release()


def record(**properties: Any) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


INTEGER = {"type": "integer"}
TEXT = {"type": "string", "maxLength": 8}
PERSON = {"properties": {"age": INTEGER}, "required": ["age"], "type": "object", "title": "Person"}

FOLLOWED: dict[str, Schema] = {
    "nested objects": record(a=record(b=record(c={"type": "boolean"}))),
    "array": {"type": "array", "items": INTEGER, "minItems": 2, "maxItems": 3},
    "array of objects": {"type": "array", "items": record(n=INTEGER), "minItems": 1, "maxItems": 2},
    "twenty arrays within each other": json.loads(
        '{"type":"array","minItems":1,"maxItems":1,"items":' * 20 + '{"type":"null"}' + "}" * 20
    ),
    "empty array": {"type": "array", "maxItems": 0},
    "array of anything": {"type": "array", "maxItems": 1},
    "tuple": {"type": "array", "prefixItems": [INTEGER, {"type": "boolean"}], "items": False},
    "tuple and more": {"prefixItems": [INTEGER], "items": {"type": "null"}, "minItems": 3, "maxItems": 4},
    "items of any kind": {"type": "array", "items": True, "maxItems": 1},
    "enum": {"enum": ["河川", "鉄道", "空港"]},
    "enum of all kinds": {"enum": [1.5, "1", None, True, [1], {"a": 1}]},
    "enum within a type": {"type": "integer", "enum": ["a", 3]},
    "enum of pictures": {"enum": ["🚋", "🚌"]},
    "much text": {"enum": ["x" * 130 + str(number) for number in range(200)]},
    "five hundred values": {"enum": [f"値{number}" for number in range(500)]},
    "const": {"const": {"a": [1, None, "x"]}},
    "const with signs": {"const": 'line\nbreak "quoted" \\ back\ttab | ::= \x07 🚋'},
    "const like a grammar": {"const": '"] ::= root ; \\'},
    "any of": {"anyOf": [INTEGER, {"const": "none"}]},
    "one of": {"oneOf": [{"type": "boolean"}, {"type": "null"}]},
    "one of objects": {"oneOf": [record(k={"const": "x"}, v=INTEGER), record(k={"const": "y"})]},
    "any of beside properties": {
        "type": "object",
        "properties": {"a": INTEGER, "b": INTEGER},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    },
    "all of": {"allOf": [{"properties": {"a": INTEGER}, "required": ["a"]}, record(a={"maximum": 5}, b=TEXT)]}
    | {"type": "object", "properties": {"b": TEXT}},
    "all of bounds": {"allOf": [{"type": "number"}, {"type": "integer", "minimum": 5}, {"maximum": 9}]},
    "reference": {"$defs": {"p": record(x=INTEGER)}, "type": "array", "items": {"$ref": "#/$defs/p"}, "maxItems": 2},
    "references in definitions": {
        "$defs": {
            "Person": PERSON,
            "Team": record(
                lead={"$ref": "#/$defs/Person", "description": "who leads"},
                others={"items": {"$ref": "#/$defs/Person"}, "type": "array", "maxItems": 2},
                guest={"anyOf": [{"$ref": "#/$defs/Person"}, {"type": "null"}], "default": None},
            ),
        },
        "$ref": "#/$defs/Team",
    },
    "a reference with escapes": {"$defs": {"a/b~c d": INTEGER}, "$ref": "#/$defs/a~1b~0c%20d"},
    "a tree": {
        "$defs": {
            "node": {
                "properties": {"v": INTEGER, "kids": {"maxItems": 1, "items": {"$ref": "#/$defs/node"}}},
                "required": ["v"],
            }
        },
        "$ref": "#/$defs/node",
    },
    "a tree with descriptions": {
        "$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n", "description": "what follows"}}}},
        "$ref": "#/$defs/n",
    },
    "a list of lists": {**record(next={"anyOf": [{"type": "null"}, {"$ref": "#"}]})},
    "pattern": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{2,4}$"},
    "pattern of classes": {"type": "string", "pattern": r"^\d{3}-\d{4}\s\w\S$"},
    "pattern with choices": {"type": "string", "pattern": "^(foo|bar)?baz$"},
    "pattern in Japanese": {"type": "string", "pattern": "^[ぁ-ん]{2,5}駅$"},
    "pattern with signs": {"type": "string", "pattern": r'^"\\\n/\[\]$'},
    "pattern of any signs": {"type": "string", "pattern": "^.[^a-z][^\\d]$"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "date-time"},
    "uuid": {"type": "string", "format": "uuid"},
    "an unknown format": {"type": "string", "format": "no-such", "maxLength": 4},
    "an address": {"type": "string", "format": "email", "maxLength": 40},
    "pattern of a length": {"type": "string", "pattern": "^[a-z]+$", "minLength": 3, "maxLength": 5},
    "length": {"type": "string", "minLength": 3, "maxLength": 6},
    "year": {"type": "integer", "minimum": 1899, "maximum": 2107},
    "negative": {"type": "integer", "exclusiveMinimum": -5, "exclusiveMaximum": -2},
    "share": {"type": "number", "minimum": 0, "maximum": 1},
    "positive": {"type": "number", "exclusiveMinimum": 0},
    "temperature": {"type": "number", "exclusiveMinimum": -273, "exclusiveMaximum": 60},
    "bounds beyond 64 bits": {"type": "integer", "minimum": -1e300, "exclusiveMaximum": 9},
    "several types": {"type": ["string", "null", "integer"], "maxLength": 5, "maximum": 7},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "optional": {"type": "object", "properties": {"a": INTEGER, "b": TEXT, "c": {"type": "null"}}},
    "optional before required": {"type": "object", "properties": {"a": INTEGER, "b": TEXT}, "required": ["b"]},
    "a hundred optional": {"type": "object", "properties": {f"p{number}": INTEGER for number in range(100)}},
    "six hundred optional": {"type": "object", "properties": {f"property {number}": INTEGER for number in range(600)}},
    "required without a schema": {"type": "object", "required": ["名前"], "maxProperties": 1},
    "free keys": {"type": "object", "additionalProperties": INTEGER, "minProperties": 1, "maxProperties": 2},
    "keys of a pattern": {"type": "object", "patternProperties": {"^[a-z]{3}$": INTEGER}, "maxProperties": 2},
    "keys of a length": {"propertyNames": {"maxLength": 3}, "additionalProperties": INTEGER, "maxProperties": 2},
    "keys of a list": {"propertyNames": {"enum": ["a", "b"]}, "additionalProperties": INTEGER},
    "at least two of three": {"type": "object", "properties": {"a": INTEGER, "b": INTEGER}, "required": ["a"]}
    | {"minProperties": 1, "maxProperties": 3},
    "more than the properties": {"type": "object", "properties": {"a": INTEGER}, "additionalProperties": INTEGER},
    "forbidden property": {"type": "object", "properties": {"a": False, "b": INTEGER}, "required": ["b"]},
    "no properties": record(),
    "an empty name": record(**{"": INTEGER}),
    "names with signs": record(**{'a"b\\c\nd': INTEGER, "名前": INTEGER, "🚋": INTEGER, 'x" | "y': INTEGER}),
    "names of rules": record(root=INTEGER, value=INTEGER, object=INTEGER, char=INTEGER, ws=INTEGER),
    "names of keywords": record(**{"enum": INTEGER, "maxLength": INTEGER, "$ref": INTEGER, "type": INTEGER}),
    "like names": record(**{"a-b": INTEGER, "a_b": TEXT, "a b": {"type": "null"}}),
    "whatever else it says": {"type": "integer", "title": "n", "description": "d", "examples": ["x"], "$comment": "c"},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("schema", FOLLOWED.values(), ids=FOLLOWED)
def test_what_is_written_follows_the_schema(write: Write, schema: Schema) -> None:
    for temperature in (0.0, 1.2):
        made = write(schema, 300, temperature=temperature)
        assert made.finish == "stop"
        jsonschema.validate(json.loads(made.text), schema, jsonschema.Draft202012Validator)


REFUSED: dict[str, tuple[Schema, str]] = {
    "a type that is none": ({"type": "strange"}, "not a valid JSON Schema"),
    "a broken pattern": ({"type": "string", "pattern": "^(abc$"}, "not a valid JSON Schema"),
    "a long text": ({"type": "string", "maxLength": 1_000_000}, "maxLength"),
    "a long array": ({"type": "array", "items": INTEGER, "maxItems": 5_000}, "maxItems"),
    "many values": ({"enum": list(range(501))}, "501 values"),
    "a huge schema": ({"description": "x" * 40_000}, "longer than"),
    "another document": ({"$ref": "https://example.com/schema.json"}, "another document"),
    "a missing definition": ({"items": {"$ref": "#/$defs/missing"}}, "isn't in it"),
    "an anchor": ({"$ref": "#there"}, "isn't in it"),
    "a dynamic reference": ({"$dynamicRef": "#there"}, "dynamicRef"),
    "deep nesting": (json.loads('{"items":' * 80 + "{}" + "}" * 80), "nests deeper"),
    "itself": ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "defined by itself"),
    "itself by another": (
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [INTEGER, {"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"},
        "defined by itself",
    ),
    "itself and more": (
        {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, {"type": "object"}]}}, "$ref": "#/$defs/a"},
        "round in circles",
    ),
    "twice as much at every step": (
        {
            "$defs": {
                **{f"a{step}": {"allOf": [{"$ref": f"#/$defs/a{step + 1}"}] * 2} for step in range(25)},
                "a25": PERSON,
            },
            "$ref": "#/$defs/a0",
        },
        "too much",
    ),
    "many choices of many": (
        {"allOf": [{"anyOf": [{"minimum": n - k} for n in range(40)]} for k in range(3)]},
        "too much",
    ),
    "no choice": ({"enum": []}, "No value can follow"),
    "no type": ({"allOf": [{"type": "string"}, INTEGER]}, "No value can follow"),
    "no number": ({"type": "integer", "minimum": 9, "maximum": 3}, "No value can follow"),
    "no number that is written": ({"type": "integer", "minimum": 1e300}, "too far out"),
    "a number that is not exact": ({"enum": [1, {"id": 2**53 + 1}]}, "as a string"),
    "one number beyond 64 bits": ({"type": "integer", "minimum": -1e300, "maximum": -1e300}, "too far out"),
    "no length": ({"type": "string", "minLength": 9, "maxLength": 3}, "No value can follow"),
    "required and forbidden": ({**record(a=INTEGER), "required": ["b"]}, "required property 'b' is unsatisfiable"),
    "false": ({**record(a=False)}, "No value can follow"),
    "a look ahead": ({"type": "string", "pattern": "^(?=a)a$"}, "pattern"),
    "a reference back": ({"type": "string", "pattern": r"^(a)\1$"}, "pattern"),
    "many repeats": ({"type": "string", "pattern": "^a{1000000000}$"}, "repeats more than"),
    "repeats of repeats": ({"type": "string", "pattern": "^((a{1,99}){1,99}){1,99}$"}, "repeats what repeats"),
    "many ways to read": ({"type": "string", "pattern": "^" + "a?" * 300 + "a" * 300 + "$"}, "leaves too much open"),
    "a deep pattern": ({"type": "string", "pattern": "(" * 900 + "a" + ")" * 900}, "deep"),
    "many ways to fail": ({"const": "a", "not": {"pattern": "^(a+)+$"}}, "too many ways"),
    "many ways to fail a key": ({"not": {"patternProperties": {"^(a|a)*$": False}}}, "too many ways"),
    "many repeats that overlap": ({"const": "a", "not": {"pattern": "a*a*a*a*a*b"}}, "too many ways"),
    "a look ahead anywhere": ({"const": "a", "x": [{"pattern": "(?!b)a"}]}, "pattern"),
    "a pattern with flags": ({"type": "string", "pattern": "(?i)abc"}, "sets flags"),
    "another address within": (
        {"const": 1, "not": {"$ref": "#/x"}, "x": {"allOf": [{"$id": "http://127.0.0.1/", "$ref": "#/y"}]}},
        "$id below",
    ),
    "another standard within": ({"items": {"$schema": "http://json-schema.org/draft-04/schema#"}}, "$schema below"),
    "many properties at least": ({"type": "object", "minProperties": 900_000_000}, "minProperties"),
    "half a character": ({"const": "\ud800"}, "what JSON can't say"),
    "no number at all": ({"const": float("nan")}, "what JSON can't say"),
}


@pytest.mark.parametrize(("schema", "says"), REFUSED.values(), ids=REFUSED)
def test_a_schema_that_makes_no_safe_grammar_is_refused(write: Write, schema: Schema, says: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(says)) as caught:
        write(schema)
    assert len(caught.value.message) < 400
    assert caught.value.hint
    assert write({"const": 1}).text == "1"


def test_what_only_validation_can_tell_is_told() -> None:
    assert validation_problem(8, {"multipleOf": 7}) == "$: 8 is not a multiple of 7"
    assert validation_problem({"a": [1, "x"]}, record(a={"items": INTEGER})) == "$.a[1]: 'x' is not of type 'integer'"
    assert validation_problem([1, 2], {"uniqueItems": True}) is None
    assert "applied" in str(validation_problem(1, {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}))


def test_no_schema_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("urllib.request.urlopen", asked.append)
    schema = {"$ref": "#/x/y", "x": {"y": {"allOf": [{"$id": "http://127.0.0.1:1/", "$ref": "#/z"}]}}}
    assert "applied" in str(validation_problem(1, schema))
    assert asked == []


@pytest.mark.slow
def test_validation_takes_a_limited_number_of_steps() -> None:
    twice = {f"a{step}": {"allOf": [{"$ref": f"#/$defs/a{step + 1}"}] * 2} for step in range(40)}
    doubled = {"const": 1, "not": {"not": {"$ref": "#/$defs/a0"}}, "$defs": {**twice, "a40": {"type": "number"}}}
    own = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    for schema in (doubled, own | doubled):
        check_json_schema(schema)
        assert "too many steps" in str(validation_problem(1, schema))
    overlapping = {"pattern": "^.*a.*b$", "not": {"pattern": "^.*a.*a.*b$"}}
    assert validation_problem("aab", overlapping) is not None
    assert "too many steps" in str(validation_problem("a" * 9_000, {"not": overlapping}))
    keys = {"patternProperties": {"^.*a.*b$": False}, "additionalProperties": False}
    assert "too many steps" in str(validation_problem({"a" * 9_000: 1}, keys))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^[a-z]+(-[a-z]+)*$", "the-last-tram-" * 200),
        (r"^\d{1,3}(,\d{3})*(\.\d+)?$", "1,890,210.50"),
        (r"^[^@\s]+@[^@\s]+\.[^@\s]+$", "somebody@example.com"),
        (r"^(foo|bar)(,(foo|bar))*$", "foo,bar," * 200),
        (r"^(\w+\.)+com$", "a.b.c.d." * 200),
        (r"^#[0-9a-f]{6}$", "#00ff00"),
        (r"^(駅|港)(、(駅|港))*$", "駅、港"),
    ],
)
def test_usual_patterns_are_matched(pattern: str, text: str) -> None:
    check_json_schema({"pattern": pattern})
    assert "steps" not in str(validation_problem(text, {"pattern": pattern}))
    assert (validation_problem(text, {"pattern": pattern}) is None) is bool(re.search(pattern, text))


@pytest.mark.slow
@pytest.mark.parametrize("limit", [12, 20, 40, 80])
def test_what_is_open_is_closed_before_the_tokens_run_out(write: Write, limit: int) -> None:
    schemas: list[Schema] = [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}},
        record(text={"type": "string"}),
        {"type": "array", "items": INTEGER},
    ]
    finished = [made for schema in schemas if (made := write(schema, limit)).finish == "stop"]
    assert len(finished) >= 3
    for made in finished:
        json.loads(made.text)
        assert made.completion_tokens <= limit


@pytest.mark.slow
def test_a_text_has_no_raw_control_characters_and_no_half_characters(write: Write) -> None:
    for temperature in (0.8, 1.5, 2.5):
        text = write({"type": "string", "minLength": 150, "maxLength": 160}, 1_000, temperature=temperature).text
        value = json.loads(text)
        assert 100 < len(value) <= 160  # bytes that are no character are left out
        value.encode()


BOUNDS = [(None, 5), (-3, None), (0, 0), (7, 123), (-120, 45), (-99, -10), (1899, 2107), (95, 1005), (100, 999)]


@pytest.mark.parametrize(("least", "most"), BOUNDS)
def test_integers_between_bounds_are_exactly_those(may_be: MayBe, least: int | None, most: int | None) -> None:
    schema = {"type": "integer"} | bounds(least, most)
    for number in {
        *range(-12, 12),
        *near(least),
        *near(most),
        -1_200,
        -119,
        -46,
        44,
        99,
        101,
        990,
        1_006,
        1_900,
        3_000,
    }:
        inside = (least is None or number >= least) and (most is None or number <= most)
        assert may_be(schema, str(number)) is inside, number
    assert not may_be(schema, "007")


@pytest.mark.slow
@pytest.mark.parametrize(("least", "most"), [*BOUNDS, (-0.5, 0.5), (0.2, 7.9), (-7.5, -2)])
@pytest.mark.parametrize("open_ends", [False, True])
def test_numbers_beyond_their_bounds_do_not_match(
    may_be: MayBe, least: float | None, most: float | None, open_ends: bool
) -> None:
    schema = {"type": "number"} | bounds(least, most, "exclusiveMinimum" if open_ends else "minimum")
    if (least, most) == (0, 0) and open_ends:
        with pytest.raises(InvalidInputError):
            may_be(schema, "0")
        return
    for number in {n / 4 for n in range(-40, 40)} | {n + k / 4 for n in (*near(least), *near(most)) for k in range(4)}:
        inside = validation_problem(number, schema) is None
        assert may_be(schema, f"{number:g}") is inside, number
        assert inside or not may_be(schema, f"{number:.3f}"), number


def near(bound: float | None) -> range:
    return range(int(bound or 0) - 3, int(bound or 0) + 4)


def bounds(least: float | None, most: float | None, lower: str = "minimum") -> Schema:
    found = {lower: least, lower.replace("min", "max").replace("Min", "Max"): most}
    return {key: bound for key, bound in found.items() if bound is not None}


@pytest.mark.parametrize(
    ("schema", "fits", "does_not"),
    [
        ({"type": "integer"}, "9" * 15, "9" * 16),
        ({"type": "number"}, "0." + "1" * 15, "0." + "1" * 16),
        ({"type": "number"}, "-1.5e-99", "1e100"),
        ({}, "[123456789012345,1]", "[1234567890123456]"),
        ({"const": "1" * 40}, '"' + "1" * 40 + '"', '"1"'),
        ({"enum": [2**53, 7]}, "9007199254740992", "900719925474099"),
    ],
)
def test_numbers_are_no_longer_than_any_reader_takes_exactly(
    may_be: MayBe, schema: Schema, fits: str, does_not: str
) -> None:
    assert may_be(schema, fits)
    assert not may_be(schema, does_not)


OPEN_BASE = {"type": "object", "properties": {"id": INTEGER}, "required": ["id"]}
COMPOSED: dict[str, Schema] = {
    "one": {"properties": {"id": INTEGER, "a": INTEGER}},
    "allOf": {"$defs": {"base": OPEN_BASE}, "allOf": [{"$ref": "#/$defs/base"}, {"properties": {"a": INTEGER}}]},
    "a reference and more": {"$defs": {"base": OPEN_BASE}, "$ref": "#/$defs/base", "properties": {"a": INTEGER}},
    "alternatives": OPEN_BASE | {"oneOf": [{"properties": {"a": INTEGER}}, {"required": ["b"]}]},
    "within": {"items": {"allOf": [OPEN_BASE, {"properties": {"a": INTEGER}}]}},
}


@pytest.mark.parametrize("schema", COMPOSED.values(), ids=COMPOSED)
def test_an_object_takes_only_properties_that_are_named_somewhere(may_be: MayBe, schema: Schema) -> None:
    opened, closed = ("[{", "}]") if "items" in schema else ("{", "}")
    both = '"a": 1, "id": 7' if "properties" in schema and "$ref" in schema else '"id": 7, "a": 1'
    required = ', "b": 2' if "oneOf" in schema else ""
    assert may_be(schema, f"{opened}{both}{required}{closed}") or may_be(schema, f"{opened}{both}{closed}")
    assert not may_be(schema, f'{opened}{both}{required}, "other": 2{closed}')


def test_an_object_may_say_that_it_takes_more(may_be: MayBe) -> None:
    assert may_be(OPEN_BASE | {"additionalProperties": True}, '{"id": 7, "other": 2}')
    assert not may_be(OPEN_BASE | {"additionalProperties": INTEGER}, '{"id": 7, "other": "2"}')


def test_properties_keep_the_order_of_the_schema_and_little_white_space(may_be: MayBe) -> None:
    schema = record(z=INTEGER, a=INTEGER)
    for text in ('{"z":1,"a":2}', '{"z": 1, "a": 2}', '{ "z": 1, "a": 2 }'):
        assert may_be(schema, text)
    for text in ('{"a":1,"z":2}', '{"z":  1,"a":2}', '{\n"z":1,"a":2}', ' {"z":1,"a":2}', '{"z":1,"a":2} '):
        assert not may_be(schema, text)


def test_a_text_that_can_be_read_in_many_ways_takes_no_longer(may_be: MayBe) -> None:
    twice = {"anyOf": [{"prefixItems": [{"$ref": "#"}]}, {"prefixItems": [{"$ref": "#"}]}]}
    assert may_be(twice, "[" * 60 + "]" * 60)


def test_a_whole_text_ends_without_another_token(write: Write) -> None:
    assert write({"const": "tram"}, len('"tram"')).finish == "stop"


names = st.sampled_from(
    ["", "a", "b", 'quote"', "back\\", "new\nline", "名前", "🚋", "$ref", "root", "a b", "\x00", "::="]
)
counts = st.integers(0, 6) | st.sampled_from([999, 1_000])
kinds = st.sampled_from(["string", "integer", "number", "boolean", "null", "array"])
parts = st.sampled_from(["^", "$", ".", "*", "+", "?", "a", "(b|c)", "[^x]", r"\d", r"\W", "{2,3}", "(", "|"])
leaves = st.one_of(
    st.booleans(),
    st.just({}),
    st.builds(lambda kind: {"type": kind}, kinds),
    st.builds(lambda low, high: {"type": "string", "minLength": low, "maxLength": high}, counts, counts),
    st.builds(lambda low, high: {"minimum": low, "maximum": high}, st.floats(-1e6, 1e6), st.integers()),
    st.builds(lambda low: {"type": "integer", "exclusiveMinimum": low}, st.integers(-(10**20), 10**20)),
    st.builds(lambda values: {"enum": values}, st.lists(names | st.integers() | st.none(), max_size=4)),
    st.builds(lambda value: {"const": value}, st.text(max_size=8) | st.floats(allow_nan=False)),
    st.builds(lambda some: {"type": "string", "pattern": "".join(some)}, st.lists(parts)),
    st.builds(lambda name: {"$ref": f"#/$defs/{name}"}, st.sampled_from(["one", "two", "none"])),
    st.just({"$ref": "#"}),
)  # fmt: skip


def _with(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.builds(
            lambda properties, required, more: {"properties": properties, "required": required, **more},
            st.dictionaries(names, inner, max_size=3),
            st.lists(names, max_size=2, unique=True),
            st.just({}) | st.builds(lambda further: {"additionalProperties": further}, inner),
        ),
        st.builds(lambda item, low, high: {"items": item, "minItems": low, "maxItems": high}, inner, counts, counts),
        st.builds(lambda items, rest: {"prefixItems": items, "items": rest}, several, inner),
        st.builds(lambda key, parts: {key: parts}, st.sampled_from(["anyOf", "oneOf", "allOf"]), several),
        st.builds(lambda one, other: {**one, **other}, st.just({"$ref": "#/$defs/one"}), st.just({"maximum": 3})),
    )


schemas = st.recursive(leaves, _with, max_leaves=8)


@pytest.mark.slow
@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(root=schemas, one=schemas, two=schemas)
def test_any_schema_is_followed_or_refused(write: Write, root: Any, one: Any, two: Any) -> None:
    schema = {**(root if isinstance(root, dict) else {"items": root}), "$defs": {"one": one, "two": two}}
    try:
        made = write(schema, 60, seconds=10.0)
    except InvalidInputError:
        return
    if made.finish == "stop":
        json.loads(made.text)
