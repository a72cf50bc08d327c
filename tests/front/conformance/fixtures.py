"""What the conformance suite asks for by name, put on top of a server: its own handlers get everything else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import secrets
import struct
import wave
import zlib
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    SubscriptionBus,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ClientCapabilities,
    CompleteRequestParams,
    CompleteResult,
    ElicitationCapability,
    EmptyResult,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    SamplingCapability,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    TextContent,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel

from mcp_server.subscriptions.connections import Listening

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel.server import Server

    Context = ServerRequestContext[Any, Any]
    ToolHandler = Callable[[Context, CallToolRequestParams], Awaitable[dict[str, Any]]]

_MISSING_CAPABILITY: Final = -32021
_PAUSE: Final = 0.05
_KEY: Final = secrets.token_bytes(32)
_RESULTS: Final[dict[str, type[BaseModel]]] = {
    "tools/list": ListToolsResult,
    "tools/call": CallToolResult,
    "prompts/list": ListPromptsResult,
    "prompts/get": GetPromptResult,
    "resources/list": ListResourcesResult,
    "resources/templates/list": ListResourceTemplatesResult,
    "resources/read": ReadResourceResult,
    "resources/subscribe": EmptyResult,
    "resources/unsubscribe": EmptyResult,
    "completion/complete": CompleteResult,
}


def add_fixtures(server: Server[Any]) -> None:
    """Register the suite's tools, prompts, resources and requests on a server, over what it has."""
    bus = InMemorySubscriptionBus()
    listening = server.get_request_handler("subscriptions/listen")
    if listening is None:
        server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, ListenHandler(bus))
    elif isinstance(listening.handler, Listening):
        bus = listening.handler.bus
    tools = _Tools(bus).all()
    _extend_list(server, "tools/list", "tools", [_definition(name) for name in tools])
    _extend_list(server, "prompts/list", "prompts", _PROMPTS)
    _extend_list(server, "resources/list", "resources", _RESOURCES)
    _extend_list(server, "resources/templates/list", "resourceTemplates", [_TEMPLATE])

    async def call(context: Context, params: CallToolRequestParams) -> Any:
        return await tools[params.name](context, params)

    _extend(server, "tools/call", CallToolRequestParams, lambda params: params.name in tools, call)
    _extend(server, "prompts/get", GetPromptRequestParams, lambda params: params.name in _PROMPT_NAMES, _prompt)
    _extend(server, "resources/read", ReadResourceRequestParams, _is_test_resource, _read)
    _extend(server, "resources/subscribe", SubscribeRequestParams, _is_test_resource, _noted)
    _extend(server, "resources/unsubscribe", UnsubscribeRequestParams, _is_test_resource, _noted)
    if server.get_request_handler("logging/setLevel") is None:
        server.add_request_handler("logging/setLevel", SetLevelRequestParams, _nothing)
    _extend(server, "completion/complete", CompleteRequestParams, _is_test_reference, _complete)


def _extend(
    server: Server[Any], method: str, params_type: type[BaseModel], ours: Callable[[Any], bool], handler: Any
) -> None:
    before = server.get_request_handler(method)

    async def extended(context: Context, params: Any) -> Any:
        if before is None or ours(params):
            return _result(method, await handler(context, params))
        return await before.handler(context, params)

    server.add_request_handler(method, params_type, extended)


def _extend_list(server: Server[Any], method: str, field: str, more: list[dict[str, Any]]) -> None:
    before = server.get_request_handler(method)

    async def extended(context: Context, params: PaginatedRequestParams) -> Any:
        if before is None:
            return _result(method, {field: more})
        result: Any = await before.handler(context, params)
        told = result if isinstance(result, dict) else result.model_dump(by_alias=True, mode="json", exclude_none=True)
        return result if told.get("nextCursor") else _result(method, told | {field: [*told[field], *more]})

    server.add_request_handler(method, PaginatedRequestParams, extended)


def _result(method: str, told: dict[str, Any]) -> BaseModel:
    """Make a result of the type of the method, whose other fields the SDK fills in."""
    kind = InputRequiredResult if told.get("resultType") == "input_required" else _RESULTS[method]
    return kind.model_validate(told)


async def _nothing(_context: Context, _params: Any) -> EmptyResult:
    return EmptyResult()


async def _noted(_context: Context, _params: Any) -> dict[str, Any]:
    return {}


def _is_test_resource(params: Any) -> bool:
    return str(params.uri).startswith("test://")


def _is_test_reference(params: CompleteRequestParams) -> bool:
    return "test" in params.ref.model_dump_json()


async def _complete(_context: Context, _params: CompleteRequestParams) -> dict[str, Any]:
    return {"completion": {"values": [], "hasMore": False}}


def _definition(name: str) -> dict[str, Any]:
    required = {"test_sampling": "prompt", "test_elicitation": "message"}.get(name)
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    if required is not None:
        schema = {"type": "object", "properties": {required: {"type": "string"}}, "required": [required]}
    return {"name": name, "description": f"Fixture of the conformance suite: {name}.", "inputSchema": schema}


def _text(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


def _png() -> str:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0\xff\0\0")
    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
    return base64.b64encode(image).decode()


def _wav() -> str:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"\0\0" * 8)
    return base64.b64encode(sound.getvalue()).decode()


def _image() -> dict[str, Any]:
    return {"type": "image", "data": _png(), "mimeType": "image/png"}


def _resource(uri: str, mime_type: str, text: str) -> dict[str, Any]:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "text": text}}


def _form(message: str, field: str, kind: str = "string") -> dict[str, Any]:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def _sampling(text: str, most: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": {"type": "text", "text": text}}]
    return {"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": most}}


_ROOTS: Final[dict[str, Any]] = {"method": "roots/list", "params": {}}


def _ask(state: str = "", /, **requests: dict[str, Any]) -> dict[str, Any]:
    asked: dict[str, Any] = {"resultType": "input_required", "inputRequests": requests}
    return asked | ({"requestState": _sealed(state)} if state else {})


def _sealed(state: str) -> str:
    return f"{state}.{hmac.new(_KEY, state.encode(), hashlib.sha256).hexdigest()}"


def _opened(sealed: str | None) -> str:
    state = (sealed or "").partition(".")[0]
    if sealed is None or not hmac.compare_digest(sealed.encode(), _sealed(state).encode()):
        raise MCPError(INVALID_PARAMS, "The requestState was not made by this server.")
    return state


def _answers(params: Any) -> dict[str, Any]:
    given = params.input_responses or {}
    return {
        key: value.model_dump(by_alias=True, mode="json") if isinstance(value, BaseModel) else value
        for key, value in given.items()
    }


def _field(answers: dict[str, Any], key: str, field: str) -> Any:
    content = answers.get(key, {}).get("content")
    return content.get(field) if isinstance(content, dict) else None


class _Tools:
    """The suite's tools, by name."""

    def __init__(self, bus: SubscriptionBus) -> None:
        self._bus = bus

    def all(self) -> dict[str, ToolHandler]:
        """Return what answers each tool."""
        interactive = {
            name.removeprefix("_"): getattr(self, name) for name in dir(type(self)) if name.startswith("_test_")
        }
        fixed = {name: self._fixed(result) for name, result in _FIXED.items()}
        return {**fixed, **interactive}

    @staticmethod
    def _fixed(result: dict[str, Any]) -> ToolHandler:
        async def answer(_context: Context, _params: CallToolRequestParams) -> dict[str, Any]:
            return result

        return answer

    async def _test_tool_with_logging(self, context: Context, _params: CallToolRequestParams) -> dict[str, Any]:
        for part in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await context.session.send_log_message("info", part, related_request_id=context.request_id)
            await anyio.sleep(_PAUSE)
        return _text("Logged.")

    _test_logging_tool = _test_tool_with_logging

    async def _test_tool_with_progress(self, context: Context, _params: CallToolRequestParams) -> dict[str, Any]:
        for done in (0, 50, 100):
            await context.session.report_progress(done, 100)
            await anyio.sleep(_PAUSE)
        return _text("Done.")

    async def _test_sampling(self, context: Context, params: CallToolRequestParams) -> dict[str, Any]:
        prompt = TextContent(type="text", text=str((params.arguments or {})["prompt"]))
        answer = await context.session.create_message(
            [SamplingMessage(role="user", content=prompt)], max_tokens=100, related_request_id=context.request_id
        )
        return _text(f"LLM response: {answer.model_dump_json(by_alias=True)}")

    async def _test_elicitation(self, context: Context, params: CallToolRequestParams) -> dict[str, Any]:
        fields = {
            "username": {"type": "string", "description": "User's response"},
            "email": {"type": "string", "description": "User's email address"},
        }
        return await _elicit(context, str((params.arguments or {})["message"]), fields, "User response")

    async def _test_elicitation_sep1034_defaults(self, context: Context, _params: Any) -> dict[str, Any]:
        states = ["active", "inactive", "pending"]
        fields = {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {"type": "string", "enum": states, "default": "active"},
            "verified": {"type": "boolean", "default": True},
        }
        return await _elicit(context, "Check the defaults.", fields, "Elicitation completed")

    async def _test_elicitation_sep1330_enums(self, context: Context, _params: Any) -> dict[str, Any]:
        plain = ["option1", "option2", "option3"]
        titled = [{"const": f"value{n}", "title": title} for n, title in enumerate(("First", "Second", "Third"), 1)]
        names = ["Option One", "Option Two", "Option Three"]
        fields = {
            "untitledSingle": {"type": "string", "enum": plain},
            "titledSingle": {"type": "string", "oneOf": titled},
            "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": names},
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
            "titledMulti": {"type": "array", "items": {"anyOf": titled}},
        }
        return await _elicit(context, "Choose.", fields, "Elicitation completed")

    async def _test_missing_capability(self, context: Context, _params: Any) -> dict[str, Any]:
        if not context.session.check_client_capability(ClientCapabilities(sampling=SamplingCapability())):
            needed: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
            raise MCPError(_MISSING_CAPABILITY, "The client has not declared sampling.", needed)
        return _text("The client can sample.")

    async def _test_streaming_elicitation(self, context: Context, params: CallToolRequestParams) -> dict[str, Any]:
        await context.session.report_progress(1, 2)
        return await self._test_input_required_result_elicitation(context, params)

    async def _test_trigger_tool_change(self, _context: Context, _params: Any) -> dict[str, Any]:
        await self._bus.publish(ToolsListChanged())
        return _text("Told.")

    async def _test_trigger_prompt_change(self, _context: Context, _params: Any) -> dict[str, Any]:
        await self._bus.publish(PromptsListChanged())
        return _text("Told.")

    async def _test_input_required_result_elicitation(self, _context: Context, params: Any) -> dict[str, Any]:
        name = _field(_answers(params), "user_name", "name")
        return _text(f"Hello, {name}!") if name else _ask(user_name=_form("What is your name?", "name"))

    async def _test_input_required_result_sampling(self, _context: Context, params: Any) -> dict[str, Any]:
        answers = _answers(params)
        if "capital_question" not in answers:
            return _ask(capital_question=_sampling("What is the capital of France?", 100))
        return _text(f"The model said: {json.dumps(answers['capital_question'])}")

    async def _test_input_required_result_list_roots(self, _context: Context, params: Any) -> dict[str, Any]:
        answers = _answers(params)
        if "client_roots" not in answers:
            return _ask(client_roots=_ROOTS)
        return _text(f"The roots are: {json.dumps(answers['client_roots'])}")

    async def _test_input_required_result_request_state(self, _context: Context, params: Any) -> dict[str, Any]:
        if "confirm" not in _answers(params):
            return _ask("confirm", confirm=_form("Please confirm", "ok", "boolean"))
        _opened(params.request_state)
        return _text("state-ok")

    _test_input_required_result_tampered_state = _test_input_required_result_request_state

    async def _test_input_required_result_multiple_inputs(self, _context: Context, params: Any) -> dict[str, Any]:
        answers = _answers(params)
        asked = {
            "user_name": _form("What is your name?", "name"),
            "greeting": _sampling("Generate a greeting", 50),
            "client_roots": _ROOTS,
        }
        if not asked.keys() <= answers.keys():
            return _ask("several", **asked)
        _opened(params.request_state)
        return _text(f"All were answered: {', '.join(asked)}")

    async def _test_input_required_result_multi_round(self, _context: Context, params: Any) -> dict[str, Any]:
        state = _opened(params.request_state) if params.request_state else ""
        answers = _answers(params)
        if state == "two" and "step2" in answers:
            return _text(f"Your colour is {_field(answers, 'step2', 'color')}.")
        if state == "one" and "step1" in answers:
            return _ask("two", step2=_form("Step 2: What is your favorite color?", "color"))
        return _ask("one", step1=_form("Step 1: What is your name?", "name"))

    async def _test_input_required_result_capabilities(self, context: Context, params: Any) -> dict[str, Any]:
        if _answers(params):
            return _text("Answered.")
        can = context.session.check_client_capability
        asked = {}
        if can(ClientCapabilities(sampling=SamplingCapability())):
            asked["sampled"] = _sampling("Say anything", 10)
        if can(ClientCapabilities(elicitation=ElicitationCapability())):
            asked["asked"] = _form("Say anything", "text")
        return _ask("", **asked) if asked else _text("The client can be asked nothing.")


async def _elicit(context: Context, message: str, fields: dict[str, Any], told: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": fields, "required": list(fields)}
    answer = await context.session.elicit_form(message, schema, related_request_id=context.request_id)
    return _text(f"{told}: action={answer.action}, content={json.dumps(answer.content)}")


_FIXED: Final[dict[str, dict[str, Any]]] = {
    "test_simple_text": _text("This is a simple text response for testing."),
    "test_image_content": {"content": [_image()]},
    "test_audio_content": {"content": [{"type": "audio", "data": _wav(), "mimeType": "audio/wav"}]},
    "test_embedded_resource": {
        "content": [_resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")]
    },
    "test_multiple_content_types": {
        "content": [
            {"type": "text", "text": "Multiple content types test:"},
            _image(),
            _resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
        ]
    },
    "test_error_handling": {**_text("This tool intentionally returns an error for testing"), "isError": True},
}
_RESOURCES: Final[list[dict[str, Any]]] = [
    {
        "uri": f"test://{name}",
        "name": name,
        "description": f"Fixture of the conformance suite: {name}.",
        "mimeType": mime_type,
    }
    for name, mime_type in (("static-text", "text/plain"), ("static-binary", "image/png"), ("watched", "text/plain"))
]
_TEMPLATE: Final[dict[str, Any]] = {
    "uriTemplate": "test://template/{id}/data",
    "name": "template",
    "description": "Fixture of the conformance suite.",
    "mimeType": "application/json",
}
_PROMPTS: Final[list[dict[str, Any]]] = [
    {
        "name": name,
        "description": f"Fixture of the conformance suite: {name}.",
        "arguments": [{"name": argument, "description": "Any text.", "required": True} for argument in arguments],
    }
    for name, arguments in (
        ("test_simple_prompt", ()),
        ("test_prompt_with_arguments", ("arg1", "arg2")),
        ("test_prompt_with_embedded_resource", ("resourceUri",)),
        ("test_prompt_with_image", ()),
        ("test_input_required_result_prompt", ()),
    )
]
_PROMPT_NAMES: Final = frozenset(prompt["name"] for prompt in _PROMPTS)


async def _read(_context: Context, params: ReadResourceRequestParams) -> dict[str, Any]:
    uri = str(params.uri)
    content: dict[str, Any] = {"uri": uri}
    number = uri.removeprefix("test://template/").removesuffix("/data")
    if uri == "test://static-text":
        content |= {"mimeType": "text/plain", "text": "This is the content of the static text resource."}
    elif uri == "test://static-binary":
        content |= {"mimeType": "image/png", "blob": _png()}
    elif uri == f"test://template/{number}/data":
        told = {"id": number, "templateTest": True, "data": f"Data for ID: {number}"}
        content |= {"mimeType": "application/json", "text": json.dumps(told)}
    else:
        raise MCPError(INVALID_PARAMS, "Resource not found", {"uri": uri})
    return {"contents": [content]}


async def _prompt(_context: Context, params: GetPromptRequestParams) -> dict[str, Any]:
    given = params.arguments or {}
    if params.name == "test_input_required_result_prompt" and not _answers(params):
        return _ask(user_context=_form("What context should the prompt use?", "context"))
    prompts: dict[str, list[Any]] = {
        "test_simple_prompt": ["This is a simple prompt for testing."],
        "test_prompt_with_arguments": [
            f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"
        ],
        "test_prompt_with_embedded_resource": [
            _resource(given.get("resourceUri", ""), "text/plain", "Embedded resource content for testing."),
            "Please process the embedded resource above.",
        ],
        "test_prompt_with_image": [_image(), "Please analyze the image above."],
        "test_input_required_result_prompt": [f"Context: {_field(_answers(params), 'user_context', 'context')}"],
    }
    contents = prompts[params.name]
    blocks = [{"type": "text", "text": block} if isinstance(block, str) else block for block in contents]
    return {"messages": [{"role": "user", "content": block} for block in blocks]}
