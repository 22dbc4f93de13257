"""Streaming recognition by WebSocket: docs/server.md describes the messages. Needs the package `websockets`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sottovoce.assistant import Assistant
from sottovoce.errors import InputOutputError, SottovoceError
from sottovoce.events import FinalEvent
from sottovoce.optional_packages import import_package
from sottovoce.server_messages import Config, MessageError, read_audio_message, read_config, read_control

if TYPE_CHECKING:
    from sottovoce.recognizer import Recognizer, RecognizerStream

# Close codes of RFC 6455.
_NORMAL, _UNSUPPORTED, _POLICY, _TRY_AGAIN = 1000, 1003, 1008, 1013
_THIS_MACHINE = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")


class ServerLimits(NamedTuple):
    """What a client may take."""

    sessions: int = 8  # at once
    seconds: int = 3600  # of audio in a session
    message_bytes: int = 1 << 20
    idle_seconds: float = 60  # without a message


class SpeechServer:
    """Serves one recognizer or assistant to any number of clients."""

    def __init__(
        self, models: Recognizer | Assistant, limits: ServerLimits | None = None, origins: Sequence[str] = ()
    ) -> None:
        """Take what to serve.

        Args:
            models: a recognizer, or an assistant for intents.
            limits: what a client may take.
            origins: of web pages that may connect, such as "https://example.org", besides those of this machine.

        Raises:
            MissingPackageError: the package websockets is not installed.
        """
        self._websockets = import_package("websockets.asyncio.server", "the server")
        self._closed = import_package("websockets.exceptions", "the server").ConnectionClosed
        self._assistant = models if isinstance(models, Assistant) else None
        self._recognizer = models.recognizer if isinstance(models, Assistant) else models
        self._limits = limits or ServerLimits()
        # None: no browser sent it. Browsers always name the page, so that no foreign site can listen along.
        self._origins = [None, _THIS_MACHINE, *origins]
        self._sessions = 0

    @contextlib.asynccontextmanager
    async def listen(self, host: str = "127.0.0.1", port: int = 8765) -> AsyncIterator[int]:
        """Accept clients inside the `async with`; gives the port. Raises InputOutputError when the address is not free."""
        try:
            server = await self._websockets.serve(
                self._session,
                host,
                port,
                origins=self._origins,
                max_size=self._limits.message_bytes,
                compression=None,
                server_header=None,
                close_timeout=2,
            )
        except OSError as error:
            raise InputOutputError(f"{host}:{port}: cannot listen there: {error.strerror or error}") from None
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _session(self, connection: Any) -> None:
        if self._sessions >= self._limits.sessions:
            await self._refuse(connection, _TRY_AGAIN, f"{self._sessions} sessions are open, which is the limit")
            return
        self._sessions += 1
        try:
            await self._serve(connection)
        except self._closed:
            pass  # gone; the stream goes with it
        except asyncio.TimeoutError:  # another class than TimeoutError in Python 3.10
            await self._refuse(connection, _POLICY, f"no message for {self._limits.idle_seconds:g} seconds")
        except MessageError as error:
            await self._refuse(connection, _UNSUPPORTED, str(error))
        except SottovoceError as error:  # options or samples that the recognizer refuses
            await self._refuse(connection, _POLICY, str(error))
        finally:
            self._sessions -= 1

    async def _refuse(self, connection: Any, code: int, message: str) -> None:
        with contextlib.suppress(self._closed):
            await connection.send(_text({"kind": "error", "message": message}))
            await connection.close(code)

    async def _receive(self, connection: Any) -> str | bytes:
        message: str | bytes = await asyncio.wait_for(connection.recv(), self._limits.idle_seconds)
        return message

    async def _serve(self, connection: Any) -> None:
        config = read_config(await self._receive(connection), self._recognizer.sample_rate)
        options = config.options
        if self._assistant is not None and "biasing" not in options:
            options = options | {"biasing": self._assistant.biasing}
        stream = self._recognizer.stream(**options)
        await connection.send(_text({"kind": "ready", "sample_rate": config.sample_rate, **self._limits._asdict()}))
        samples = 0
        while True:
            message = await self._receive(connection)
            if isinstance(message, str):
                read_control(message)
                break
            audio = read_audio_message(message, config.encoding)
            samples += len(audio)
            if samples > self._limits.seconds * config.sample_rate:
                await self._send(connection, await asyncio.to_thread(self._last, stream, config))
                await self._refuse(
                    connection, _POLICY, f"the session has {self._limits.seconds} seconds of audio, the limit"
                )
                return
            # In a thread: the computation holds no lock of Python's, and other clients are served meanwhile.
            await self._send(connection, await asyncio.to_thread(self._push, stream, audio, config))
        await self._send(connection, await asyncio.to_thread(self._last, stream, config))
        await connection.send(_text({"kind": "done", "seconds": samples / config.sample_rate}))
        await connection.close(_NORMAL)

    async def _send(self, connection: Any, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            await connection.send(_text(message))

    def _push(self, stream: RecognizerStream, audio: Any, config: Config) -> list[dict[str, Any]]:
        return self._messages(stream.push(audio, config.sample_rate), config)

    def _last(self, stream: RecognizerStream, config: Config) -> list[dict[str, Any]]:
        return self._messages(stream.flush(), config)

    def _messages(self, events: Sequence[Any], config: Config) -> list[dict[str, Any]]:
        found = []
        for event in events:
            if event.kind == "partial" and not config.partials:
                continue
            found.append(event.to_dict())
            if self._assistant is not None and isinstance(event, FinalEvent) and event.text:
                found.append(self._assistant.interpret(event.text).to_dict())
        return found


def _text(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False)
