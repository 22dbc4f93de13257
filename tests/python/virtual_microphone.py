"""A microphone in user space: a PulseAudio daemon whose source records what is played into its null sink."""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RATE = 16000
DEVICE = "pulse"  # as PortAudio names it, by libasound2-plugins
SINK = "micsink"
_MODULES = (
    "module-native-protocol-unix",
    f"module-null-sink sink_name={SINK} rate={RATE} channels=1 format=s16le",
    f"module-remap-source source_name=fakemic master={SINK}.monitor",
)


def missing_programs() -> list[str]:
    """Return the programs and libraries that this machine lacks."""
    missing = [name for name in ("pulseaudio", "pactl", "paplay") if shutil.which(name) is None]
    return missing if ctypes.util.find_library("portaudio") else [*missing, "libportaudio2"]


def play(path: Path) -> subprocess.Popen[bytes]:
    """Speak a recording into the microphone, in real time."""
    return subprocess.Popen(["paplay", f"--device={SINK}", str(path)])


@contextlib.contextmanager
def virtual_microphone() -> Iterator[None]:
    """Run the daemon; this process and its children find it through the environment."""
    with tempfile.TemporaryDirectory(prefix="sv-mic-", ignore_cleanup_errors=True) as folder:
        before = {key: os.environ.get(key) for key in ("XDG_RUNTIME_DIR", "PULSE_SERVER", "PULSE_RUNTIME_PATH")}
        os.chmod(folder, 0o700)
        os.environ["XDG_RUNTIME_DIR"] = folder
        os.environ["PULSE_RUNTIME_PATH"] = f"{folder}/pulse"
        os.environ["PULSE_SERVER"] = f"unix:{folder}/pulse/native"
        options = [
            "-n",
            "--daemonize=yes",
            "--exit-idle-time=-1",
            "--use-pid-file=yes",
            f"--log-target=file:{folder}/log",
        ]
        loads = [argument for module in _MODULES for argument in ("-L", module)]
        try:
            subprocess.run(["pulseaudio", *options, *loads], check=True, timeout=30)
            pid_file = Path(folder, "pulse", "pid")
            pid = int(pid_file.read_text())
            try:
                subprocess.run(["pactl", "set-default-source", "fakemic"], check=True, timeout=30)
                yield
            finally:
                os.kill(pid, signal.SIGTERM)
                deadline = time.monotonic() + 10
                while pid_file.exists() and time.monotonic() < deadline:  # it writes into the folder until it has ended
                    time.sleep(0.02)
        finally:
            for key, value in before.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value
