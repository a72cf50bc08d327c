"""The door: on the pipe from the first moment to the last, between the client and the SDK.

It answers from the manifest while the SDK is being imported and hands on everything else in its order. Each protocol
era has a conversation of its own with the SDK, so that a client which probes with `server/discover` and then shakes
hands with `initialize` on the same pipe gets both.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from mcp_server.front_door import messages
from mcp_server.front_door.answers import INITIALIZE, TOOLS, Answers, Manifest, is_modern
from mcp_server.front_door.messages import Message, Refusal
from mcp_server.front_door.pending_messages import Arrival, MessageQueue, UnansweredRequests
from mcp_server.front_door.pipes import Outbox, Wire, claim
from mcp_server.front_door.preflight_config import TOOLS_KEY, preflight

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mcp_server.front_door.pending_messages import Era
    from mcp_server.front_door.preflight_config import Preflight

_SWITCH_SECONDS: Final = 0.0005
_LAST_WORDS_SECONDS: Final = 1.0
_CLOSING_SECONDS: Final = 5.0
_CANCELLED: Final = "notifications/cancelled"
_CALL: Final = "tools/call"


def open_door(
    arguments: argparse.Namespace, environ: Mapping[str, str], version: str, user_folder: Callable[[], Path]
) -> Door:
    """Take standard input and output and begin to answer; `arguments` are those of `serve`."""
    wire = claim()
    manifest = Manifest.read(version)
    seen = None if manifest is None else preflight(arguments, environ, manifest, user_folder)
    answers = None if manifest is None else answers_for(manifest, seen)
    # The thread that answers must not wait the usual 5 ms for each turn beside one that imports or serves.
    sys.setswitchinterval(_SWITCH_SECONDS)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # to look for some is to look at every package
    gc.disable()  # what is imported stays; to look for garbage among it again and again makes the start longer
    door = Door(wire, answers, certain=seen is not None and seen.certain)
    door.open()
    return door


def answers_for(manifest: Manifest, seen: Preflight | None) -> Answers | None:
    """Return what can be answered in this configuration; nothing at all when it is in doubt."""
    if seen is None:
        return None
    varying: set[str] = set()
    for key in seen.keys:
        varying |= manifest.settings[key] - ({TOOLS} if key == TOOLS_KEY else set())
    return Answers(manifest, varying=varying, tools=seen.tools)


class Door:
    """Reads, answers what it can, and queues the rest.

    `certain` says that no mistake in the configuration is left to be told: the end of input then ends the process at
    once; otherwise only from `settle` on.
    """

    def __init__(self, wire: Wire, answers: Answers | None, *, certain: bool = True) -> None:
        self._wire = wire
        self._answers = answers
        self._inbox, self._ledger = MessageQueue(), UnansweredRequests()
        self._outbox = Outbox(wire.write, self._end)
        self._lock = threading.Lock()
        self._settled, self._live, self._ended = certain, False, False

    @property
    def inbox(self) -> MessageQueue:
        """What waits for the SDK."""
        return self._inbox

    @property
    def outbox(self) -> Outbox:
        """What waits for the client."""
        return self._outbox

    @property
    def called(self) -> str:
        """Name of the tool that the first call waiting asks for; empty when none waits."""
        call = self._inbox.first(_CALL)
        name = "" if call is None else call.params.get("name")
        return name if isinstance(name, str) else ""

    def open(self) -> None:
        """Start reading and writing, each in a thread."""
        self._outbox.start()
        threading.Thread(target=self._run, daemon=True, name="wire in").start()

    def settle(self) -> None:
        """Say that the configuration was read and is good; ends the process if the client has left already.

        Where the first look found something in doubt, that is believed only once the server was made.
        """
        if self._answers is not None:
            self._settle()

    def go_live(self) -> None:
        """Say that from now on the server ends by itself when the inbox does; ends the process if it has already."""
        self._settle()
        gc.freeze()
        gc.enable()
        with self._lock:
            self._live = True

    def hand_over(self, wake: Callable[[], None]) -> None:
        """Leave all answers to the SDK; `wake` is called, from whatever thread, when the inbox has something for it."""
        self._answers = None
        self._inbox.watch(wake)

    def _settle(self) -> None:
        with self._lock:
            self._settled = True
            leave = self._ended and not self._live
        if leave:
            self._leave()

    def answered(self, number: messages.RequestId | None, era: Era) -> bool:
        """Note that the SDK answers a request; False when the client has that answer already."""
        return self._ledger.end(number, era)

    def refuse(self, refusal: Refusal) -> None:
        """Send an error."""
        self._outbox.put(messages.error_line(refusal), self._gone)

    def close(self) -> None:
        """Give the last answers their time to be written."""
        if not self._outbox.flush(_LAST_WORDS_SECONDS):
            self._outbox.abandon()

    def _run(self) -> None:
        try:
            for frame in messages.frames(self._wire.read):
                judged = messages.judge(frame)
                if isinstance(judged, Message):
                    self._take(judged)
                else:
                    for refusal in judged:
                        self.refuse(refusal)
        except Exception:  # noqa: BLE001 - a fault of ours must not leave a process that hears nothing
            import traceback

            traceback.print_exc()
        self._end()

    def _take(self, message: Message) -> None:
        if message.kind == "request":
            self._request(message)
        elif message.method == _CANCELLED:
            self._cancel(message)
        else:
            self._pass("handshake", message)

    def _request(self, message: Message) -> None:
        era: Era = "modern" if is_modern(message) else "handshake"
        answers = self._answers
        answer = None if answers is None else answers.answer(message)
        if answer is not None:
            self._outbox.put(messages.line_of({"jsonrpc": "2.0", "id": message.id, **answer}), self._gone)
            if message.method == INITIALIZE:
                self._ledger.begin(message.id, era, swallow=True)
                self._pass(era, message)
        elif self._ledger.begin(message.id, era):
            self._pass(era, message)
        else:
            why = "Too many requests at once; wait for some answers before asking more."
            self.refuse(Refusal(messages.INVALID_REQUEST, why, message.id))

    def _cancel(self, message: Message) -> None:
        number = str(message.params.get("requestId"))
        eras = self._ledger.cancel(number)
        if not self._inbox.drop(number):
            for era in eras:
                self._pass(era, message)

    def _pass(self, era: Era, message: Message) -> None:
        self._inbox.put(Arrival(era, message), self._gone)

    def _gone(self) -> bool:
        """Tell whether the client has left, seen while something of its own holds up the reading."""
        return self._ended or self._wire.abandoned()

    def _end(self) -> None:
        with self._lock:
            first, self._ended = not self._ended, True
            leave, live = self._settled and not self._live, self._live
        self._inbox.close()
        if leave:
            self._leave()
        elif live and first:
            threading.Thread(target=self._see_out, daemon=True, name="last").start()

    def _see_out(self) -> None:
        """End the process if it doesn't end by itself: a thread of an engine may not be done for long."""
        self.close()
        time.sleep(_CLOSING_SECONDS)
        _exit()

    def _leave(self) -> None:
        """End the process: nothing is served yet, so there is nothing to close but the pipe."""
        for arrival in self._inbox.take():
            if arrival.message.kind == "request" and self._ledger.end(arrival.message.id, arrival.era):
                refusal = Refusal(messages.CONNECTION_CLOSED, "Connection closed", arrival.message.id)
                self._outbox.offer(messages.error_line(refusal))
        self._outbox.flush(_LAST_WORDS_SECONDS)
        _exit()


def _exit() -> Any:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(0)
