"""What an importer returns."""

from __future__ import annotations

from dataclasses import dataclass, field

from sottovoce.export.provenance import Provenance
from sottovoce.export.spec import Spec


@dataclass
class Imported:
    """A model read from a checkpoint, and where it came from; `notes` are what a user should know about the reading."""

    spec: Spec
    provenance: Provenance
    notes: list[str] = field(default_factory=list)

    @property
    def pieces(self) -> list[str]:
        """The vocabulary, in id order."""
        return self.spec.arrays["tokenizer.vocab"].tobytes().decode("utf-8").split("\n")
