"""Shared by all Python tests. With SV_FORBID_SKIPS=1, as in CI, a skipped test fails the run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from virtual_microphone import missing_programs, virtual_microphone

_skipped: list[str] = []


@pytest.fixture(scope="session")
def pulse() -> Iterator[None]:
    """A PulseAudio daemon with a virtual microphone."""
    if missing := missing_programs():
        pytest.skip(
            f"not installed: {', '.join(missing)} (Debian: pulseaudio pulseaudio-utils libasound2-plugins libportaudio2)"
        )
    with virtual_microphone():
        yield


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Remember modules that were skipped whole."""
    if report.skipped:
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run in which something that should have run did not."""
    if _skipped and os.environ.get("SV_FORBID_SKIPS") == "1":
        print("\nskipped, and SV_FORBID_SKIPS=1:", *_skipped, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
