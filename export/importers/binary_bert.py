"""BinaryBERT (Bai et al. 2021): the half-width ternary stage, and the binary stage whose every module is stored twice.

Halves are binarized by one scale a tensor (word embeddings: a row); a product is the sum of its halves, each with its own
learned clip or step on the input. Bounds are learned, the scale within them is the utterance's (uniform) or learned (LSQ).
"""

from __future__ import annotations

from sottovoce.errors import DataError, UnsupportedError
from sottovoce.export.importers import weight_quantizers
from sottovoce.export.importers.activation_quantizers import quantized_products, record_inputs, record_operands
from sottovoce.export.importers.bert_config import bert_metadata
from sottovoce.export.importers.encoder import assemble, model_type_is_bert, read_arrays, stored_names
from sottovoce.export.importers.imported import Imported
from sottovoce.export.importers.quantizer_names import Separated, is_doubled, separate
from sottovoce.export.importers.source import Source
from sottovoce.export.spec import Array

FAMILY = "BinaryBERT"

_QUANTIZERS = {
    ("bwn", 1): weight_quantizers.binary,
    ("laq", 1): weight_quantizers.binary,  # at one bit and with its identity Hessian the same
    ("twn", 2): weight_quantizers.ternary,
    ("laq", 2): weight_quantizers.least_squares,
}


def recognize(source: Source) -> str:
    """Return why the source is of this family, "" when it is not."""
    if not model_type_is_bert(source):
        return ""
    names = stored_names(source)
    doubled = [name for name in names if is_doubled(name)]
    if doubled:
        return f"its modules are stored twice, as after ternary weight splitting ({doubled[0]})"
    marks = [name for name in names if name.endswith(".input_clip_val")]
    return f"it holds learned clips of BinaryBERT's ternary stage ({marks[0]})" if marks else ""


def load(source: Source) -> Imported:
    """Read the source. Raises as `importers.load`."""
    separated = separate(str(source), source.tensors)
    split = any(name.endswith("_2") for name in separated.model)
    if "dyna_hidden_size" not in source.config:
        query = separated.model.get("encoder.layer.0.attention.self.query.weight")
        if query is None or query.ndim != 2:
            raise DataError(f"{source}: missing encoder.layer.0.attention.self.query.weight")
        source.config["dyna_hidden_size"] = int(query.shape[0])  # its code has no default for it either
    metadata = bert_metadata(source)
    quantizer = _weight_quantizer(source, split)
    kind = {"uniform": "clipped", "lsq": "stepped"}[source.choice("input_quant_method", ("uniform", "lsq"))]
    metadata["bert.activation_bits"] = int(source.choice("input_bits", (4, 8)))
    metadata["bert.activation_granularity"] = "tensor"
    source.choice("input_layerwise", (True,))
    roles = {
        "sym_quant_qkvo": ("products", "attention.operands"),
        "sym_quant_ffn_attn": ("ffn.down", "attention.weights"),
    }
    metadata["bert.asymmetric_inputs"] = [
        role for key, roles_of in roles.items() if not source.choice(key, (True, False)) for role in roles_of
    ]
    halves = 2 if split else 1
    if split:
        metadata["bert.weight_halves"] = halves
    notes: list[str] = []
    _join_biases(source, separated, split)
    arrays = read_arrays(source, separated.model)
    record_inputs(str(source), metadata, arrays, separated.inputs, kind, halves)
    record_operands(str(source), metadata, arrays, separated.operands, kind)
    _note_restarted_steps(arrays, notes)
    _quantize(source, arrays, quantizer, notes)
    stored = "split" if split else "ternary"
    weights = {"word": stored, "position": "f32", "encoder": stored, "pooler": stored, "heads": "f32"}
    return assemble(source, metadata, arrays, classifier="intent", weights=weights, notes=notes)


def _weight_quantizer(source: Source, split: bool) -> weight_quantizers.Quantizer:
    bits = int(source.choice("weight_bits", (1, 2)))
    method = source.choice("weight_quant_method", ("bwn", "twn", "laq"))
    if (method, bits) not in _QUANTIZERS:
        raise UnsupportedError(f"{source.config_source}: weight_quant_method {method!r} has no {bits}-bit form")
    if split != (bits == 1):
        found = "stored twice" if split else "stored once"
        raise DataError(
            f"{source}: weight_bits is {bits}, but modules are {found}; wanted twice at 1 bit, once at 2 bits"
        )
    return _QUANTIZERS[method, bits]


def _join_biases(source: Source, separated: Separated, split: bool) -> None:
    """Every half adds a bias; one product has one."""
    model = separated.model
    for name in [name for name in model if split and name.endswith(".bias_2")]:
        first = name.removesuffix("_2")
        if first not in model or model[first].shape != model[name].shape:
            raise DataError(f"{source}: {first} and its second half: wanted two biases of one shape")
        model[first] = model[first] + model.pop(name)


def _quantize(
    source: Source, arrays: dict[str, Array], quantizer: weight_quantizers.Quantizer, notes: list[str]
) -> None:
    """Replace the latent weights of all halves by what the forward pass sees."""
    words: list[str] = [name for name in ("embeddings.word", "embeddings.word_2") if name in arrays]
    products = [
        name for stem in quantized_products(arrays) for name in (f"{stem}.weight", f"{stem}.weight_2") if name in arrays
    ]
    whole: dict[str, bool] = dict.fromkeys(words, bool(source.choice("embed_layerwise", (False, True))))
    whole |= dict.fromkeys(products, bool(source.choice("weight_layerwise", (True, False))))
    zeros = 0
    for name, per_tensor in whole.items():
        if arrays[name].ndim != 2:
            raise DataError(f"{source}: {name} has shape {arrays[name].shape}, wanted a matrix")
        if quantizer is weight_quantizers.binary:
            zeros += int((arrays[name] == 0).sum())
        arrays[name] = quantizer(arrays[name], per_tensor)
    if zeros:
        notes.append(
            f"{zeros} latent weights are exactly 0, which its code leaves at 0; a bit cannot: they count as +1"
        )


def _note_restarted_steps(arrays: dict[str, Array], notes: list[str]) -> None:
    ones = [name for name, array in arrays.items() if name.endswith("_step") and (array == 1).any()]
    if ones:
        notes.append(
            f"steps of exactly 1 ({', '.join(ones[:3])}): its own code would learn such a step anew on loading"
        )
