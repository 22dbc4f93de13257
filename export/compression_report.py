"""Size, accuracy and latency of intent parsers side by side: measured, as a Markdown table and as a picture."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sottovoce import Artifact, IntentParser
from sottovoce.cli.bench import utterance_of
from sottovoce.errors import InvalidInputError
from sottovoce.export.data import Utterance
from sottovoce.export.nlu_evaluation import parser_decisions
from sottovoce.export.nlu_metrics import NluMetrics, evaluate_nlu
from sottovoce.export.spec_bert import ARCHITECTURE
from sottovoce.models import resolve

PIECES = 16  # of the utterance that is timed
_KINDS = {".q1p": "binary", ".q2p": "ternary", ".q8p": "int8", ".f32": "f32"}


@dataclass
class Row:
    """One model, or one width and depth of an adaptive one."""

    name: str
    shape: str  # layers x hidden size
    weights: str
    width: float
    depth: float
    size: int  # bytes of the artifact
    parser: IntentParser
    latency: float = 0.0  # median microseconds of parser.parse
    metrics: NluMetrics | None = None

    @property
    def label(self) -> str:
        """The name, and what of an adaptive model is used."""
        part = "" if (self.width, self.depth) == (1.0, 1.0) else f" width {self.width:g} depth {self.depth:g}"
        return self.name + part


def find_artifacts(sources: Sequence[str]) -> list[str]:
    """Paths of the intent parsers in `sources`: artifacts, bundled names, and directories, which are searched through.

    Raises:
        ModelNotFoundError: a source does not exist. InvalidInputError: there is no intent parser among them.
    """
    found: list[str] = []
    for source in sources:
        paths = sorted(map(str, Path(source).rglob("*.gguf"))) if Path(source).is_dir() else [resolve(source)]
        found += [path for path in paths if Artifact.open(path).architecture == ARCHITECTURE]
    if not found:
        raise InvalidInputError(f"{' '.join(sources)}: no intent parser among them")
    return list(dict.fromkeys(found))


def open_rows(paths: Sequence[str]) -> list[Row]:
    """A row a model, and of an adaptive one a row a width and a row a depth. Raises as `IntentParser.from_pretrained`."""
    rows = []
    for path in paths:
        artifact = Artifact.open(path)
        metadata = artifact.metadata
        stored = next(t.name for t in artifact.tensors if t.name.startswith("layer.0.attention.query.weight."))
        kind = next((kind for mark, kind in _KINDS.items() if mark in stored), "unknown")
        shape = f"{metadata['bert.num_layers']} x {metadata['bert.hidden_size']}"
        shares = [(1.0, 1.0)]
        shares += [(percent / 100, 1.0) for percent in metadata.get("bert.adaptive_widths", []) if percent < 100]
        shares += [(1.0, percent / 100) for percent in metadata.get("bert.adaptive_depths", []) if percent < 100]
        for width, depth in shares:
            parser = IntentParser.from_pretrained(path, width=width, depth=depth)
            rows.append(Row(metadata["general.name"], shape, kind, width, depth, Path(path).stat().st_size, parser))
    return rows


def measure(rows: Sequence[Row], utterances: Sequence[Utterance], runs: int) -> None:
    """Fill in the metrics over `utterances` (none: no metrics) and the latency at PIECES pieces, in turn, `runs` times."""
    gold = [(utterance.intent, utterance.tags) for utterance in utterances]
    for row in rows:
        if utterances:
            row.metrics = evaluate_nlu(gold, parser_decisions(row.parser, utterances))
    texts = [utterance_of(row.parser, PIECES) for row in rows]
    times: list[list[float]] = [[] for _ in rows]
    for _ in range(runs):
        for row, text, taken in zip(rows, texts, times, strict=True):
            row.parser.parse(text)  # its weights are in the cache then
            start = time.perf_counter_ns()
            row.parser.parse(text)
            taken.append((time.perf_counter_ns() - start) / 1e3)
    for row, taken in zip(rows, times, strict=True):
        row.latency = statistics.median(taken)


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        f"| model | shape | weights | size | intent accuracy | slot F1 | exact match | parse, {PIECES} pieces |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        m = row.metrics
        figures = [f"{m.intent_accuracy:.2f}", f"{m.slot_f1:.2f}", f"{m.exact_match:.2f}"] if m else ["-"] * 3
        cells = [row.label, row.shape, row.weights, f"{row.size / 1e6:.2f} MB", *figures, f"{row.latency:.0f} us"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(rows: Sequence[Row], stem: Path) -> list[Path]:
    """Draw accuracy over size (left) and over latency (right), a colour a kind of weights; writes STEM.svg and STEM.png.

    Without metrics there is one picture, latency over size.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    measured = all(row.metrics for row in rows)
    figure = Figure(figsize=(11 if measured else 6, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = [("artifact, MB", "slot F1", _size, _slot_f1), ("parse, microseconds", "slot F1", _latency, _slot_f1)]
    if not measured:
        panels = [("artifact, MB", "parse, microseconds", _size, _latency)]
    kinds = list(_KINDS.values())
    for position, (across, up, x, y) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), position)
        for kind in dict.fromkeys(row.weights for row in rows):
            chosen = [row for row in rows if row.weights == kind]
            colour = f"C{kinds.index(kind)}" if kind in kinds else "black"
            axes.scatter([x(row) for row in chosen], [y(row) for row in chosen], color=colour, label=kind)
        for row in rows:
            axes.annotate(row.label, (x(row), y(row)), xytext=(4, 4), textcoords="offset points", fontsize=7)
        axes.set_xscale("log")
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.grid(alpha=0.3)
        axes.legend(title="weights", fontsize=8)
    paths = [stem.with_suffix(suffix) for suffix in (".svg", ".png")]
    stem.parent.mkdir(parents=True, exist_ok=True)
    for path in paths:
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    return paths


def _size(row: Row) -> float:
    return row.size / 1e6


def _latency(row: Row) -> float:
    return row.latency


def _slot_f1(row: Row) -> float:
    return row.metrics.slot_f1 if row.metrics else 0.0
