"""`sottovoce serve`: streaming recognition for other programs, by WebSocket."""

from __future__ import annotations

import argparse
import signal
import sys

from sottovoce.cli.arguments import positive_int
from sottovoce.cli.listener import add_model_options, open_models


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `serve`."""
    parser = commands.add_parser(
        "serve",
        help="a WebSocket server for streaming recognition",
        description="Serve streaming recognition, and with a parser or an assistant intents, to programs on this machine by "
        "WebSocket; docs/server.md describes the messages. Ctrl-C ends it.",
    )
    add_model_options(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at (default: %(default)s, this machine only)"
    )
    parser.add_argument("--port", type=_port, default=8765, help="0 chooses a free one (default: %(default)s)")
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a web page's origin that may connect, such as https://example.org; may be repeated (default: pages of this "
        "machine, and programs that are no browser)",
    )
    parser.add_argument(
        "--max-sessions", type=positive_int, default=8, metavar="N", help="at once (default: %(default)s)"
    )
    parser.add_argument(
        "--max-seconds",
        type=positive_int,
        default=3600,
        metavar="S",
        help="of audio in a session (default: %(default)s)",
    )
    parser.add_argument(
        "--max-message", type=positive_int, default=1 << 20, metavar="BYTES", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--idle-seconds",
        type=positive_int,
        default=60,
        metavar="S",
        help="without a message that end a session (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"wanted 0 to 65535, found {text!r}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    import asyncio

    from sottovoce.speech_server import ServerLimits, SpeechServer

    models = open_models(options)
    limits = ServerLimits(options.max_sessions, options.max_seconds, options.max_message, options.idle_seconds)
    server = SpeechServer(models, limits, options.allow_origin)

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        if sys.platform != "win32":  # there, Ctrl-C raises KeyboardInterrupt
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stop.set)
        async with server.listen(options.host, options.port) as port:
            host = f"[{options.host}]" if ":" in options.host else options.host
            print(f"listening at ws://{host}:{port}", flush=True)
            await stop.wait()

    asyncio.run(serve())
    return 0
