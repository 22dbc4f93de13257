"""An assistant from a list of intents: grammar, labels of misheard sentences, and the whole command on a tiny domain."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sottovoce import Artifact, Assistant, IntentParser, Recognizer
from sottovoce.errors import DataError, UnsupportedError
from sottovoce.export.cli import main
from sottovoce.export.train.asr.recognizer_base import artifact_checkpoint, load_recognizer_base
from sottovoce.export.train.assistant.adapt import AdaptSettings
from sottovoce.export.train.assistant.confusion import align_words, carry_labels, letter_distance
from sottovoce.export.train.assistant.evaluation import evaluate_commands, noisy_audio, read_commands
from sottovoce.export.train.assistant.grammar import Grammar, Segment, parse_template
from sottovoce.export.train.assistant.intents import Sentence, load_domain
from sottovoce.export.train.assistant.parser import ParserSettings
from sottovoce.export.train.assistant.parser_base import cut_vocabulary, load_parser_base
from sottovoce.export.train.assistant.pipeline import AssistantSettings, train_assistant
from sottovoce.slot_values import SlotValues, sound_distance

COFFEE = Path(__file__).parents[2] / "demos" / "assistants" / "coffee.yaml"
TINY = """
name: lamp
intents:
  light: ["turn <state> the {room} (light | lamp)", "{room} light <state>"]
  stop: [stop, "[please] be quiet"]
parts:
  state: [on, off]
slots:
  room:
    - kitchen
    - living room: [parlour]
out_of_scope: [what time is it]
"""


def _grammar(slots: dict[str, str]) -> Grammar:
    return Grammar({name: parse_template(text, name) for name, text in slots.items()})


def test_every_form_of_a_template_is_drawn_and_no_other() -> None:
    node = parse_template("give me a(n) ({size} & [hot]) (tea *3 | espresso)", "t")
    grammar = _grammar({"size": "small | extra large"})
    rng = random.Random(1)
    drawn = {" ".join(s.text for s in grammar.draw(node, rng)) for _ in range(600)}
    sizes = [
        ["small"],
        ["extra large"],
        ["small", "hot"],
        ["hot", "small"],
        ["extra large", "hot"],
        ["hot", "extra large"],
    ]
    wanted = {
        f"give me {'an' if words[0][0] in 'aeiou' else 'a'} {' '.join(words)} {drink}"
        for words in sizes
        for drink in ("tea", "espresso")
    }
    assert drawn == wanted


def test_slots_are_segments_and_weights_count() -> None:
    grammar = _grammar({"n": "one | two"})
    node = parse_template("({n} *3 | none)", "t")
    rng = random.Random(2)
    drawn = [grammar.draw(node, rng) for _ in range(800)]
    assert set(map(tuple, drawn)) == {(Segment("one", "n"),), (Segment("two", "n"),), (Segment("none"),)}
    assert 0.70 < sum(d[0].slot == "n" for d in drawn) / 800 < 0.80
    assert grammar.values("n") == ["one", "two"]


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("(a | b", "wants a"),
        ("a )", "closes nothing"),
        ("(a | b & c)", "found both"),
        ("{no such}", "wanted a name"),
        ("{unknown}", "is not known"),
    ],
)
def test_mistakes_in_templates_are_named(template: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        _grammar({}).check(parse_template(template, "intent x"), "intent x")


def test_parts_that_hold_themselves_and_slots_in_slots_are_refused() -> None:
    grammar = Grammar({"a": parse_template("{a}", "a")}, {"p": parse_template("x <p>", "p")})
    with pytest.raises(DataError, match="holds itself"):
        grammar.check(parse_template("<p>", "t"), "t")
    with pytest.raises(DataError, match="inside a slot"):
        grammar.check(parse_template("{a}", "t"), "t")


def test_the_coffee_domain_draws_labelled_orders_by_its_seed() -> None:
    domain = load_domain(COFFEE)
    sentences = domain.sentences(200, 5)
    assert sentences == domain.sentences(200, 5) != domain.sentences(200, 6)
    values = domain.slot_values()
    assert {slot: len(said) for slot, said in values.items()} == {
        "size": 7, "roast": 3, "numberOfShots": 3, "coffeeDrink": 10, "milkAmount": 36, "sugarAmount": 18
    }  # fmt: skip
    for sentence in sentences:
        assert sentence.intent == "orderDrink" and len(sentence.words) == len(sentence.tags)
        assert "B-coffeeDrink" in sentence.tags
        spans: dict[str, list[str]] = {}
        for word, tag in zip(sentence.words, sentence.tags, strict=True):
            if tag != "O":
                spans.setdefault(tag[2:], []).append(word)
        assert all(" ".join(words) in values[slot] for slot, words in spans.items())


def test_rasa_examples_become_templates(tmp_path: Path) -> None:
    path = tmp_path / "nlu.yml"
    path.write_text(
        "nlu:\n- intent: order\n  examples: |\n    - i want [tea](drink)\n    - [big](size) [milk](drink) please\n"
        "- lookup: drink\n  examples: |\n    - cocoa\n- synonym: large\n  examples: |\n    - big\n"
    )
    domain = load_domain(path)
    assert {s.text for s in domain.sentences(20, 1, distinct=True)} == {
        f"{form}" for drink in ("tea", "milk", "cocoa") for form in (f"i want {drink}", f"big {drink} please")
    }
    assert domain.synonyms == {"size": {"big": "large"}}


def test_labels_follow_words_through_mishearing() -> None:
    sentence = Sentence("order", ("a", "double", "shot", "latte"), ("O", "B-shots", "I-shots", "B-drink"))
    heard = carry_labels(sentence, "the dougle a shot lad")
    assert heard is not None
    assert heard.tags == ["O", "B-shots", "I-shots", "I-shots", "B-drink"]
    assert carry_labels(sentence, "") is None
    assert carry_labels(sentence, "double latte").tags == ["B-shots", "B-drink"]  # type: ignore[union-attr]
    assert align_words(["x"], []) == [(0, -1)] and align_words([], ["x"]) == [(-1, 0)]
    assert letter_distance("roast", "trose") == pytest.approx(3 / 5)


def test_heard_values_become_the_meant_ones() -> None:
    values = SlotValues({"shots": {"values": ["double shot", "single shot"], "synonyms": {"two shots": "double shot"}}})
    assert values.resolve("shots", "double shot") == "double shot"
    assert values.resolve("shots", "dougle shat") == "double shot"
    assert values.resolve("shots", "two shots") == "double shot"
    assert values.resolve("shots", "a cup of tea") == "a cup of tea"  # too far from all
    assert values.resolve("other", "dougle") == "dougle"
    assert sound_distance("bat", "pat") == 0.5 and sound_distance("", "ab") == 2.0
    with pytest.raises(TypeError, match="wanted a list"):
        SlotValues({"shots": {"values": "double"}})


def test_an_artifact_is_a_checkpoint_again(tmp_path: Path) -> None:
    from sottovoce.export.train.asr.export import export_checkpoint

    base = load_recognizer_base("en-micro")
    base.save(tmp_path / "checkpoint.pt")
    export_checkpoint(tmp_path / "checkpoint.pt", tmp_path / "again.gguf", weights="f32", name="again")
    again = artifact_checkpoint(tmp_path / "again.gguf")
    assert again.pieces().encode("a double shot latte") == base.pieces().encode("a double shot latte")
    features, lengths = torch.randn(1, 80, base.config.num_mels), torch.tensor([80])
    with torch.no_grad():
        first, second = (c.model().encoder(features, lengths)[0] for c in (base, again))
    torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)
    with pytest.raises(UnsupportedError, match="conv-transformer-transducer"):
        load_recognizer_base("snips-en")


def test_a_cut_vocabulary_keeps_what_sentences_need() -> None:
    base = load_parser_base("snips-en")
    small = cut_vocabulary(base, [["cappuccino"]], common=1000)
    assert len(small.pieces) == small.config.vocab_size < 3500
    row, old = small.pieces.index("cap"), base.pieces.index("cap")
    word = "embeddings.word.weight"
    torch.testing.assert_close(small.weights[word][row], base.weights[word][old])
    assert small.build().config.vocab_size == len(small.pieces)


def _write_commands(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = ["id\ttext\taudio\tmeta"]
    for number, room in enumerate(["kitchen", "living room"]):
        soundfile.write(folder / f"{number}.wav", rng.standard_normal(8000).astype(np.float32) * 0.1, 16000)
        meta = json.dumps({"intent": "light", "slots": {"room": f" {room} "}})
        rows.append(f"{number}\tturn on the {room} light\t{number}.wav\t{meta}")
    path = folder / "manifest.tsv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_right_means_intent_and_every_labelled_slot(tmp_path: Path) -> None:
    commands = read_commands(str(_write_commands(tmp_path)))
    assert [dict(c.slots) for c in commands] == [{"room": "kitchen"}, {"room": "living room"}]
    answers = iter([("turn on the kitchen light", "light", {"room": "kitchen", "when": "now"}), ("", "stop", {})])
    report, outcomes = evaluate_commands(commands, lambda samples: next(answers))
    assert [o.right for o in outcomes] == [True, False] and outcomes[0].spurious
    assert report.commands_right == 50 and report.right_and_nothing_spurious == 0 and report.spurious_slot == 50
    assert report.word_error_rate == pytest.approx(100 * 6 / 11) and report.slots_right == 50


def test_noise_is_seeded_and_as_loud_as_asked(tmp_path: Path) -> None:
    commands = read_commands(str(_write_commands(tmp_path)))
    noise = [np.random.default_rng(1).standard_normal(3000).astype(np.float32)]
    clean, once, twice, other = (
        list(noisy_audio(commands, noises, 12.0, seed))
        for noises, seed in (([], 1), (noise, 1), (noise, 1), (noise, 2))
    )
    for a, b, c, d in zip(clean, once, twice, other, strict=True):
        np.testing.assert_array_equal(b, c)
        assert (b != d).any()
        added = 10 * np.log10(np.mean(a**2) / np.mean((b - a) ** 2))
        assert added == pytest.approx(12, abs=0.1)


def test_the_command_makes_an_assistant(tmp_path: Path) -> None:
    if shutil.which("flite") is None:
        pytest.fail("flite is not installed (Debian package flite)")
    (tmp_path / "lamp.yaml").write_text(TINY)
    domain = load_domain(tmp_path / "lamp.yaml")
    settings = AssistantSettings(
        minutes=5,
        engines={"flite": 0.05},
        batch_sentences=6,
        adapt=AdaptSettings(audio_hours=0.005, copies=1),
        parser=ParserSettings(float_epochs=1, ternary_epochs=1),
        clean_sentences=30,
    )
    out = tmp_path / "out"
    bundle = train_assistant(domain, "en-micro", "snips-en", out, settings=settings)
    assert Assistant.from_pretrained(out / "assistant.zip").biasing == Assistant.from_pretrained(bundle).biasing
    description = json.loads((bundle / "assistant.json").read_text())
    assert description["name"] == "lamp"
    phrases = [entry["phrase"] for entry in description["biasing"]]
    assert set(phrases[:3]) == {"kitchen", "living room", "parlour"}
    assert len(set(phrases)) == len(phrases) > 3  # and what is said around the slots
    assert description["beam"] == Assistant.from_pretrained(bundle).beam > 1
    assert description["slots"]["room"]["synonyms"] == {"parlour": "living room"}
    assert any("flite" in str(credit) for credit in description["attribution"])
    recognizer = Recognizer.from_pretrained(bundle / description["recognizer"])
    recognizer.transcribe(np.zeros(16000, np.float32))
    parser = IntentParser.from_pretrained(bundle / description["parser"])
    assert parser.parse("turn on the kitchen light").intent.name in ("light", "stop")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.gguf") if path.parent == out}
    train_assistant(
        domain, "en-micro", "snips-en", out, settings=replace(settings)
    )  # resumes: nothing is trained again
    assert (out / "parser.gguf").stat().st_mtime_ns == before[out / "parser.gguf"]
    assert Artifact.open(bundle / "parser.gguf").metadata["general.name"] == "lamp-parser"


def test_mistakes_in_the_command_take_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "assistant", str(tmp_path / "none.yaml"), "--out", str(tmp_path / "o")]) == 2
    assert "no such file" in capsys.readouterr().err
    (tmp_path / "bad.yaml").write_text("intents: {a: [x], b: ['{y}']}")
    assert main(["train", "assistant", str(tmp_path / "bad.yaml"), "--out", str(tmp_path / "o")]) == 2
    assert "slot 'y' is not known" in capsys.readouterr().err
    arguments = ["train", "assistant", str(COFFEE), "--out", str(tmp_path / "o"), "--engine", "parrot=3"]
    assert main(arguments) == 2
    assert "parrot" in capsys.readouterr().err
