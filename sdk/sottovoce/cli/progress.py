"""A progress bar on standard error: on a terminal, when the package `rich` is there, and else nothing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from sottovoce.errors import MissingPackageError
from sottovoce.optional_packages import import_package


@contextlib.contextmanager
def progress_bar(total: int) -> Iterator[Callable[[str, float], None]]:
    """Give a function of what is being done and how many of `total` are."""
    try:
        progress = import_package("rich.progress", "a progress bar") if sys.stderr.isatty() else None
    except MissingPackageError:
        progress = None
    if progress is None:
        yield lambda what, done: None
        return
    console = import_package("rich.console", "a progress bar").Console(stderr=True)
    columns = [
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
    ]
    with progress.Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task("", total=total)
        yield lambda what, done: bar.update(task, description=what, completed=done, refresh=True)
