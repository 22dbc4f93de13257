"""Artifacts: what a good one says, and that no broken one gets further than a clear error."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import sottovoce as sv
from broken_artifacts import GOOD, broken
from sottovoce.models import bundled

BROKEN = {name: (data, message) for name, data, message in broken()}


def opened(tmp_path: Path, data: bytes) -> sv.Artifact:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    return sv.Artifact.open(path)


def test_good(tmp_path: Path) -> None:
    artifact = opened(tmp_path, GOOD.to_bytes())
    assert artifact.architecture == "bert-intent-slot"
    assert artifact.metadata["sottovoce.format_version"] == 1
    assert [tuple(tensor) for tensor in artifact.tensors] == [
        ("first", "F32", (4, 2), 32),
        ("second.q2r", "I8", (100,), 100),
        ("third.scale", "F16", (5,), 10),
    ]
    with pytest.raises(sv.DataError, match="SHA-256"):
        artifact.verify()


@pytest.mark.parametrize("name", BROKEN)
def test_broken(tmp_path: Path, name: str) -> None:
    data, message = BROKEN[name]
    with pytest.raises(sv.SottovoceError, match=message) as error:
        opened(tmp_path, data)
    assert "model.gguf" in str(error.value)
    with pytest.raises(sv.SottovoceError):
        sv.IntentParser.from_bytes(data)


def test_the_committed_folder_is_current() -> None:
    folder = Path(__file__).parents[1] / "golden" / "broken"
    assert {path.stem: path.read_bytes() for path in folder.glob("*.broken")} == {n: d for n, (d, _) in BROKEN.items()}
    assert (folder / "good.gguf").read_bytes() == GOOD.to_bytes()


def test_every_cut_is_refused(tmp_path: Path) -> None:
    good = GOOD.to_bytes()
    # What follows the last tensor's bytes is padding, which a writer may leave out.
    end = len(good.rstrip(b"\0")) if not good.endswith(b"\x3c") else len(good)
    for length in range(end):
        with pytest.raises(sv.SottovoceError):
            opened(tmp_path, good[:length])


def test_flipped_bytes_never_crash(tmp_path: Path) -> None:
    good = bytearray(GOOD.to_bytes())
    generator = random.Random(5)
    accepted = 0
    for position in range(len(good)):
        flipped = bytearray(good)
        flipped[position] ^= 1 << generator.randrange(8)
        try:
            opened(tmp_path, bytes(flipped))
            accepted += 1
        except sv.SottovoceError:
            pass
    # Only padding, and metadata that says nothing of structure, may change unseen.
    assert accepted < len(good) // 2


@pytest.mark.parametrize("name", ["snips-en", "atis-en", "snips-en-6x384"])
def test_a_flipped_weight_is_seen(tmp_path: Path, name: str) -> None:
    data = bytearray(Path(bundled()[name]).read_bytes())
    data[len(data) // 2] ^= 4
    with pytest.raises(sv.DataError, match="is corrupt: its bytes do not have the CRC32C"):
        opened(tmp_path, bytes(data))


@pytest.mark.parametrize("name", ["snips-en", "atis-en", "snips-en-6x384", "en-micro"])
def test_bundled_models_verify(name: str) -> None:
    artifact = sv.Artifact.open(bundled()[name])
    artifact.verify()
    assert artifact.metadata["general.license"]
    assert artifact.metadata["sottovoce.training"]


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(sv.ModelNotFoundError, match=r"missing\.gguf"):
        sv.Artifact.open(tmp_path / "missing.gguf")
    with pytest.raises(sv.InvalidInputError, match="found a directory"):
        sv.Artifact.open(tmp_path)


def test_a_good_file_of_no_model_is_refused() -> None:
    with pytest.raises(sv.DataError, match=r"metadata bert\.num_layers is missing"):
        sv.IntentParser.from_bytes(GOOD.to_bytes())
