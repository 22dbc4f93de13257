"""A checkpoint on disk, its files read when first asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sottovoce.errors import DataError, ModelNotFoundError
from sottovoce.export.checkpoint import read_json, read_tensor_files, tensor_files
from sottovoce.export.import_options import ImportOptions
from sottovoce.export.spec import Array

CONFIG_NAMES = ("config.json", "bert_config.json")  # the second is NEZHA's


@dataclass
class Source:
    """A directory, or one file of tensors with what lies beside it."""

    directory: Path
    file: Path | None = None  # the tensors, when the user named a file
    options: ImportOptions = field(default_factory=ImportOptions)

    def __str__(self) -> str:
        return str(self.file or self.directory)

    @property
    def config_path(self) -> Path | None:
        """config.json or bert_config.json, if there is one."""
        paths = [self.directory / name for name in CONFIG_NAMES]
        return next((path for path in paths if path.exists()), None)

    @property
    def config_source(self) -> str:
        """What messages about the configuration begin with."""
        return str(self.config_path or f"{self.directory}/config.json")

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration, empty when there is none. Raises DataError."""
        return read_json(self.config_path) if self.config_path else {}

    def require_config(self) -> None:
        """Raise ModelNotFoundError when there is no configuration and the options cannot stand in for it."""
        if self.config_path is None and self.options.num_heads is None:
            raise ModelNotFoundError(
                f"{self.directory}/config.json: no such file; shapes can stand in for it once --heads is given"
            )

    @property
    def name(self) -> str:
        """What the model is called: as its configuration says, else as its directory."""
        return str(self.config.get("_name_or_path") or self.directory.resolve().name)

    @cached_property
    def tensor_paths(self) -> list[Path]:
        """The files of tensors. Raises ModelNotFoundError."""
        return [self.file] if self.file else tensor_files(self.directory)

    @cached_property
    def _stored(self) -> tuple[dict[str, Array], str]:
        return read_tensor_files(self.tensor_paths)

    @property
    def tensors(self) -> dict[str, Array]:
        """The floating-point tensors by their stored names, float32. Raises as `read_tensor_files`."""
        return self._stored[0]

    @property
    def sha256(self) -> str:
        """Of the files of tensors."""
        return self._stored[1]

    def size(self, key: str) -> int:
        """Return a positive whole number of the configuration; DataError when it is missing or something else."""
        value = self.config.get(key)
        if type(value) is not int or value <= 0:
            raise DataError(f"{self.config_source}: {key}: wanted a positive whole number, found {value!r}")
        return value

    def choice(self, key: str, choices: tuple[Any, ...]) -> Any:
        """Return a value of the configuration that must be one of `choices`; DataError otherwise."""
        value = self.config.get(key)
        if value not in choices or isinstance(value, bool) != isinstance(choices[0], bool):
            wanted = " or ".join(repr(item) for item in choices)
            raise DataError(f"{self.config_source}: {key}: wanted {wanted}, found {value!r}")
        return value
