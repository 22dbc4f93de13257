"""A smaller student cut out of its teacher, so that distillation starts from a model that already works a little.

The residual stream keeps its most informative channels (layer norm works channel by channel, so a rotation would hurt it) and
readers get the lost ones back by linear regression; heads are narrowed by truncated SVD of the products that matter
(query-key and output-value), the feed-forward keeps its most useful neurons, layers are chosen.
Everything is fitted on the states of some sentences ("activations" below), in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sottovoce.export.models.bert import BertConfig, JointBert, Trace


@dataclass
class Shrunk:
    """Weights of the student and the basis (teacher hidden, student hidden): teacher state ~= basis @ student state."""

    weights: dict[str, Tensor]
    basis: Tensor


def layer_map(student_layers: int, teacher_layers: int) -> list[int]:
    """Which teacher layer (0-based) each student layer stands for: the first, the last, the rest evenly between."""
    if student_layers == 1:
        return [teacher_layers - 1]
    step = (teacher_layers - 1) / (student_layers - 1)
    return [int(index * step + 0.5) for index in range(student_layers)]


def informative_channels(moment: Tensor, count: int) -> Tensor:
    """Indices of `count` channels, in order, after dropping one by one the channel the others predict best.

    moment: (channels, channels) second moment. The error of predicting channel i from the others is 1 / inverse[i, i].
    """
    inverse = torch.linalg.inv(moment + 1e-6 * moment.diagonal().mean() * torch.eye(len(moment), dtype=moment.dtype))
    kept = torch.arange(len(moment))
    while len(kept) > count:
        worst = int(inverse.diagonal().argmax())
        others = torch.arange(len(kept)) != worst
        column = inverse[others, worst]
        # The inverse of the moment without that channel (Schur complement).
        inverse = inverse[others][:, others] - torch.outer(column, column) / inverse[worst, worst]
        kept = kept[others]
    return kept


def _low_rank(
    left: Tensor, right: Tensor, root: Tensor, inverse: Tensor, rank: int, *, both: bool
) -> tuple[Tensor, Tensor]:
    """Rank-reduced (left, right), each (width, inputs), so that left^T right is best kept for inputs of covariance root^2.

    `both`: both sides read inputs (query, key); otherwise only the right one does (output, value).
    """
    a, b = (left @ root if both else left), right @ root
    # The product has rank `width`: the small SVD of the two triangles is the SVD of the large product.
    qa, ra = torch.linalg.qr(a.t())
    qb, rb = torch.linalg.qr(b.t())
    u, s, v = torch.linalg.svd(ra @ rb.t())
    scale = s[:rank].sqrt()
    new_left = scale[:, None] * (qa @ u[:, :rank]).t()
    new_right = scale[:, None] * (v[:rank] @ qb.t())
    return (new_left @ inverse if both else new_left), new_right @ inverse


def _with_bias(weight: Tensor, bias: Tensor) -> Tensor:
    return torch.cat([weight, bias[:, None]], 1)


def _roots(states: Tensor) -> tuple[Tensor, Tensor]:
    """Square root of the second moment of the states with a constant 1 appended, and its inverse."""
    extended = torch.cat([states, torch.ones_like(states[:, :1])], 1)
    values, vectors = torch.linalg.eigh(extended.t() @ extended / len(extended))
    # Directions the sentences never use must not blow up in the inverse.
    root = values.clamp_min(1e-5 * float(values[-1])).sqrt()
    return (vectors * root) @ vectors.t(), (vectors / root) @ vectors.t()


class _Shrinker:
    def __init__(self, weights: dict[str, Tensor], trace: Trace, teacher: BertConfig, student: BertConfig) -> None:
        self.source = {name: tensor.double() for name, tensor in weights.items()}
        self.trace = {name: tensor.double() for name, tensor in trace.items()}
        self.teacher, self.student = teacher, student
        names = ["embeddings.norm"] + [f"layer.{index}.ffn.norm" for index in range(teacher.num_layers)]
        states = torch.cat([self.trace[name] for name in names])
        moment = states.t() @ states / len(states)
        self.kept = informative_channels(moment, student.hidden_size)
        self.basis = torch.linalg.solve(moment[self.kept][:, self.kept], moment[self.kept]).t()
        self.result: dict[str, Tensor] = {}

    def norm(self, source: str, target: str, before: Tensor) -> None:
        """Per-channel least squares of the kept norm output on the student's own normalization of its input."""
        projected = before[:, self.kept]
        z = torch.nn.functional.layer_norm(projected, projected.shape[-1:], eps=self.student.layer_norm_epsilon)
        wanted = self.trace[source][:, self.kept]
        centred = z - z.mean(0)
        gain = (centred * wanted).sum(0) / (centred * centred).sum(0)
        self.result[f"{target}.weight"] = gain
        self.result[f"{target}.bias"] = wanted.mean(0) - gain * z.mean(0)

    def attention(self, source: str, target: str, states: Tensor) -> None:
        """Heads narrowed one by one; a value bias passes through attention unchanged, so it moves to the output bias."""
        get, width, narrow = self.source, self.teacher.head_size, self.student.head_size
        root, inverse = _roots(states)
        rows: dict[str, list[Tensor]] = {"query": [], "key": [], "value": []}
        columns = []
        output = get[f"{source}.output.weight"]
        for head in range(self.teacher.num_heads):
            part = slice(head * width, (head + 1) * width)
            parts = {
                name: _with_bias(get[f"{source}.{name}.weight"][part], get[f"{source}.{name}.bias"][part])
                for name in rows
            }
            query, key = _low_rank(parts["query"], parts["key"], root, inverse, narrow, both=True)
            out, value = _low_rank(output[:, part].t(), parts["value"], root, inverse, narrow, both=False)
            # Scores are divided by sqrt(head size), which has changed.
            correction = (narrow / width) ** 0.25
            rows["query"].append(query * correction)
            rows["key"].append(key * correction)
            rows["value"].append(value)
            columns.append(out.t())
        for name, pieces in rows.items():
            joined = torch.cat(pieces)
            self.result[f"{target}.{name}.weight"] = joined[:, :-1] @ self.basis
            self.result[f"{target}.{name}.bias"] = joined[:, -1]
        self.result[f"{target}.output.weight"] = torch.cat(columns, 1)[self.kept]
        self.result[f"{target}.output.bias"] = get[f"{source}.output.bias"][self.kept]

    def feed_forward(self, source: str, target: str) -> None:
        """Neurons by how much their output varies; the mean of a dropped neuron goes to the bias."""
        get, active = self.source, self.trace[f"{source}.activation"]
        down = get[f"{source}.down.weight"]
        order = (active.std(0) * down.norm(dim=0)).argsort(descending=True)
        kept, dropped = order[: self.student.ffn_size].sort().values, order[self.student.ffn_size :]
        bias = get[f"{source}.down.bias"] + down[:, dropped] @ active[:, dropped].mean(0)
        self.result[f"{target}.up.weight"] = get[f"{source}.up.weight"][kept] @ self.basis
        self.result[f"{target}.up.bias"] = get[f"{source}.up.bias"][kept]
        self.result[f"{target}.down.weight"] = down[self.kept][:, kept]
        self.result[f"{target}.down.bias"] = bias[self.kept]

    def run(self) -> Shrunk:
        get, trace = self.source, self.trace
        for name in ("word", "position", "token_type"):
            self.result[f"embeddings.{name}.weight"] = get[f"embeddings.{name}.weight"][:, self.kept]
        self.norm("embeddings.norm", "embeddings.norm", trace["embeddings.sum"])
        for index, old in enumerate(layer_map(self.student.num_layers, self.teacher.num_layers)):
            source, target = f"layer.{old}", f"layer.{index}"
            states = trace["embeddings.norm" if old == 0 else f"layer.{old - 1}.ffn.norm"]
            middle = trace[f"{source}.attention.norm"]
            self.attention(f"{source}.attention", f"{target}.attention", states)
            self.norm(
                f"{source}.attention.norm", f"{target}.attention.norm", trace[f"{source}.attention.output"] + states
            )
            self.feed_forward(f"{source}.ffn", f"{target}.ffn")
            self.norm(f"{source}.ffn.norm", f"{target}.ffn.norm", trace[f"{source}.ffn.down"] + middle)
        for name in ("intent", "slot"):
            self.result[f"{name}.weight"] = get[f"{name}.weight"] @ self.basis
            self.result[f"{name}.bias"] = get[f"{name}.bias"]
        return Shrunk({name: tensor.float() for name, tensor in self.result.items()}, self.basis.float())


@torch.no_grad()
def shrink(teacher: JointBert, student: BertConfig, sentences: list[list[int]]) -> Shrunk:
    """Initial student weights from a float teacher without pooler. `sentences`: piece ids with [CLS] and [SEP].

    Raises ValueError when the student is not smaller or has another number of heads or a pooler.
    """
    config = teacher.config
    wanted = ("num_layers", "hidden_size", "head_size", "ffn_size")
    if any(getattr(student, name) > getattr(config, name) for name in wanted) or student.num_heads != config.num_heads:
        raise ValueError(
            f"student: wanted at most the teacher's shape and its {config.num_heads} heads, found {student}"
        )
    if student.pooler_activation != "none" or config.pooler_activation != "none":
        raise ValueError("projection: wanted models without a pooler")
    teacher.eval()
    collected: dict[str, list[Tensor]] = {}
    for ids in sentences:
        trace: Trace = {}
        teacher(torch.tensor([ids]), trace=trace)
        for name, tensor in trace.items():
            if tensor.dim() == 3:
                collected.setdefault(name, []).append(tensor[0])
    joined = {name: torch.cat(parts) for name, parts in collected.items() if name != "embeddings.position"}
    return _Shrinker(dict(teacher.state_dict()), joined, config, student).run()
