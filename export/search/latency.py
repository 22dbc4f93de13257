"""What a shape costs on this machine, measured with the runtime's own kernels on random weights, remembered in a table."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import torch

from sottovoce import IntentParser
from sottovoce.export.models.bert import BertConfig, JointBert
from sottovoce.export.search.shape import Shape
from sottovoce.export.train.nlu.checkpoint import Checkpoint, save_checkpoint
from sottovoce.export.writers import write_checkpoint

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a"]


class LatencyTable:
    """Microseconds of `IntentParser.parse` by shape: a row holds one hidden, head and feed-forward size, any number of layers.

    A row is measured on two models of one and of three layers: their difference is two layers, the rest is the embeddings, the
    heads and the call.
    """

    def __init__(self, config: BertConfig, path: Path, *, tokens: int = 16, runs: int = 60) -> None:
        """config: of the models in question, with their quantization; path: JSON file of the rows, kept and continued."""
        self.config, self.path, self.tokens, self.runs = config, path, tokens, runs
        self.rows: dict[str, list[float]] = {}
        key = {"tokens": tokens, "heads": config.num_heads, "weights": config.quantization.encoder}
        self._key: dict[str, Any] = key
        if path.exists():
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["of"] == key:
                self.rows = stored["rows"]

    def microseconds(self, shape: Shape) -> float:
        """Of a whole call on `tokens` word pieces; measured now if the row is new."""
        name = " ".join(map(str, astuple(shape)[1:]))
        if name not in self.rows:
            one, three = (self._measure(replace(shape, num_layers=layers)) for layers in (1, 3))
            layer = max(0.0, (three - one) / 2)
            self.rows[name] = [round(one - layer, 2), round(layer, 2)]
            part = self.path.with_suffix(".part")
            part.write_text(json.dumps({"of": self._key, "rows": self.rows}, indent=0), encoding="utf-8")
            os.replace(part, self.path)
        rest, layer = self.rows[name]
        return rest + shape.num_layers * layer

    def _measure(self, shape: Shape) -> float:
        config = replace(shape.config(self.config), vocab_size=len(PIECES), max_positions=max(64, self.tokens))
        tags = ["O"] + [f"B-s{number}" for number in range(config.num_slots - 1)]
        intents = [f"i{number}" for number in range(config.num_intents)]
        state = torch.random.get_rng_state()
        model = JointBert(config)
        torch.random.set_rng_state(state)  # measuring must not change what training draws
        with tempfile.TemporaryDirectory() as directory:
            checkpoint = Checkpoint(config, intents, tags, PIECES, dict(model.state_dict()))
            save_checkpoint(checkpoint, Path(directory) / "model")
            write_checkpoint(Path(directory) / "model", Path(directory) / "model.gguf")
            parser = IntentParser.from_pretrained(Path(directory) / "model.gguf")
            text = " ".join(["a"] * (self.tokens - 2))
            times = []
            for _ in range(self.runs):
                start = time.perf_counter_ns()
                parser.parse(text)
                times.append((time.perf_counter_ns() - start) / 1e3)
        # The lower quartile: others on the machine only ever add.
        return statistics.quantiles(times, n=4)[0]
