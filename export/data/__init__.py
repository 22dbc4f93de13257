"""Readers of labelled utterances: `load_dataset` for training, `read_split` for evaluation."""

from sottovoce.export.data.bio_directory import Utterance
from sottovoce.export.data.dataset import FORMATS, load_dataset, read_split, read_splits, write_bio_directory

__all__ = ["FORMATS", "Utterance", "load_dataset", "read_split", "read_splits", "write_bio_directory"]
