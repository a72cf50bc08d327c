"""A host of MCP Apps for tests: shows a page of the real server in a sandboxed frame and answers it by the spec."""

from __future__ import annotations

import base64
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from tests.support.browser import chromium, open_browser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mcp.client.client import Client

    from tests.support.browser import Browser

CAPABILITIES: Final[dict[str, Any]] = {"serverTools": {}, "downloadFile": {}, "openLinks": {}, "logging": {}}

# What a host must enforce for a page that asks for nothing.
_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " media-src 'self' data:; object-src 'none'; connect-src 'none'"
)
_HOST: Final = """
window.host = (() => {
  const { html, input, result, answer, width, height } = SHOWN;
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.style.cssText = `border:0;display:block;width:${width}px;height:${height || 100}px`;
  frame.srcdoc = html;
  document.body.style.margin = "0";
  document.body.replaceChildren(frame);
  const heard = [];
  const post = (message) => frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
  const tell = (method, params) => post({ method, params });
  window.addEventListener("message", ({ source, data }) => {
    if (source !== frame.contentWindow) return;
    heard.push(data);
    if (data.method === "ui/initialize") post({ id: data.id, result: answer });
    else if (data.method === "ui/notifications/initialized") {
      if (input !== null) tell("ui/notifications/tool-input", { arguments: input });
      if (result !== null) tell("ui/notifications/tool-result", result);
    } else if (data.method === "ui/notifications/size-changed") {
      if (!height) frame.style.height = `${data.params.height}px`;
    } else if (data.method === "tools/call") callServer(JSON.stringify(data));
    else if (data.method === "ui/request-display-mode") post({ id: data.id, result: { mode: data.params.mode } });
    else if (data.id !== undefined && data.method) post({ id: data.id, result: {} });
  });
  return { frame, heard, post, tell };
})();
"""
_UNTIL: Final = """
new Promise((resolve, reject) => {
  const ends = performance.now() + 20000;
  const look = () => {
    let found;
    try { found = (CONDITION); } catch (error) { found = false; }
    if (found) resolve(found === true ? true : String(found));
    else if (performance.now() > ends) reject(new Error("never: " + document.body.innerText.slice(0, 2000)));
    else requestAnimationFrame(look);
  };
  look();
})
"""
_KEYS: Final = {
    "Enter": 13,
    "Escape": 27,
    "PageDown": 34,
    "End": 35,
    "Home": 36,
    "ArrowUp": 38,
    "ArrowDown": 40,
    "Tab": 9,
}


class App:
    """A page in its frame, and what the host heard of it."""

    def __init__(self, browser: Browser, client: Client) -> None:
        self._browser, self._client = browser, client
        self._session = ""
        self._contexts: dict[str, int] = {}
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self._answering = anyio.Lock()
        self._closed = False

    async def read(self, script: str) -> Any:
        """Evaluate a script in the page's frame and return its JSON value."""
        return await self._evaluate(script, self._contexts[await self._frame()])

    async def until(self, condition: str) -> None:
        """Wait until a script in the page's frame gives something true."""
        await self.read(_UNTIL.replace("CONDITION", condition))

    async def host(self, script: str) -> Any:
        """Evaluate a script in the host."""
        return await self._evaluate(script)

    async def heard(self, method: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until the page sent `count` messages of a method and return the parameters of all."""
        found = f"host.heard.filter((message) => message.method === {json.dumps(method)})"
        await self.host(_UNTIL.replace("CONDITION", f"{found}.length >= {count}"))
        return [message.get("params") or {} for message in await self.host(found)]

    async def answers(self, count: int) -> dict[str, int | None]:
        """Wait until the page answered `count` requests and return the codes of their errors, None where it did."""
        found = "host.heard.filter(({ method }) => !method)"
        await self.host(_UNTIL.replace("CONDITION", f"{found}.length >= {count}"))
        return {message["id"]: message.get("error", {}).get("code") for message in await self.host(found)}

    async def click(self, selector: str, place: int = 0) -> None:
        """Click with the mouse on an element that a selector finds, once it is there."""
        found = f"document.querySelectorAll({json.dumps(selector)})[{place}]"
        await self.until(f"{found} && !{found}.disabled")
        await self.read(f'{found}.scrollIntoView({{ block: "nearest", inline: "nearest" }})')
        x, y = await self.read(
            f"(({{ left, top, width, height }}) => [left + width / 2, top + height / 2])"
            f"({found}.getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self._send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def click_text(self, text: str) -> None:
        """Click on the button with this text or name."""
        buttons = '[...document.querySelectorAll("button")]'
        wanted = json.dumps(text)
        named = f"(button) => button.textContent === {wanted} || button.ariaLabel === {wanted}"
        await self.until(f"{buttons}.some({named})")
        place = await self.read(f"{buttons}.findIndex({named})")
        await self.click("button", place)

    async def press(self, *keys: str) -> None:
        """Press keys by name, one after the other."""
        for key in keys:
            code = _KEYS.get(key, 0)
            text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
            for kind in ("keyDown", "keyUp"):
                typed = text if kind == "keyDown" else {}
                await self._send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **typed)

    async def write(self, selector: str, text: str) -> None:
        """Put a text into a field as if it was typed."""
        await self.click(selector)
        await self.read(f"document.querySelector({json.dumps(selector)}).select()")
        await self._send("Input.insertText", text=text)

    async def choose(self, label: str, text: str) -> None:
        """Choose what a select of this name offers under a text."""
        found = f"document.querySelector('select[aria-label=' + {json.dumps(json.dumps(label))} + ']')"
        await self.read(
            f"(() => {{ const box = {found};"
            f" box.value = [...box.options].find((option) => option.text === {json.dumps(text)}).value;"
            " box.dispatchEvent(new Event('change', { bubbles: true })); })()"
        )

    async def screenshot(self, path: Path) -> None:
        """Write what the host shows as PNG."""
        shot = await self._send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    async def _send(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._browser.send(method, self._session, **params)

    async def _frame(self) -> str:
        tree = (await self._send("Page.getFrameTree"))["frameTree"]
        frame: str = tree["childFrames"][0]["frame"]["id"]
        return frame

    async def _evaluate(self, script: str, context: int | None = None) -> Any:
        where = {} if context is None else {"contextId": context}
        answer = await self._send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=False, **where
        )
        if "exceptionDetails" in answer:
            thrown = answer["exceptionDetails"].get("exception", {}).get("description", "a script failed")
            raise AssertionError("\n".join([thrown, *self.complaints]))
        return answer["result"].get("value")

    async def hear(self, method: str, params: dict[str, Any]) -> None:
        """Take in an event of the browser."""
        if method == "Runtime.executionContextCreated" and params["context"]["auxData"].get("isDefault"):
            self._contexts[params["context"]["auxData"]["frameId"]] = params["context"]["id"]
        elif method == "Network.requestWillBeSent":
            self.requests += [url for url in [params["request"]["url"]] if not url.startswith(("data:", "about:"))]
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(str([item.get("value") for item in params["args"]]))
        elif method == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif method == "Runtime.bindingCalled":
            async with self._answering:
                if not self._closed:
                    await self._answer(json.loads(params["payload"]))

    async def quiet(self) -> None:
        """Wait until the calls that the page began are answered."""
        async with self._answering:
            self._closed = True

    async def _answer(self, message: dict[str, Any]) -> None:
        """Put a call of the page to the real server."""
        self.calls.append(message["params"])
        try:
            result = await self._client.call_tool(message["params"]["name"], message["params"].get("arguments"))
        except MCPError as error:
            answer: dict[str, Any] = {"error": {"code": error.code, "message": str(error)}}
        else:
            answer = {"result": result.model_dump(by_alias=True, exclude_none=True, mode="json")}
        await self.host(f"host.post({json.dumps({'id': message['id'], **answer})})")

    async def open(self, session: str, shown: dict[str, Any], width: int, height: int, scheme: str) -> None:
        """Show the page in a window of this size, with the system's light or dark colours."""
        self._session = session
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self._send(f"{domain}.enable")
        await self._send("Runtime.addBinding", name="callServer")
        await self._send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        await self._send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        await self.host(_HOST.replace("SHOWN", json.dumps(shown), 1))


@asynccontextmanager
async def shown(
    browser: Browser,
    client: Client,
    result: dict[str, Any] | None,
    given: dict[str, Any] | None = None,
    *,
    uri: str = "ui://fresh-context/viewer",
    width: int = 800,
    height: int | None = None,
    scheme: str = "light",
    capabilities: dict[str, Any] | None = None,
    **context: Any,
) -> AsyncIterator[App]:
    """Show the page `uri` with the result of a call (None: none yet) and its arguments `given`.

    `height` is that of a host that decides it; `context` is the host's context. When the block ends well, the page must
    have asked the network for nothing and the console must be empty.
    """
    (page,) = (await client.read_resource(uri)).contents
    html = getattr(page, "text", "")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    answer = {
        "protocolVersion": "2026-01-26",
        "hostInfo": {"name": "tests", "version": "1"},
        "hostCapabilities": CAPABILITIES if capabilities is None else capabilities,
        "hostContext": {"locale": "en-GB", "timeZone": "UTC", **context},
    }
    page_shown = {
        "html": html.replace("<head>", f"<head>{policy}", 1),
        "input": given,
        "result": result,
        "answer": answer,
        "width": width,
        "height": height,
    }
    app = App(browser, client)
    async with browser.page(app.hear) as session:
        await app.open(session, page_shown, width, height or 900, scheme)
        try:
            yield app
        finally:
            await app.quiet()
        assert app.requests == []
        assert app.complaints == []


async def show_call(client: Client, tool: str, **given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Call a tool of the real server; return what a host passes on: the result and the arguments."""
    result = await client.call_tool(tool, given)
    return result.model_dump(by_alias=True, exclude_none=True, mode="json"), given


@asynccontextmanager
async def browser_for_tests(profile: Path) -> AsyncIterator[Browser]:
    """Start the system's browser; skips the test where there is none."""
    program = chromium()
    if program is None:
        pytest.skip("no Chromium is installed")
    async with open_browser(program, profile) as browser:
        yield browser
