"""Readers of labelled utterances: every format to the same utterances, splits, and errors with file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sottovoce.errors import DataError, InvalidInputError, ModelNotFoundError
from sottovoce.export.data import Utterance, load_dataset, read_split, read_splits, write_bio_directory
from sottovoce.export.data.spans import Span, utterance_from_parts, utterance_from_spans

JAZZ = Utterance(
    "play some jazz by miles davis".split(), ["O", "O", "B-genre", "O", "B-artist", "I-artist"], "PlayMusic"
)
LIGHT = Utterance("dim the lamp".split(), ["O", "O", "B-device"], "DimLight")
BOTH = [JAZZ, LIGHT]

CONLL = """\
# id = 1
# text = play some jazz by miles davis
# intent = PlayMusic
play\tO
some\tO
jazz\tB-genre
by\tO
miles\tB-artist
davis\tI-artist

# intent: DimLight
dim\tO
the\tO
lamp\tB-device
"""

XSID = """\
# text = dim the lamp
1\tdim\tDimLight\tO
2\tthe\tDimLight\tO
3\tlamp\tDimLight\tB-device

"""

JSONL = (
    """\
{"text": "play some jazz by miles davis", "intent": "PlayMusic",
""".replace(",\n", ", ")
    + """\
"slots": [{"name": "genre", "value": "jazz", "start": 10, "end": 14}, {"name": "artist", "value": "miles davis"}]}

{"tokens": ["dim", "the", "lamp"], "tags": "O O B-device", "intent": {"name": "DimLight"}}
"""
)

CSV = """\
Text,Category,Slots
play some jazz by miles davis,PlayMusic,O O B-genre O B-artist I-artist
dim the lamp,DimLight,"{""device"": ""lamp""}"
"""

RASA = """\
version: "3.1"
nlu:
- intent: PlayMusic
  examples: |
    - play some [jazz](genre) by [miles davis](artist:Miles Davis)
- synonym: Miles Davis
  examples: |
    - davis
- lookup: device
  examples: |
    - lamp
- intent: DimLight
  examples:
  - text: |
      dim the [lamp]{"entity": "device", "value": "LAMP"}
rules: []
"""

SNIPS_BENCHMARK = {
    "PlayMusic": [
        {
            "data": [
                {"text": "play some "},
                {"text": "jazz", "entity": "genre"},
                {"text": " by "},
                {"text": "miles davis ", "entity": "artist"},
            ]
        }
    ],
    "DimLight": [{"data": [{"text": "dim the "}, {"text": "lamp", "entity": "device"}]}],
}

SNIPS_NLU = {
    "language": "en",
    "entities": {"snips/musician": {}},
    "intents": {
        "PlayMusic": {
            "utterances": [
                {
                    "data": [
                        {"text": "play some "},
                        {"text": "jazz", "entity": "kind", "slot_name": "genre"},
                        {"text": " by "},
                        {"text": "miles davis", "entity": "snips/musician", "slot_name": "artist"},
                    ]
                }
            ]
        },
        "DimLight": {"utterances": SNIPS_BENCHMARK["DimLight"]},
    },
}

FILES = {
    "a.conll": CONLL,
    "a.jsonl": JSONL,
    "a.csv": CSV,
    "a.tsv": "split\tintent\twords\ttags\n\tPlayMusic\tplay some jazz by miles davis\tO O B-genre O B-artist I-artist\n"
    "\tDimLight\tdim the lamp\tO O B-device\n",
    "nlu.yml": RASA,
    "benchmark.json": json.dumps(SNIPS_BENCHMARK),
    "dataset.json": json.dumps(SNIPS_NLU),
    "list.json": json.dumps([{"text": u.text, "label": u.intent, "slots": u.tags} for u in BOTH], indent=1),
    "unknown_suffix": CONLL.replace("\t", " "),
}


@pytest.mark.parametrize("name", FILES)
def test_each_format_gives_the_same_utterances(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    assert read_splits(tmp_path / name) == {"": BOTH}


def test_line_ends_and_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    for name in ("a.conll", "a.csv", "a.jsonl", "nlu.yml"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + FILES[name].replace("\n", "\r\n").encode())
        assert read_splits(tmp_path / name) == {"": BOTH}, name


def test_xsid_columns(tmp_path: Path) -> None:
    (tmp_path / "en.valid.conll").write_text(XSID)
    assert read_splits(tmp_path) == {"valid": [LIGHT]}


def test_bio_directory(tmp_path: Path) -> None:
    write_bio_directory({"train": BOTH, "valid": [LIGHT], "test": [JAZZ]}, tmp_path)
    assert (tmp_path / "train" / "seq.in").read_text() == "play some jazz by miles davis\ndim the lamp\n"
    assert read_splits(tmp_path) == {"train": BOTH, "valid": [LIGHT], "test": [JAZZ]}
    assert read_splits(tmp_path / "test") == {"": [JAZZ]}


word = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=6)
name = st.from_regex(r"[a-z]{1,5}(\.[a-z]{1,3})?", fullmatch=True)
utterance = st.lists(
    st.tuples(word, st.one_of(st.just("O"), name.map(lambda n: f"B-{n}"))), min_size=1, max_size=8
).map(lambda rows: Utterance([row[0] for row in rows], [row[1] for row in rows], "an_intent"))


@given(st.lists(utterance, min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_round_trip_of_bio_and_json_lines(
    tmp_path_factory: pytest.TempPathFactory, utterances: list[Utterance]
) -> None:
    directory = tmp_path_factory.mktemp("data")
    write_bio_directory({"test": utterances}, directory / "bio")
    assert read_splits(directory / "bio") == {"test": utterances}
    lines = [json.dumps({"words": u.words, "tags": u.tags, "intent": u.intent}) for u in utterances]
    (directory / "a.jsonl").write_text("\n".join(lines))
    assert read_splits(directory / "a.jsonl") == {"": utterances}


def test_spans_cut_words() -> None:
    found = utterance_from_spans("fly to Paris, now", [Span(7, 12, "city")], "Fly")
    assert found == Utterance(["fly", "to", "Paris", ",", "now"], ["O", "O", "B-city", "O", "O"], "Fly")
    adjacent = utterance_from_parts([("a b", "x"), (" ", None), ("c", "x"), ("  ", "y")], "I")
    assert adjacent == Utterance(["a", "b", "c"], ["B-x", "I-x", "B-x"], "I")


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([Span(0, 3, "a"), Span(2, 4, "b")], "'a' and 'b' overlap"),
        ([Span(3, 99, "a")], "3 to 99 are not in"),
        ([Span(3, 4, "a")], "blank at"),
        ([Span(0, 3, "")], "name"),
    ],
)
def test_bad_spans(spans: list[Span], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        utterance_from_spans("fly to Paris", spans, "Fly")


def test_directories_of_files_split_by_name(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("about this data")
    (tmp_path / "categories.json").write_text('[\n "PlayMusic", "DimLight"]')
    (tmp_path / "train.csv").write_text(CSV)
    (tmp_path / "test.csv").write_text(CSV)
    assert read_splits(tmp_path) == {"train": BOTH, "test": BOTH}


def test_snips_benchmark_tree(tmp_path: Path) -> None:
    for intent, items in SNIPS_BENCHMARK.items():
        folder = tmp_path / intent
        folder.mkdir()
        (folder / f"train_{intent}_full.json").write_text(json.dumps({intent: items}))
        (folder / f"train_{intent}.json").write_text(json.dumps({intent: []}))
        # Some files of the benchmark are not UTF-8.
        accented = json.dumps({intent: [{"data": [{"text": "café"}]}]}, ensure_ascii=False)
        (folder / f"validate_{intent}.json").write_bytes(accented.encode("latin-1"))
    splits = read_splits(tmp_path)
    assert splits["train"] == [LIGHT, JAZZ]
    assert [u.words for u in splits["valid"]] == [["café"], ["café"]]


def test_clinc_lists(tmp_path: Path) -> None:
    lists = {"train": [["dim the lamp", "DimLight"]], "val": [["hm", "x"]], "oos_train": [["what", "oos"]]}
    (tmp_path / "data_full.json").write_text(json.dumps(lists))
    splits = read_splits(tmp_path)
    assert [(u.text, u.intent) for u in splits["train"]] == [("dim the lamp", "DimLight"), ("what", "oos")]
    assert splits["valid"] == [Utterance(["hm"], ["O"], "x")]


def test_seeded_split(tmp_path: Path) -> None:
    numbers = [Utterance([str(n)], ["O"], "x") for n in range(50)]
    path = tmp_path / "all.jsonl"
    path.write_text("\n".join(json.dumps({"text": u.text, "intent": "x"}) for u in numbers))
    splits = load_dataset(path, seed=3)
    assert {name: len(items) for name, items in splits.items()} == {"train": 40, "valid": 5, "test": 5}
    together = [u.text for items in splits.values() for u in items]
    assert sorted(together) == sorted(u.text for u in numbers)
    assert load_dataset(path, seed=3) == splits
    assert load_dataset(path, seed=4) != splits
    assert read_split(path, "test") == numbers  # evaluation takes the whole of a file that names no split


def test_validation_is_taken_from_training_when_there_is_none(tmp_path: Path) -> None:
    write_bio_directory({"train": BOTH * 10, "test": BOTH}, tmp_path)
    splits = load_dataset(tmp_path)
    assert {name: len(items) for name, items in splits.items()} == {"train": 18, "valid": 2, "test": 2}
    assert splits["test"] == BOTH


MISTAKES = {
    "tag.conll": ("# intent = X\na\tO\nb\tQ-x\n", r"tag\.conll:3: wanted a tag O, B-name or I-name, found 'Q-x'"),
    "intent.conll": ("a\tO\nb\tB-x\n", r"intent\.conll:1: the utterance has no intent"),
    "columns.conll": ("# intent = X\na\tO\nb\tNN\tO\n", r"columns\.conll:3: wanted 2 columns as in line 2, found 3"),
    "json.jsonl": ('{"text": "a", "intent": "x"}\n{"text": oops}\n', r"json\.jsonl:2: not JSON"),
    "text.jsonl": ('{"text": "a", "intent": "x"}\n{"intent": "x"}\n', r"text\.jsonl:2: wanted a text under"),
    "label.jsonl": ('{"text": "a"}\n', r"label\.jsonl:1: wanted an intent under"),
    "count.jsonl": (
        '{"text": "a b", "tags": "O", "intent": "x"}\n',
        r"count\.jsonl:1: wanted one tag a word, found 2 words and 1 tags",
    ),
    "value.jsonl": (
        '{"text": "a b", "slots": [{"name": "n", "value": "c"}], "intent": "x"}\n',
        r"value\.jsonl:1: slot 'n': no start and end, and its value 'c' is not in 'a b'",
    ),
    "row.csv": ("text,intent\na,x\nb\n", r"row\.csv:3: wanted 2 columns \(text, intent\), found 1"),
    "quote.csv": ('text,intent\n"a"b,x\n', r"quote\.csv:2: not a table"),
    "dash.yml": ("nlu:\n- intent: x\n  examples: |\n    - a\n    b\n", r"dash\.yml:5: wanted an example that begins"),
    "entity.yml": (
        'nlu:\n- intent: x\n  examples: |\n    - [a]{"value": "b"}\n',
        r'entity\.yml:4: wanted a key "entity"',
    ),
    "yaml.yml": ("nlu:\n- intent: x\n  examples: |\n    - a\n  - b\n", r"yaml\.yml:5: not YAML"),
    "kind.yml": ("nlu:\n- story: x\n", r"kind\.yml:2: wanted an `intent`"),
    "chunk.json": (
        '{"X": [{"data": [{"txt": "a"}]}]}',
        r"chunk\.json: intent 'X', utterance 1: wanted a chunk with `text`",
    ),
    "broken.json": ('{\n "X": [\n', r"broken\.json:3: not JSON"),
    "novel.txt": ("It was a dark and stormy night.\n", r"novel\.txt:1: the format is not known"),
    "empty.conll": ("", r"empty\.conll:1: the format is not known"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_name_file_and_line(tmp_path: Path, name: str) -> None:
    text, message = MISTAKES[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read_splits(tmp_path / name)


def test_mistakes_of_directories(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no such data"):
        read_splits(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no data"):
        read_splits(tmp_path)
    write_bio_directory({"test": BOTH}, tmp_path)
    with pytest.raises(InvalidInputError, match="no split 'valid'; it has test"):
        read_split(tmp_path, "valid")
    with pytest.raises(DataError, match="wanted a split train, found test"):
        load_dataset(tmp_path)
    (tmp_path / "test" / "seq.out").write_text("O O B-genre O B-artist I-artist\nO O\n")
    with pytest.raises(DataError, match="line 2: wanted one tag a word, found 3 words and 2 tags"):
        read_splits(tmp_path)
    (tmp_path / "test" / "label").write_text("x\n")
    with pytest.raises(DataError, match="wanted files of equal length"):
        read_splits(tmp_path)
    (tmp_path / "bad.jsonl").write_bytes(b'{"text": "a", "intent": "x"}\n\xff\n')
    with pytest.raises(DataError, match=r"bad\.jsonl:2: not UTF-8: byte 0xff"):
        read_splits(tmp_path / "bad.jsonl")


def test_too_few_to_split(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(JSONL)
    with pytest.raises(InvalidInputError, match="2 utterances are too few"):
        load_dataset(tmp_path / "a.jsonl")
