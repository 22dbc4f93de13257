"""The network of a `bert-intent-slot` artifact as ONNX models, so that ONNX Runtime runs the same weights.

The artifact's weights are dequantized, exactly; the fp32 model is built from ONNX Runtime's fused operators (attention, GELU
with bias, layer norm with residual), the int8 one made of it by ONNX Runtime's own dynamic per-channel quantization.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from sottovoce.export.artifact_weights import ArtifactWeights

_MICROSOFT = "com.microsoft"


class _Graph:
    def __init__(self, weights: ArtifactWeights) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.initializers.append(numpy_helper.from_array(value.copy(order="C"), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def product(self, stem: str, x: str, rows: int, cols: int) -> str:
        weight = self.constant(f"{stem}.weight", self.weights.matrix(f"{stem}.weight", rows, cols).T)
        return self.node("MatMul", [x, weight], f"{stem}.product")

    def bias(self, stem: str) -> str:
        return self.constant(f"{stem}.bias", self.weights.plain(f"{stem}.bias"))


def build(artifact: Path, fused_attention: bool = True) -> onnx.ModelProto:
    """Return the fp32 model: `ids` int32 (1, tokens) to `intent` (1, intents) and `slot` (1, tokens, labels) logits."""
    graph = _Graph(ArtifactWeights(artifact))
    meta = graph.weights.metadata
    hidden, qkv, ffn = (int(meta[f"bert.{key}"]) for key in ("hidden_size", "qkv_size", "ffn_size"))
    heads, head_size = int(meta["bert.num_heads"]), int(meta["bert.head_size"])
    epsilon = float(meta["bert.layer_norm_epsilon"])

    def skip_norm(x: str, skip: str, norm: str, product_bias: str) -> str:
        gamma = graph.constant(f"{norm}.weight", graph.weights.plain(f"{norm}.weight"))
        beta = graph.constant(f"{norm}.bias", graph.weights.plain(f"{norm}.bias"))
        inputs = [x, skip, gamma, beta, product_bias]
        return graph.node("SkipLayerNormalization", inputs, f"{norm}.out", _MICROSOFT, epsilon=epsilon)

    def attention(prefix: str, x: str) -> str:
        weights = [graph.weights.matrix(f"{prefix}.{p}.weight", qkv, hidden).T for p in ("query", "key", "value")]
        biases = [graph.weights.plain(f"{prefix}.{p}.bias") for p in ("query", "key", "value")]
        bias = graph.constant(f"{prefix}.qkv.bias", np.concatenate(biases))
        if fused_attention:
            weight = graph.constant(f"{prefix}.qkv.weight", np.concatenate(weights, axis=1))
            return graph.node("Attention", [x, weight, bias], f"{prefix}.context", _MICROSOFT, num_heads=heads)
        names = []
        for product, weight in zip(("query", "key", "value"), weights, strict=True):
            constant = graph.constant(f"{prefix}.{product}.weight", weight)
            names.append(graph.node("MatMul", [x, constant], f"{prefix}.{product}.product"))
        return graph.node("MultiHeadAttention", [*names, bias], f"{prefix}.context", _MICROSOFT, num_heads=heads)

    tables = {
        "word": int(meta["bert.vocab_size"]),
        "position": int(meta["bert.max_positions"]),
        "token_type": int(meta["bert.type_vocab_size"]),
    }
    rows = [graph.constant(f"e.{t}", graph.weights.matrix(f"embeddings.{t}", n, hidden)) for t, n in tables.items()]
    norm = [graph.constant(f"e.norm.{p}", graph.weights.plain(f"embeddings.norm.{p}")) for p in ("weight", "bias")]
    graph.nodes.append(
        helper.make_node(
            "EmbedLayerNormalization",
            ["ids", "types", *rows, *norm],
            ["embedded", "mask"],
            name="embedded",
            domain=_MICROSOFT,
            epsilon=epsilon,
        )
    )
    x = "embedded"
    for n in range(int(meta["bert.num_layers"])):
        layer = f"layer.{n}"
        context = attention(f"{layer}.attention", x)
        projected = graph.product(f"{layer}.attention.output", context, hidden, qkv)
        x = skip_norm(projected, x, f"{layer}.attention.norm", graph.bias(f"{layer}.attention.output"))
        up = graph.product(f"{layer}.ffn.up", x, ffn, hidden)
        act = graph.node("BiasGelu", [up, graph.bias(f"{layer}.ffn.up")], f"{layer}.ffn.act", _MICROSOFT)
        down = graph.product(f"{layer}.ffn.down", act, hidden, ffn)
        x = skip_norm(down, x, f"{layer}.ffn.norm", graph.bias(f"{layer}.ffn.down"))

    first = graph.node("Gather", [x, graph.constant("zero", np.array(0, np.int64))], "cls", axis=1)
    if meta["bert.pooler_activation"] != "none":
        pooled = graph.product("pooler", first, hidden, hidden)
        first = graph.node("Tanh", [graph.node("Add", [pooled, graph.bias("pooler")], "pooler.sum")], "pooled")
        if meta["bert.pooler_activation"] == "tanh_relu":
            first = graph.node("Relu", [first], "pooled.relu")
    sizes = {"intent": len(meta["intent.labels"]), "slot": len(meta["slot.labels"])}
    for head, source in (("intent", first), ("slot", x)):
        graph.node("Add", [graph.product(head, source, sizes[head], hidden), graph.bias(head)], head)

    shape = [1, "tokens"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "bert-intent-slot",
            [helper.make_tensor_value_info(name, TensorProto.INT32, shape) for name in ("ids", "types")],
            [
                helper.make_tensor_value_info("intent", TensorProto.FLOAT, [1, sizes["intent"]]),
                helper.make_tensor_value_info("slot", TensorProto.FLOAT, [*shape, sizes["slot"]]),
            ],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(_MICROSOFT, 1)],
    )
    model.ir_version = 9
    assert head_size * heads == qkv
    return model


def write_models(artifact: Path, directory: Path) -> dict[str, Path]:
    """Write the fp32 and int8 models in both attention forms into `directory`; returns name -> path."""
    paths = {}
    for form, fused in (("fused attention", True), ("plain attention", False)):
        fp32 = directory / f"{artifact.stem}-{form.split()[0]}-fp32.onnx"
        onnx.save(build(artifact, fused), fp32)
        int8 = directory / f"{artifact.stem}-{form.split()[0]}-int8.onnx"
        # The types of fused operators are unknown to ONNX shape inference; all of them are float.
        options = {"DefaultTensorType": TensorProto.FLOAT}
        quantize_dynamic(fp32, int8, per_channel=True, weight_type=QuantType.QInt8, extra_options=options)
        paths[f"ONNX Runtime fp32, {form}"] = fp32
        paths[f"ONNX Runtime int8, {form}"] = int8
    return paths
