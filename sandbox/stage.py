"""The stage: fake providers, the real product between them, and the page, all on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from bot.app import serve
from bot.config import load
from inbox.clock import SystemClock
from sandbox import stories, view
from sandbox.acts import Acts
from sandbox.api import routes
from sandbox.scene import Scene
from sandbox.stories import Moment, Player, StoryFailed
from sandbox.stream import Causes, Stream
from sandbox.trouble import Troubles

START_SECONDS = 60.0
STOP_SECONDS = 4.0
STREAM_SHOWN = 150
PAUSE = 1.2  # seconds between the acts of a story that is watched
WATCHED_PATIENCE = 8.0  # at Telegram's real pace everything takes longer than in a test


class StageClock(SystemClock):
    """Its shift is time that has passed, for waits as well as for stamps."""

    def monotonic(self) -> float:
        return super().monotonic() + self.shift


class NotLoopback(Exception):
    """An address of the environment that the stage made is not on this machine."""


class NotStarted(Exception):
    """The product ended before it listened."""


class Stage:
    """`async with Stage() as stage`. rate: the desk's pace in messages a second, None for Telegram's real one.

    port 0 takes any free one. data_dir None: a fresh folder, removed at the end.
    """

    def __init__(self, *, port: int = 0, data_dir: Path | None = None, rate: float | None = None) -> None:
        self.scene = Scene()
        self.closing = asyncio.Event()  # a signal sets it, too
        self.moment: Moment | None = None
        self._port = port
        self._rate = rate
        self._given = data_dir
        self._stack = contextlib.AsyncExitStack()
        self._app: asyncio.Task[int] | None = None
        self._playing: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def app(self) -> asyncio.Task[int]:
        """The running product; its result is the exit code."""
        if self._app is None:
            raise RuntimeError("the stage is not open")
        return self._app

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _open(self) -> None:
        folder = self._given
        if folder is None:
            # Left behind files of a killed process are the system's to sweep; ours go with us.
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-")))
        scene, clock, causes = self.scene, StageClock(), Causes()
        scene.clocks.append(clock)
        await scene.start()
        self._stack.push_async_callback(scene.stop)
        self._port = self._port or free_port(0)
        self.stream = Stream(folder / "substance", causes, lambda: scene.world.shift, scene.world.touch)
        self.stream.skip()
        self.troubles = Troubles(scene)
        self.acts = Acts(scene, self.troubles, causes)
        self.player = Player(scene, self.acts, self.troubles, self.stream)
        environment = {**scene.environment(self._port), "DATA_DIR": str(folder)}
        refuse_the_world(environment)
        scene.open(known=(folder / "inbox.db").exists())
        await self._start(environment, clock)
        following = asyncio.create_task(self.stream.run())
        self._stack.push_async_callback(_end, following)

    async def _start(self, environment: Mapping[str, str], clock: SystemClock) -> None:
        config = load(environment, env_file=None)
        listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        app = asyncio.create_task(
            serve(
                config,
                clock=clock,
                routes=routes(self),
                stop=self.closing,
                ready=lambda port: None if listening.done() else listening.set_result(port),
                rate=self._rate,
            )
        )
        self._app = app
        await asyncio.wait({app, listening}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not listening.done():
            listening.cancel()
            raise NotStarted(f"the product ended with {app.result()}" if app.done() else "the product does not listen")

    async def _close(self) -> None:
        self.closing.set()
        self.scene.world.touch()
        if self._playing is not None:
            await _end(self._playing)
        if self._app is not None:
            await asyncio.wait({self._app}, timeout=STOP_SECONDS)
            await _end(self._app)
        await self._stack.aclose()

    @property
    def ready(self) -> bool:
        """The product has asked Telegram for updates."""
        return bool(self.scene.telegram.updates.url)

    async def opened(self, limit: float = START_SECONDS) -> None:
        """Wait until the product works and has taken what happened before. Raises NotStarted."""

        def begun() -> bool:
            return self.app.done() or (self.ready and self.scene.quiet())

        await self.scene.world.until(begun, limit, "the product's start")
        if self.app.done():
            raise NotStarted(f"the product ended with {self.app.result()}")

    def play(self, name: str) -> None:
        """Begin a story for the watcher; one that plays is left. KeyError for an unknown name."""
        story = stories.load(name)
        if self._playing is not None:
            self._playing.cancel()
        self._playing = asyncio.create_task(self._play(story, self._playing))

    async def _play(self, story: stories.Story, former: asyncio.Task[None] | None) -> None:
        if former is not None:
            await asyncio.wait({former})
        try:
            await self.player.play(story, pause=PAUSE, patience=WATCHED_PATIENCE, tell=self._tell)
        except StoryFailed as failure:
            step = self.moment.step if self.moment else 0
            self._tell(Moment(story, step, failed=str(failure).partition("\n")[0]))
        else:
            self._tell(Moment(story, len(story.steps), done=True))

    def _tell(self, moment: Moment) -> None:
        self.moment = moment
        self.scene.world.touch()

    def state(self) -> dict[str, Any]:
        """All that the page shows."""
        toasts = [t for t in self.scene.telegram.toasts if t.get("text")]
        return {
            "ready": self.ready,
            "shift": self.scene.world.shift,
            "phones": view.phones(self.scene),
            "desk": view.desk(self.scene),
            "stream": [line.view() for line in list(self.stream.lines)[-STREAM_SHOWN:]],
            "troubles": self.troubles.active(),
            "story": self.moment.view() if self.moment else None,
            "stories": [{"name": s.name, "title": s.title, "about": s.about} for s in self._all],
            "toast": {"number": len(toasts), "text": toasts[-1]["text"]} if toasts else None,
        }

    _all = tuple(stories.load(name) for name in stories.names())


async def _end(task: asyncio.Task[Any]) -> None:
    """However it ends; what it raised is told by whoever asks for its result."""
    task.cancel()
    await asyncio.wait({task})


def free_port(first: int) -> int:
    """`first`, or the next port that nobody listens on; 0: any."""
    for port in range(first, 65536) if first else (0,):
        with socket.socket() as probe:
            # As the server will: a port whose last connections are still fading is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no free port from {first} on")


def refuse_the_world(environment: Mapping[str, str]) -> None:
    """Raises NotLoopback where an address leads off this machine."""
    for name, value in environment.items():
        if "://" not in value:
            continue
        host = urlsplit(value).hostname or ""
        try:
            local = ipaddress.ip_address(host).is_loopback
        except ValueError:
            local = False
        if not local:
            raise NotLoopback(name)


def chosen_data_dir(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Of all settings of the real environment this one counts."""
    value = environ.get("DATA_DIR", "").strip()
    return Path(value) if value else None
