"""Data: from a file to encoded rows in a seeded order.

`read` gives a Dataset; `InputEncoding` and `TargetEncoding` say what a network sees of it; `split`, `order` and
`batches` say which rows are used when; `stream` is the one source of random numbers.
"""

from __future__ import annotations

from denpa.data.batches import batch_count, batches, order, split
from denpa.data.dataset import Dataset, Inputs
from denpa.data.encoding import InputEncoding, TargetEncoding
from denpa.data.frames import from_arrays, from_frame
from denpa.data.reading import read, read_inputs, read_like, read_schema
from denpa.data.schema import Options, Schema
from denpa.data.source import Dialect
from denpa.data.streams import PURPOSES, stream

__all__ = [
    "PURPOSES",
    "Dataset",
    "Dialect",
    "InputEncoding",
    "Inputs",
    "Options",
    "Schema",
    "TargetEncoding",
    "batch_count",
    "batches",
    "from_arrays",
    "from_frame",
    "order",
    "read",
    "read_inputs",
    "read_like",
    "read_schema",
    "split",
    "stream",
]
