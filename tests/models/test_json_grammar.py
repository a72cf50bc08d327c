"""JSON schemas as grammars: what a model writes under one follows it, or the schema is refused; never a crash.

The model is a random one that would write nonsense, so whatever is valid here is so because of the grammar.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_context_resources.errors import InvalidInputError
from mcp_context_resources.models.json_schema import check_json_schema, validation_problem
from mcp_context_resources.models.llama import loaded_model
from mcp_context_resources.models.llama.number_rules import integers_between, numbers_between
from mcp_context_resources.models.llama.schema_rules import schema_grammar
from tests.support.model_engine import EngineJob, asking, generate, model_spec
from tests.support.vision_model import write_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mcp_context_resources.models.spec import Generated

    Schema = dict[str, Any]
    Write = Callable[..., Generated]

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
    "length": {"type": "string", "minLength": 3, "maxLength": 6},
    "year": {"type": "integer", "minimum": 1899, "maximum": 2107},
    "negative": {"type": "integer", "exclusiveMinimum": -5, "exclusiveMaximum": -2},
    "share": {"type": "number", "minimum": 0, "maximum": 1},
    "positive": {"type": "number", "exclusiveMinimum": 0},
    "temperature": {"type": "number", "exclusiveMinimum": -273, "exclusiveMaximum": 60},
    "several types": {"type": ["string", "null", "integer"], "maxLength": 5, "maximum": 7},
    "boolean": {"type": "boolean"},
    "null": {"type": "null"},
    "optional": {"type": "object", "properties": {"a": INTEGER, "b": TEXT, "c": {"type": "null"}}},
    "optional before required": {"type": "object", "properties": {"a": INTEGER, "b": TEXT}, "required": ["b"]},
    "a hundred optional": {"type": "object", "properties": {f"p{number}": INTEGER for number in range(100)}},
    "required without a schema": {"type": "object", "required": ["名前"], "maxProperties": 1},
    "free keys": {"type": "object", "additionalProperties": INTEGER, "minProperties": 1, "maxProperties": 2},
    "keys of a pattern": {"type": "object", "patternProperties": {"^[a-z]{3}$": INTEGER}, "maxProperties": 2},
    "keys of a length": {"propertyNames": {"maxLength": 3}, "additionalProperties": INTEGER, "maxProperties": 2},
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
    "much text": ({"enum": ["x" * 300 + str(number) for number in range(100)]}, "too large a grammar"),
    "many properties": ({"properties": {f"property {number}": INTEGER for number in range(600)}}, "too large"),
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
    "no length": ({"type": "string", "minLength": 9, "maxLength": 3}, "No value can follow"),
    "required and forbidden": ({**record(a=INTEGER), "required": ["b"]}, "both required and forbidden"),
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


def test_a_text_has_no_raw_control_characters_and_no_half_characters(write: Write) -> None:
    for temperature in (0.8, 1.5, 2.5):
        text = write({"type": "string", "minLength": 150, "maxLength": 160}, 1_000, temperature=temperature).text
        value = json.loads(text)
        assert 100 < len(value) <= 160  # bytes that are no character are left out
        value.encode()


BOUNDS = [(None, 5), (-3, None), (0, 0), (7, 123), (-120, 45), (-99, -10), (1899, 2107), (95, 1005), (100, 999)]


@pytest.mark.parametrize(("least", "most"), BOUNDS)
def test_integers_between_bounds_are_exactly_those(least: int | None, most: int | None) -> None:
    matching = as_regex(integers_between(least, most))
    for number in range(-1_200, 3_000):
        inside = (least is None or number >= least) and (most is None or number <= most)
        assert bool(matching.fullmatch(str(number))) is inside, number
    assert not matching.fullmatch("007")


@pytest.mark.parametrize(("least", "most"), [*BOUNDS, (-0.5, 0.5), (0.2, 7.9), (-7.5, -2)])
@pytest.mark.parametrize("open_ends", [False, True])
def test_numbers_beyond_their_bounds_do_not_match(least: float | None, most: float | None, open_ends: bool) -> None:
    matching = as_regex(numbers_between(least, most, above=open_ends, below=open_ends) or "[^\\s\\S]")
    found = 0
    for number in [n / 4 for n in range(-8_000, 12_000)]:
        for text in (f"{number:g}", f"{number:.3f}"):
            if matching.fullmatch(text):
                found += 1
                assert least is None or number >= least
                assert most is None or number <= most
                assert not open_ends or number not in (least, most)
    assert found or (least, most) == (0, 0)


def as_regex(rules: str) -> re.Pattern[str]:
    """Read an expression of GBNF without rule names as a regular expression."""
    literals = re.sub(r'"([^"]*)"', lambda match: re.escape(match[1]), rules)
    return re.compile(literals.replace(" ", ""))


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


def test_a_grammar_is_written_once_for_the_same_schema() -> None:
    schema = record(a=INTEGER, b={"type": "array", "items": TEXT})
    assert schema_grammar(schema) == schema_grammar(json.loads(json.dumps(schema)))
