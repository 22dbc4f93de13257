"""Search for the best shape within a latency budget (AutoTinyBERT): super-network, evolution, extraction, further training.

STUDENT is the float32 model to find a smaller one in, such as OUT/teacher of `train nlu`. What a shape costs is measured on this
machine, with the runtime's kernels, for the kind of weights that --weights names. OUT receives the super-network, latency.json,
search.jsonl (every shape that was scored), the result as float32 checkpoint OUT/searched and as OUT/NAME.gguf; quantize it with
`ternarize OUT/searched`. Run the same command again after a kill: it goes on where it was.
"""

from __future__ import annotations

import argparse

from sottovoce.export.train_options import add_start_arguments, finish, loop_settings, positive, start_from

COMMAND = ("search",)
HELP = "the best shape within a latency budget"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_start_arguments(parser)
    add = parser.add_argument
    add("--budget", type=float, required=True, metavar="US", help="microseconds of a parse, at --tokens")
    add("--tokens", type=positive, default=16, metavar="N", help="word pieces of that parse (default: 16)")
    add(
        "--weights",
        choices=["ternary", "f32"],
        default="ternary",
        help="kind of weights the budget is for (default: ternary)",
    )
    add("--super-epochs", type=positive, default=4, metavar="N", help="of the super-network (default: 4)")
    add("--sampled", type=int, default=2, metavar="N", help="sub-networks a step beside the ends (default: 2)")
    add("--population", type=positive, default=25, metavar="N", help="shapes a generation (default: 25)")
    add("--generations", type=int, default=4, metavar="N", help="(default: 4)")
    add("--scored-on", type=positive, default=300, metavar="N", help="validation utterances a score (default: 300)")
    add("--further-epochs", type=positive, default=4, metavar="N", help="of the shape found (default: 4)")


def run(options: argparse.Namespace) -> int:
    """Search, train and write the artifact; prints the shape and the size."""
    from sottovoce.export.models.bert import Quantization
    from sottovoce.export.search.evolution import Evolution
    from sottovoce.export.train.nlu.search import SearchSettings, search

    settings = SearchSettings(
        super=loop_settings(options, options.super_epochs, 3e-4),
        further=loop_settings(options, options.further_epochs, 3e-4),
        budget=options.budget,
        evolution=Evolution(population=options.population, generations=options.generations),
        sampled=options.sampled,
        tokens=options.tokens,
        scored_on=options.scored_on,
        quantization=Quantization.ternary() if options.weights == "ternary" else Quantization(),
    )
    search(start_from(options), options.out, settings)
    return finish(options.out / "searched", options)
