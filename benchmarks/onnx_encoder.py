"""One streaming step of a Conv-Transformer encoder as ONNX models, so that ONNX Runtime runs the same weights.

The step is that of a stream in full swing: `stride` feature frames in, one encoder frame out, every cache full and both an
input and an output of the graph. All convolutions over time are matrix products over gathered frames; those over time and
frequency too, or ONNX's Conv ("float front"), whichever ONNX Runtime likes better. Projected positions are constants. The
int8 models are ONNX Runtime's own dynamic per-channel quantization of all products with weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn

from sottovoce.export.models.transducer import Conv, Encoder, Layer

Floats = npt.NDArray[np.float32]


class _Graph:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.excluded: list[str] = []  # products that stay float
        self.caches: dict[str, tuple[int, ...]] = {}
        self._count = 0

    def name(self, stem: str) -> str:
        self._count += 1
        return f"{stem}.{self._count}"

    def constant(self, value: npt.NDArray[Any]) -> str:
        name = self.name("c")
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def node(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        output = output or self.name(kind)
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def slice(self, x: str, axis: int, start: int, end: int, step: int = 1) -> str:
        return self.node("Slice", [x, self.ints(start), self.ints(end), self.ints(axis), self.ints(step)])

    def joined(self, name: str, x: str, axis: int, old: tuple[int, ...], new: int, keep: int) -> str:
        """Return the cache `name` of shape `old` followed by x's `new` entries; its last `keep` are the next cache."""
        self.caches[name] = old
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, old))
        both = self.node("Concat", [name, x], axis=axis)
        total = old[axis] + new
        self.outputs.append(helper.make_tensor_value_info(f"{name}.next", TensorProto.FLOAT, old))
        inputs = [both, self.ints(total - keep), self.ints(total), self.ints(axis), self.ints(1)]
        self.node("Slice", inputs, f"{name}.next")
        return both

    def product(self, x: str, weight: Floats, bias: Floats) -> str:
        return self.node("Add", [self.node("MatMul", [x, self.constant(weight.T)]), self.constant(bias)])

    def norm(self, x: str, norm: nn.LayerNorm) -> str:
        weights = [self.constant(tensor.numpy()) for tensor in (norm.weight, norm.bias)]
        return self.node("LayerNormalization", [x, *weights], axis=-1, epsilon=norm.eps)


def _conv2d(graph: _Graph, name: str, conv: Conv, x: str, frames: int, freq: int, channels: int, front: str) -> str:
    """x: (frames, freq, channels) -> (frames / stride, freq / stride, out channels)."""
    spec = conv.spec
    held, side = spec.kernel_time - spec.stride_time, (spec.kernel_freq - 1) // 2
    both = graph.joined(name, x, 0, (held, freq, channels), frames, held)
    weight, bias = (tensor.numpy() for tensor in conv.folded())
    if front == "float":
        image = graph.node("Unsqueeze", [graph.node("Transpose", [both], perm=[2, 0, 1]), graph.ints(0)])
        kernel = weight.reshape(spec.channels, spec.kernel_time, spec.kernel_freq, channels).transpose(0, 3, 1, 2)
        inputs = [image, graph.constant(kernel), graph.constant(bias)]
        strides = [spec.stride_time, spec.stride_freq]
        y = graph.node("Relu", [graph.node("Conv", inputs, strides=strides, pads=[0, side, 0, side])])
        return graph.node("Transpose", [graph.node("Squeeze", [y, graph.ints(0)])], perm=[1, 2, 0])
    padded = graph.node("Pad", [both, graph.ints(0, side, 0, 0, side, 0)])
    out_frames, out_freq = frames // spec.stride_time, (freq - 1) // spec.stride_freq + 1
    taps = []
    for t in range(spec.kernel_time):
        row = graph.slice(padded, 0, t, t + spec.stride_time * (out_frames - 1) + 1, spec.stride_time)
        for f in range(spec.kernel_freq):
            taps.append(graph.slice(row, 1, f, f + spec.stride_freq * (out_freq - 1) + 1, spec.stride_freq))
    return graph.node("Relu", [graph.product(graph.node("Concat", taps, axis=2), weight, bias)])


def _conv1d(graph: _Graph, name: str, conv: Conv, x: str, frames: int, channels: int) -> str:
    """x: (frames, channels) -> (frames / stride, out channels)."""
    spec = conv.spec
    weight, bias = (tensor.numpy() for tensor in conv.folded())
    if spec.kernel_time > 1:
        held = spec.kernel_time - spec.stride_time
        both = graph.joined(name, x, 0, (held, channels), frames, held)
        last = spec.stride_time * (frames // spec.stride_time - 1)
        taps = [graph.slice(both, 0, t, t + last + 1, spec.stride_time) for t in range(spec.kernel_time)]
        x = graph.node("Concat", taps, axis=1)
    y = graph.product(x, weight, bias)
    return graph.node("Relu", [y]) if spec.activation == "relu" else y


def _attention(graph: _Graph, name: str, layer: Layer, x: str, frames: int) -> str:
    """x: (frames, model_dim), normalised -> the same, before the residual."""
    heads, size, left = layer.heads, layer.head_size, layer.left
    assert layer.kv_heads == heads and layer.position_kind == "transformer_xl"
    weights = [product.weight.numpy() for product in (layer.query, layer.key, layer.value)]
    biases = [product.bias.numpy() for product in (layer.query, layer.key, layer.value)]
    all_three = graph.product(x, np.concatenate(weights), np.concatenate(biases))
    shaped = graph.node("Reshape", [all_three, graph.ints(frames, 3, heads, size)])
    split = graph.node("Transpose", [shaped], perm=[1, 2, 0, 3])  # (3, heads, frames, size)
    q, k, v = (graph.node("Squeeze", [graph.slice(split, 0, i, i + 1), graph.ints(0)]) for i in range(3))
    keys = graph.joined(f"{name}.keys", k, 1, (heads, left, size), frames, left)
    values = graph.joined(f"{name}.values", v, 1, (heads, left, size), frames, left)
    by_content = graph.node("Add", [q, graph.constant(layer.content_bias.unsqueeze(1).numpy())])
    content = graph.node("MatMul", [by_content, graph.node("Transpose", [keys], perm=[0, 2, 1])])
    table = layer.position(layer.sinusoids).view(-1, heads, size).permute(1, 2, 0).flip(2).numpy()  # oldest first
    by_position = graph.node("Add", [q, graph.constant(layer.position_bias.unsqueeze(1).numpy())])
    position = graph.node("MatMul", [by_position, graph.constant(table)])  # (heads, frames, left + 1)
    graph.excluded += [content, position]
    if frames > 1:  # row i moves i to the right: what it sees begins at key i
        width = left + frames
        padded = graph.node("Pad", [position, graph.ints(0, 0, 0, 0, 0, frames)])
        flat = graph.node("Reshape", [padded, graph.ints(heads, frames * (width + 1))])
        skewed = graph.slice(flat, 1, 0, frames * width)
        position = graph.node("Reshape", [skewed, graph.ints(heads, frames, width)])
    scores = graph.node("Add", [content, position])
    scale = np.array(size**-0.5, np.float32)
    scores = graph.node("Mul", [scores, graph.constant(scale)])
    if frames > 1:
        age = np.arange(left + frames) - np.arange(frames)[:, None]
        mask = np.where((age >= 0) & (age <= left), 0.0, -1e9).astype(np.float32)
        scores = graph.node("Add", [scores, graph.constant(mask)])
    context = graph.node("MatMul", [graph.node("Softmax", [scores], axis=-1), values])
    graph.excluded.append(context)
    rows = graph.node("Reshape", [graph.node("Transpose", [context], perm=[1, 0, 2]), graph.ints(frames, heads * size)])
    return graph.product(rows, layer.output.weight.numpy(), layer.output.bias.numpy())


@torch.no_grad()
def build(encoder: Encoder, front: str) -> tuple[onnx.ModelProto, dict[str, tuple[int, ...]], list[str]]:
    """Return the fp32 step, the shapes of its caches by name, and the products that quantization must leave alone.

    `features` (stride, mels), normalised, to `encoded` (1, model_dim); front: `product` or `float`.
    """
    config = encoder.config
    graph = _Graph()
    frames, freq, channels = config.stride, config.num_mels, 1
    graph.inputs.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, [frames, freq]))
    x = graph.node("Unsqueeze", ["features", graph.ints(2)])
    for b, block in enumerate(encoder.blocks):
        assert isinstance(block, nn.ModuleDict)
        for c, conv in enumerate(block["convs"].children()):
            assert isinstance(conv, Conv)
            name = f"conv.{b}.{c}"
            if conv.spec.kernel_freq:
                x = _conv2d(graph, name, conv, x, frames, freq, channels, front)
                freq = (freq - 1) // conv.spec.stride_freq + 1
            else:
                if freq:  # channel-major, as the weights want it
                    x = graph.node("Transpose", [x], perm=[0, 2, 1])
                    channels, freq = channels * freq, 0
                    x = graph.node("Reshape", [x, graph.ints(frames, channels)])
                x = _conv1d(graph, name, conv, x, frames, channels)
            frames //= conv.spec.stride_time
            channels = conv.spec.channels
        for n, layer in enumerate(block["layers"].children()):
            assert isinstance(layer, Layer)
            attended = _attention(graph, f"layer.{b}.{n}", layer, graph.norm(x, layer.attention_norm), frames)
            x = graph.node("Add", [attended, x])
            up = graph.product(graph.norm(x, layer.ffn_norm), layer.up.weight.numpy(), layer.up.bias.numpy())
            down = graph.product(graph.node("Relu", [up]), layer.down.weight.numpy(), layer.down.bias.numpy())
            x = graph.node("Add", [down, x])
    weights = [graph.constant(tensor.numpy()) for tensor in (encoder.norm.weight, encoder.norm.bias)]
    graph.node("LayerNormalization", [x, *weights], "encoded", axis=-1, epsilon=encoder.norm.eps)
    graph.outputs.insert(0, helper.make_tensor_value_info("encoded", TensorProto.FLOAT, [frames, channels]))
    proto = helper.make_graph(graph.nodes, "encoder-step", graph.inputs, graph.outputs, graph.initializers)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model, graph.caches, graph.excluded


def write_models(encoder: Encoder, directory: Path) -> tuple[dict[str, Path], dict[str, tuple[int, ...]]]:
    """Write the fp32 and int8 models with both fronts; returns name -> path and the shapes of the caches by name."""
    paths, caches = {}, {}
    for front in ("product", "float"):
        model, caches, excluded = build(encoder, front)
        fp32, int8 = directory / f"{front}-fp32.onnx", directory / f"{front}-int8.onnx"
        onnx.save(model, fp32)
        quantize_dynamic(
            fp32,
            int8,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=excluded,
        )
        paths[f"ONNX Runtime fp32, {front} front"] = fp32
        paths[f"ONNX Runtime int8, {front} front"] = int8
    return paths, caches


@torch.no_grad()
def full_caches(encoder: Encoder, features: torch.Tensor, steps: int) -> dict[str, Floats]:
    """Return the caches of the step after which `steps` encoder frames are out.

    features: (frames, mels), normalised, of which stride * steps + look_ahead + 1 - stride have been heard then.
    """
    seen: dict[str, torch.Tensor] = {}
    hooks = []
    for b, block in enumerate(encoder.blocks):
        assert isinstance(block, nn.ModuleDict)
        for kind in ("conv", "layer"):
            for n, module in enumerate(block[f"{kind}s"].children()):

                def keep(_: nn.Module, inputs: tuple[torch.Tensor, ...], name: str = f"{kind}.{b}.{n}") -> None:
                    seen[name] = inputs[0][0]

                hooks.append(module.register_forward_pre_hook(keep))
    encoder(features.unsqueeze(0), torch.tensor([len(features)]))
    for hook in hooks:
        hook.remove()
    heard = encoder.config.stride * steps + encoder.config.look_ahead + 1 - encoder.config.stride
    caches: dict[str, Floats] = {}
    for b, block in enumerate(encoder.blocks):
        assert isinstance(block, nn.ModuleDict)
        for c, conv in enumerate(block["convs"].children()):
            assert isinstance(conv, Conv)
            spec, name = conv.spec, f"conv.{b}.{c}"
            held = spec.kernel_time - spec.stride_time
            if held:
                caches[name] = seen[name].movedim(0, -1)[heard - held : heard].contiguous().numpy()
            heard = (heard - 1 - (spec.kernel_time - 1) // 2) // spec.stride_time + 1
        for n, layer in enumerate(block["layers"].children()):
            assert isinstance(layer, Layer)
            name = f"layer.{b}.{n}"
            x = layer.attention_norm(seen[name][heard - layer.left : heard])
            for what, product in (("keys", layer.key), ("values", layer.value)):
                rows = product(x).view(layer.left, layer.heads, layer.head_size).transpose(0, 1)
                caches[f"{name}.{what}"] = rows.contiguous().numpy()
    return caches
