"""The language model beside a transducer: which piece comes after which, learned from text alone. Its network is that of the
transducer's predictor with a product of its own for the next piece; beam search adds its log probabilities (shallow fusion:
Gulcehre et al., 2015)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from sottovoce.export.models.transducer import BLANK, Predictor, PredictorConfig, Product


@dataclass(frozen=True)
class LanguageModelConfig:
    """Shape. The default has 0.68 million parameters with 256 pieces."""

    network: PredictorConfig = field(default_factory=lambda: PredictorConfig(192, 192, 2, 6, 32, 320, (16, 24)))
    vocab_size: int = 256
    norm_epsilon: float = 1e-5

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, for JSON and checkpoints."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> LanguageModelConfig:
        """Undo `to_dict`, also after JSON made lists of tuples."""
        network = dict(values["network"])
        network["left_context"] = tuple(network["left_context"])
        return LanguageModelConfig(PredictorConfig(**network), values["vocab_size"], values["norm_epsilon"])


class LanguageModel(nn.Module):
    """Logits of the next piece; the blank stands before the first one and never comes after."""

    def __init__(self, config: LanguageModelConfig) -> None:
        super().__init__()
        self.config = config
        self.predictor = Predictor(config.network, config.vocab_size, config.norm_epsilon)
        self.output = Product(config.network.model_dim, config.vocab_size)

    def forward(self, pieces: Tensor) -> Tensor:
        """pieces: (batch, count) -> (batch, count + 1, vocab), of the next piece after every prefix; the blank has -inf."""
        logits: Tensor = self.output(self.predictor(F.pad(pieces, (1, 0), value=BLANK)))
        return logits.index_fill(-1, logits.new_tensor([BLANK]).long(), -float("inf"))
