"""MPNet with an intent and a slot head, reading the student's ids: a teacher in the place of a `JointBert`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sottovoce.errors import DataError
from sottovoce.export.models.bert import BertOutput
from sottovoce.export.models.mpnet import MpnetEncoder, piece_ids
from sottovoce.export.spec import Spec


class JointMpnet(nn.Module):
    """The joint model over MPNet. `forward` takes what `JointBert.forward` takes: ids of the *student's* BERT vocabulary.

    Every piece is mapped to MPNet's id of the same text ([CLS] to <s>, and so on), positions start after the padding id
    inside the encoder, and the relative bias is part of the scores a student imitates.
    """

    ids_of_pieces: Tensor  # (student's pieces) int64

    def __init__(
        self, encoder: MpnetEncoder, ids_of_pieces: Tensor, num_intents: int, num_slots: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("ids_of_pieces", ids_of_pieces)
        width = encoder.config.hidden_size
        self.intent, self.slot = nn.Linear(width, num_intents), nn.Linear(width, num_slots)
        self.dropout = nn.Dropout(dropout)

    @classmethod
    def from_spec(
        cls, spec: Spec, student_pieces: Sequence[str], num_intents: int, num_slots: int, dropout: float = 0.0
    ) -> JointMpnet:
        """Return the imported encoder under new heads.

        Raises:
            DataError: another architecture, or vocabularies of different families.
        """
        encoder = MpnetEncoder.from_spec(spec)
        pieces = spec.arrays["tokenizer.vocab"].tobytes().decode("utf-8").split("\n")
        lowercase = spec.metadata.get("tokenizer.lowercase")
        if not lowercase:
            raise DataError(f"MPNet's tokenizer: wanted lower case as the student's, found lowercase {lowercase!r}")
        return cls(encoder, piece_ids(student_pieces, pieces), num_intents, num_slots, dropout)

    def forward(
        self,
        ids: Tensor,
        keep: Tensor | None = None,
        *,
        want_hidden: bool = False,
        want_scores: bool = False,
        exact: bool = False,
    ) -> BertOutput:
        """ids: (batch, tokens) int64 of the student's vocabulary; keep: (batch, tokens), 0 at padding.

        `exact` is for `JointBert`'s callers and changes nothing: no runtime is to agree with a teacher.
        """
        keep = torch.ones_like(ids) if keep is None else keep
        encoded = self.encoder(self.ids_of_pieces[ids], keep)
        last = self.dropout(encoded.hidden[-1])
        return BertOutput(
            intent_logits=self.intent(last[:, 0]),
            slot_logits=self.slot(last),
            hidden=encoded.hidden if want_hidden else [],
            scores=encoded.scores if want_scores else [],
        )
