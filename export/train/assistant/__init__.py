"""An assistant from a list of intents: sentences, speech, an adapted recognizer, a parser, one bundle."""
