"""The handwritten digits that scikit-learn ships: 1,797 images of 8×8 pixels from 0 to 16.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998 (its test part).
"""

from __future__ import annotations

import hashlib

import numpy as np

from denpa.data.dataset import Dataset
from denpa.errors import require

NAME = "digits"
MAXIMUM = 16.0


def read_digits() -> Dataset:
    """inputs (1797, 8, 8) uint8, ten classes.  MissingPackage without scikit-learn."""
    loaded = require("sklearn.datasets", for_="the digits data", extra="sklearn").load_digits()
    images, targets = loaded.images.astype(np.uint8), loaded.target.astype(np.int64)
    return Dataset(
        inputs=images,
        targets=targets,
        target_name="digit",
        classes=tuple(str(name) for name in loaded.target_names),
        task_reason="'digit' holds the ten classes 0 to 9",
        source=NAME,
        sha256=hashlib.sha256(images.tobytes() + targets.astype("<i8").tobytes()).hexdigest(),
        maximum=MAXIMUM,
    )
