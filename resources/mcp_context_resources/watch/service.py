"""Watch service, at work while somebody listens: changes of files in, changes of sources out."""

from __future__ import annotations

import logging
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from mcp_context_resources.errors import ContextError
from mcp_context_resources.watch.signals import Clock, FolderEvents, Signal, are_remote, polling_is_forced
from mcp_context_resources.watch.snapshot import Changes, Snapshot, differences, everything, is_manifest, take_snapshot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from mcp_context_resources.watch.settings import WatchSettings
    from mcp_context_resources.workspace.catalogue import Catalogue
    from mcp_context_resources.workspace.workspace import Workspace

    Hear = Callable[[Changes], Awaitable[None]]
    """Is told of changes, one after the other."""

_log = logging.getLogger(__name__)

_SETTLE_SECONDS: Final = 1.0
_ATTEND_SECONDS: Final = 15.0
_MOST_FOLDERS: Final = 20_000
_RETRY_SECONDS: Final = 5.0
# Of the time, so much may go into looking while files change all the time, and so much while they are polled.
_BUSY_SHARE, _IDLE_SHARE = 0.05, 0.03
_LONGEST_REST: Final = 20.0


class Watch:
    """Tells how the catalogue of a workspace changes, as long as somebody listens; else nothing runs.

    `catalogue` returns every source there is now, `beside` is a folder of the cache in which files (`.json`) name
    tables. What is told is the difference between two catalogues: a file written anew and renamed over the old one
    has changed, however many events that made.
    """

    def __init__(
        self,
        workspace: Workspace,
        catalogue: Callable[[], Awaitable[Catalogue]],
        settings: WatchSettings,
        *,
        beside: Path | None = None,
    ) -> None:
        self._make_span = partial(_Span, workspace, catalogue, settings, beside)
        self._listeners = 0
        self._someone = anyio.Event()
        self._span: _Span | None = None

    @property
    def awake(self) -> bool:
        """Whether somebody listens."""
        return self._span is not None

    def listen(self) -> Callable[[], None]:
        """Have changes told from now on, until what this returns is called."""
        if not self._listeners:
            self._span = self._make_span()
            self._someone.set()
        self._listeners += 1
        ended = False

        def end() -> None:
            nonlocal ended
            if not ended:
                ended = True
                self._listeners -= 1
            if not self._listeners and self._span is not None:
                self._span.scope.cancel()
                self._span, self._someone = None, anyio.Event()

        return end

    async def attend(self) -> None:
        """Return when every change after this will be told, or after 15 seconds; at once when nobody listens."""
        if self._span is not None:
            with anyio.move_on_after(_ATTEND_SECONDS):
                await self._span.attend()

    async def run(self, hear: Hear) -> None:
        """Tell `hear` of changes until cancelled; nothing that goes wrong there ends this."""
        while True:
            await self._someone.wait()
            if (span := self._span) is not None:
                with span.scope:
                    await span.run(hear)


class _Span:
    """One time of watching: it begins with the first listener and is cancelled with the last."""

    def __init__(
        self,
        workspace: Workspace,
        catalogue: Callable[[], Awaitable[Catalogue]],
        settings: WatchSettings,
        beside: Path | None,
    ) -> None:
        self.scope = anyio.CancelScope()
        self._workspace = workspace
        self._catalogue = catalogue
        self._settings = settings
        self._beside = beside
        self._hurry, self._armed = anyio.Event(), anyio.Event()
        self._comparing = anyio.Lock()
        self._seen: Snapshot | None = None
        self._known: Catalogue | None = None
        self._polls = settings.mode == "polling"
        self._took = 0.0

    async def attend(self) -> None:
        self._hurry.set()
        await self._armed.wait()
        async with self._comparing:
            if self._known is None:
                try:
                    self._known = await self._catalogue()
                except ContextError as error:  # then the first change tells that anything may have changed
                    _log.warning("watching: %s", error)

    async def run(self, hear: Hear) -> None:
        while True:
            try:
                if self._seen is None:
                    self._seen = await self._snapshot()
                    with anyio.move_on_after(_SETTLE_SECONDS):  # whoever connects wants answers first
                        await self._hurry.wait()
                await self._follow(hear)
            except ContextError as error:
                _log.warning("watching: %s", error)
            except Exception:  # noqa: BLE001 - the background must not end the server
                _log.exception("watching failed")
            await anyio.sleep(_RETRY_SECONDS)

    async def _follow(self, hear: Hear) -> None:
        """Look whenever something signals a change; that is set up anew when the folders are others."""
        folders = (self._seen or await self._snapshot()).folders
        while True:
            signal = await anyio.to_thread.run_sync(self._signal, folders, abandon_on_cancel=True)
            anew = False
            try:
                while not anew:
                    # What happened before the signal was set up is seen, too.
                    fresh = await self._snapshot_twice()
                    await self._compare(fresh, hear)
                    self._armed.set()
                    await anyio.sleep(self._rest(_BUSY_SHARE))
                    anew = fresh.folders != folders or await signal.wait()
            finally:
                signal.close()
            folders = (await self._snapshot()).folders

    async def _snapshot_twice(self) -> Snapshot:
        """Look, and once more where something is missing: an editor may be between removing and writing a file."""
        fresh = await self._snapshot()
        if self._seen is not None and fresh.lacks(self._seen):
            await anyio.sleep(self._settings.debounce_ms / 1000)
            fresh = await self._snapshot()
        return fresh

    async def _compare(self, fresh: Snapshot, hear: Hear) -> None:
        async with self._comparing:
            if self._seen == fresh:
                return
            before, now = self._known, await self._catalogue()
            changes = everything(now) if before is None else differences(before, now)
            self._seen, self._known = fresh, now
        if changes:
            await hear(changes)

    async def _snapshot(self) -> Snapshot:
        started = time.perf_counter()
        found = await anyio.to_thread.run_sync(take_snapshot, self._workspace, self._beside, abandon_on_cancel=True)
        self._took = time.perf_counter() - started
        return found

    def _rest(self, share: float) -> float:
        """Return how long to do nothing, so that looking takes its share of the time, however large the folders are."""
        return min(_LONGEST_REST, self._took * (1 / share - 1))

    def _signal(self, folders: tuple[str, ...]) -> Signal:
        """Return what says when to look again. Blocking."""
        if not self._polls and self._settings.mode == "auto":
            self._polls = polling_is_forced(os.environ) or are_remote(root.path for root in self._workspace.roots)
        roots = [str(root.path) for root in self._workspace.roots]
        if self._polls:
            return self._clock()
        if not set(roots) <= set(folders):  # a root that is gone sends nothing when it comes back
            return self._clock(anew=True)
        if len(folders) > _MOST_FOLDERS:
            self._poll(f"there are more than {_MOST_FOLDERS:,} folders")
            return self._clock()
        beside = self._folder_beside()
        try:
            return FolderEvents(
                [*folders, *beside], [*roots, *beside], self._matters, quiet_ms=self._settings.debounce_ms
            )
        except FileNotFoundError:  # a folder that is gone again
            return self._clock(anew=True)
        except (OSError, RuntimeError) as error:
            self._poll(f"the system sends no events ({error})")
            return self._clock()

    def _folder_beside(self) -> list[str]:
        """Return the folder beside the workspace, made now if need be; nothing where it can't be."""
        if self._beside is None:
            return []
        try:
            self._beside.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            return []
        return [str(self._beside)]

    def _poll(self, why: str) -> None:
        self._polls = True
        _log.warning("files are polled every %g seconds, because %s", self._settings.poll_seconds, why)

    def _clock(self, *, anew: bool = False) -> Clock:
        return Clock(max(self._settings.poll_seconds, self._rest(_IDLE_SHARE)), anew=anew)

    def _matters(self, path: Path) -> bool:
        return self._workspace.may_serve(path.name) or is_manifest(path, self._beside)
