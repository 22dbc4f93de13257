"""What an importer returns."""

from __future__ import annotations

from dataclasses import dataclass

from sottovoce.export.provenance import Provenance
from sottovoce.export.spec import Spec


@dataclass
class Imported:
    """A model read from a checkpoint, and where it came from."""

    spec: Spec
    provenance: Provenance

    @property
    def pieces(self) -> list[str]:
        """The vocabulary, in id order."""
        return self.spec.arrays["tokenizer.vocab"].tobytes().decode("utf-8").split("\n")
