"""The subcommands of `sottovoce-export`, one module each.

A module names its place in `COMMAND` (`("convert",)`, `("train", "nlu")`), says in `HELP` what it does, and has
`add_arguments(parser)` and `run(options) -> exit status`. Heavy imports belong inside `run`. Adding a file adds a command.
"""
