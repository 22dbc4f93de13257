"""`sottovoce serve` with a real client: the protocol of docs/server.md, and clients that are wrong, greedy or gone."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import sottovoce as sv
from sottovoce.audio import read_wav, resample
from sottovoce.speech_server import ServerLimits, SpeechServer

AUDIO = Path(__file__).resolve().parents[2] / "demos" / "audio"
SAID = "rate this book five out of six stars"
ASSISTANT = sv.Assistant(
    sv.Recognizer.from_pretrained("en-micro"),
    sv.IntentParser.from_pretrained("snips-en"),
    biasing=[("miles davis", 3.0)],
    slots={"object_type": {"values": ["novel"], "synonyms": {"book": "novel"}}},
)
SPOKEN = read_wav(AUDIO / "rate_book.wav")[0]


def with_server(
    client: Callable[[str], Awaitable[None]],
    limits: ServerLimits | None = None,
    models: Any = ASSISTANT,
    **options: Any,
) -> None:
    """Run a client against a server of its own, given the address."""

    async def run() -> None:
        async with SpeechServer(models, limits, **options).listen(port=0) as port:
            await asyncio.wait_for(client(f"ws://127.0.0.1:{port}"), 60)

    asyncio.run(run())


def pcm(samples: np.ndarray, encoding: str = "int16") -> bytes:
    return (
        samples.astype("<f4").tobytes() if encoding == "float32" else np.round(samples * 32768).astype("<i2").tobytes()
    )


async def converse(url: str, samples: np.ndarray = SPOKEN, chunk: int = 1600, **config: Any) -> list[dict[str, Any]]:
    """Send a recording and return all messages; the connection must end well."""
    async with connect(url) as client:
        await client.send(json.dumps({"kind": "config", **config}))
        for at in range(0, len(samples), chunk):
            await client.send(pcm(samples[at : at + chunk], config.get("encoding", "int16")))
        await client.send('{"kind": "end"}')
        messages = [json.loads(message) async for message in client]
        assert client.close_code == 1000
        return messages


async def refusal(client: ClientConnection) -> tuple[str, int | None]:
    """Return the error that the server sends, skipping events, and the code it closes with."""
    try:
        while (message := json.loads(await client.recv()))["kind"] != "error":
            pass
        await client.wait_closed()
        return message["message"], client.close_code
    except ConnectionClosed as closed:
        return "", closed.rcvd.code if closed.rcvd else None


def test_a_session_from_config_to_done() -> None:
    async def client(url: str) -> None:
        messages = await converse(url, sample_rate=16000, endpoint_silence=0.6)
        assert messages[0]["kind"] == "ready" and messages[0]["sample_rate"] == 16000 and messages[0]["sessions"] == 8
        kinds = [message["kind"] for message in messages]
        assert kinds[1] == "partial" and kinds[-3:] == ["final", "intent", "done"]
        final, intent, done = messages[-3:]
        assert final["text"] == SAID and len(final["words"]) == 8
        assert intent["intent"]["name"] == "RateBook"
        assert [slot["resolved"] for slot in intent["slots"] if slot["name"] == "object_type"] == ["novel"]
        assert done["seconds"] == pytest.approx(len(SPOKEN) / 16000)

    with_server(client)


def test_encodings_rates_and_options() -> None:
    async def client(url: str) -> None:
        high = resample(SPOKEN, 16000, 44100)
        for encoding in ("float32", "int16"):
            messages = await converse(url, high, sample_rate=44100, encoding=encoding, partials=False)
            assert [message["kind"] for message in messages] == ["ready", "final", "done"]
            assert messages[1]["text"] == SAID
        silence = np.zeros(24000, np.float32)
        two = np.concatenate([SPOKEN, silence, SPOKEN, silence])
        kinds = [message["kind"] for message in await converse(url, two, partials=False, endpoint_silence=0.7)]
        assert kinds == ["ready", "final", "endpoint", "final", "endpoint", "done"]
        assert [message["kind"] for message in await converse(url, two[:0])] == ["ready", "done"]

    with_server(client, models=ASSISTANT.recognizer)


def test_phrases_are_the_assistants_unless_sent() -> None:
    jazz = read_wav(AUDIO / "play_jazz.wav")[0]

    async def client(url: str) -> None:
        for config, biased in (({}, True), ({"biasing": []}, False), ({"biasing": [["miles davis", 3]]}, True)):
            messages = await converse(url, jazz, beam=4, alternatives=2, partials=False, **config)
            assert ("miles davis" in messages[1]["text"]) is biased
            assert len(messages[1]["alternatives"]) == 2

    with_server(client)


MALFORMED = [
    (["not json"], "as JSON", 1003),
    (["[" * 50_000], "as JSON", 1003),
    (["[1]"], "a JSON object", 1003),
    ([b"\0\0"], "found binary", 1003),
    (['{"kind": "end"}'], 'wanted "config" first', 1003),
    (['{"kind": "config", "frequency": 1}'], "frequency: unknown", 1003),
    (['{"kind": "config", "sample_rate": 4000}'], "wanted 8000 to 192000, found 4000", 1003),
    (['{"kind": "config", "sample_rate": true}'], "sample_rate: wanted a whole number", 1003),
    (['{"kind": "config", "encoding": ["mp3"]}'], "encoding: wanted int16 or float32", 1003),
    (['{"kind": "config", "partials": 1}'], "partials: wanted true or false", 1003),
    (['{"kind": "config", "endpoint_max": NaN}'], "endpoint_max: wanted a number", 1003),
    (['{"kind": "config", "biasing": [1]}'], "biasing: wanted a phrase", 1003),
    (['{"kind": "config", "biasing": "tea"}'], "biasing: wanted a list", 1003),
    (['{"kind": "config", "biasing": [" "]}'], "biasing phrase", 1008),
    (['{"kind": "config", "biasing": ["gate 7"]}'], "biasing phrase 'gate 7'", 1008),
    (['{"kind": "config", "beam": 65}'], "beam", 1008),
    (['{"kind": "config"}', '{"kind": "config"}'], 'wanted "end"', 1003),
    (['{"kind": "config"}', b"\0\0\0"], "wanted whole int16 samples, found 3 bytes", 1003),
    (['{"kind": "config", "encoding": "float32"}', np.float32([np.nan]).tobytes()], "NaN", 1008),
]


def test_malformed_messages_end_their_session_alone() -> None:
    async def client(url: str) -> None:
        for messages, wanted, code in MALFORMED:
            async with connect(url) as bad:
                for message in messages:
                    await bad.send(message)
                said, found = await refusal(bad)
                assert wanted.lower() in said.lower() and found == code, (messages[-1][:60], said, found)
        assert (await converse(url))[-3]["text"] == SAID

    with_server(client)


def test_limits_on_messages_seconds_sessions_and_idleness() -> None:
    limits = ServerLimits(sessions=2, seconds=2, message_bytes=4000, idle_seconds=0.5)

    async def client(url: str) -> None:
        async with connect(url) as big:
            await big.send('{"kind": "config"}')
            await big.send(bytes(4002))
            assert await refusal(big) == ("", 1009)
        async with connect(url) as long:
            await long.send('{"kind": "config"}')
            for _ in range(26):
                await long.send(pcm(SPOKEN[:1280]))
            assert await refusal(long) == ("the session has 2 seconds of audio, the limit", 1008)
        async with connect(url) as first, connect(url) as second:
            for each in (first, second):
                await each.send('{"kind": "config"}')
                assert json.loads(await each.recv())["kind"] == "ready"
            async with connect(url) as third:
                assert await refusal(third) == ("2 sessions are open, which is the limit", 1013)
            assert await refusal(first) == ("no message for 0.5 seconds", 1008)
        assert (await converse(url, SPOKEN[:16000]))[-1]["kind"] == "done"

    with_server(client, limits)


def test_clients_that_vanish_leave_room_for_others() -> None:
    async def client(url: str) -> None:
        for _ in range(5):
            gone = await connect(url)
            await gone.send('{"kind": "config"}')
            await gone.send(pcm(SPOKEN[:8000]))
            gone.transport.abort()  # as when the cable is pulled
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
        writer.write(b"GET / HTTP/1.1\r\n\r\n\xff\xff")  # no WebSocket at all
        await writer.drain()
        assert b"400" in await reader.readline() or reader.at_eof()
        writer.close()
        for _ in range(50):
            try:
                messages = await converse(url)
                break
            except ConnectionClosed:  # the abort has not arrived yet
                await asyncio.sleep(0.02)
        assert messages[-3]["text"] == SAID

    with_server(client, ServerLimits(sessions=1))


def test_sessions_run_side_by_side() -> None:
    async def client(url: str) -> None:
        alone = await converse(url, partials=False)
        assert await asyncio.gather(*[converse(url, partials=False) for _ in range(4)]) == [alone] * 4

    with_server(client)


def test_only_pages_of_this_machine_connect() -> None:
    async def client(url: str) -> None:
        for origin in (None, "http://localhost:3000", "https://127.0.0.1", "https://example.org"):
            async with connect(url, origin=origin) as welcome:
                await welcome.send('{"kind": "config"}')
                assert json.loads(await welcome.recv())["kind"] == "ready"
        for origin in ("https://evil.example", "http://localhost.evil.example", "null"):
            with pytest.raises(InvalidStatus, match="403"):
                await connect(url, origin=origin)

    with_server(client, origins=["https://example.org"])


def test_a_port_that_is_taken_and_a_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def client(url: str) -> None:
        with pytest.raises(sv.InputOutputError, match="cannot listen there"):
            async with SpeechServer(ASSISTANT).listen(port=int(url.rsplit(":", 1)[1])):
                pass

    with_server(client)
    monkeypatch.setitem(sys.modules, "websockets.asyncio.server", None)
    with pytest.raises(sv.MissingPackageError, match=r"websockets.*sottovoce\[serve\]"):
        SpeechServer(ASSISTANT)


def test_the_command_serves_until_it_is_told_to_end() -> None:
    command = [
        sys.executable,
        "-c",
        "import sys; from sottovoce.cli import main; sys.exit(main())",
        "serve",
        "--port",
        "0",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout and process.stderr
    with process:
        url = process.stdout.readline().removeprefix("listening at ").strip()
        assert asyncio.run(converse(url))[-2]["text"] == SAID
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0 and process.stderr.read() == ""
