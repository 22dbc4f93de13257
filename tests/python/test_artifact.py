"""Artifacts: what a good one says, and that no broken one gets further than a clear error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from broken_artifacts import Broken, broken, build, good, write_folder

import sottovoce as sv
from sottovoce.models import bundled

FOLDER = Path(__file__).parents[1] / "golden" / "broken"
BROKEN = list(broken())
ERRORS = {"DataLoss": sv.DataError, "Unsupported": sv.UnsupportedError}


def write(folder: Path, data: bytes) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(data)
    return path


def test_good() -> None:
    artifact = sv.Artifact.open(FOLDER / "good.gguf")
    assert artifact.architecture == "test-model"
    assert [tuple(tensor) for tensor in artifact.tensors] == [
        ("weight", "F32", (3, 2), 24),
        ("scale", "F16", (4,), 8),
        ("packed.q2r", "I8", (70,), 70),
    ]
    metadata = artifact.metadata
    assert metadata["general.name"] == "caffè"
    assert metadata["sottovoce.tensor_names"] == ["weight", "scale", "packed.q2r"]
    assert {key[5:]: value for key, value in metadata.items() if key.startswith("test.")} == {
        "u8": 200,
        "i8": -100,
        "u16": 60000,
        "i16": -30000,
        "u32": 4000000000,
        "i32": -2000000000,
        "f32": 0.25,
        "bool": True,
        "u64": 2**63 + 5,
        "i64": -(2**62),
        "f64": -1.5,
        "labels": ["O", "B-città", ""],
        "sizes": [1, 2, 3],
        "signed": [-1, 2],
        "rates": [0.5, -2.0],
    }
    artifact.verify()


def test_the_committed_folder_is_what_the_generator_makes(tmp_path: Path) -> None:
    assert write_folder(tmp_path) == len(BROKEN) >= 100
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == {
        path.name: path.read_bytes() for path in tmp_path.iterdir()
    }


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_broken(case: Broken) -> None:
    path = FOLDER / f"{case.name}.gguf"
    with pytest.raises(ERRORS[case.status]) as error:
        artifact = sv.Artifact.open(path)
        assert case.step == "verify"
        artifact.verify()
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert case.message in message
    assert len(message.splitlines()) == 1
    with pytest.raises(sv.SottovoceError, match=r"model\.|memory|gguf"):
        sv.IntentParser.from_bytes(case.data)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    data = build(good())
    for size in range(0, len(data), 7):  # every one in tests/csrc/artifact/broken_test.cc
        with pytest.raises(sv.DataError):
            sv.Artifact.open(write(tmp_path, data[:size]))
    sv.Artifact.open(write(tmp_path, data))


def test_a_file_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    data = build(good())
    for at in range(0, len(data), 7):  # every bit in tests/csrc/artifact/broken_test.cc
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        with pytest.raises((sv.DataError, sv.UnsupportedError)):
            sv.Artifact.open(write(tmp_path, bytes(flipped)))


def test_broken_files_take_no_memory() -> None:
    program = """
import json, pathlib, resource, sys
import sottovoce as sv
sv.Artifact.open(sys.argv[1] + "/good.gguf")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.gguf")):
    try:
        sv.Artifact.open(path)
    except sv.SottovoceError:
        pass
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""
    output = subprocess.run([sys.executable, "-c", program, str(FOLDER)], check=True, capture_output=True, text=True)
    assert json.loads(output.stdout) < 4096  # KiB


@pytest.mark.parametrize(
    "name", ["snips-en", "atis-en", "snips-en-6x384", "snips-en-binary", "snips-en-dyna", "en-micro"]
)
def test_bundled_models_verify(name: str) -> None:
    artifact = sv.Artifact.open(bundled()[name])
    artifact.verify()
    assert artifact.metadata["general.license"]
    assert artifact.metadata["sottovoce.training"]


@pytest.mark.parametrize("name", ["snips-en", "atis-en", "snips-en-6x384", "snips-en-binary", "snips-en-dyna"])
def test_a_flipped_weight_is_seen(tmp_path: Path, name: str) -> None:
    data = bytearray(Path(bundled()[name]).read_bytes())
    data[len(data) // 2] ^= 4
    with pytest.raises(sv.DataError, match="is corrupt: its bytes do not have the CRC32C"):
        sv.Artifact.open(write(tmp_path, bytes(data)))


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(sv.ModelNotFoundError, match=r"missing\.gguf: no such file"):
        sv.Artifact.open(tmp_path / "missing.gguf")
    with pytest.raises(sv.InvalidInputError, match="wanted a file, found a directory"):
        sv.Artifact.open(tmp_path)


def test_a_good_file_of_an_unknown_model_is_refused() -> None:
    with pytest.raises(sv.UnsupportedError, match=r"general\.architecture is 'test-model', wanted 'bert-intent-slot'"):
        sv.IntentParser.from_bytes((FOLDER / "good.gguf").read_bytes())
