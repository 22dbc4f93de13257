"""Where a model comes from: what every artifact says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Provenance:
    """Where an artifact comes from; every field is stored in its metadata."""

    name: str
    license: str = "Apache-2.0"
    source: str = ""
    source_sha256: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    attribution: Mapping[str, Any] | Sequence[Any] = ()

    def metadata(self) -> dict[str, str]:
        """Return the metadata entries, structured values as JSON with sorted keys."""

        def encoded(value: Any) -> str:
            return json.dumps(value, sort_keys=True, ensure_ascii=False)

        return {
            "general.name": self.name,
            "general.license": self.license,
            "sottovoce.source": self.source,
            "sottovoce.source_sha256": self.source_sha256,
            "sottovoce.training": encoded(dict(self.training)),
            "sottovoce.metrics": encoded(dict(self.metrics)),
            "sottovoce.attribution": encoded(
                self.attribution if isinstance(self.attribution, Mapping) else list(self.attribution)
            ),
        }
