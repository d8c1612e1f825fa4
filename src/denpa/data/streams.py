"""Keyed random streams: every random draw belongs to (seed, purpose, counters), and to nothing that ran before it.

A generator that is passed along carries hidden state, so a run that was killed draws other numbers when it resumes.
A keyed stream is made anew where it is used: epoch 7's order is the same whether epochs 1 to 6 ran in this process,
in an earlier one, or not at all.
"""

from __future__ import annotations

import operator

import numpy as np

from denpa.errors import UsageError

# What the numbers are drawn for.  A number, once given, is never changed or reused: it would change every old run.
PURPOSES = {
    "split": 2,  # which rows are validation rows
    "order": 3,  # the order of rows in an epoch; counter: the epoch
    "check": 5,  # directions and cotangents of a gradient check
    "sample": 6,  # rows drawn for a report
}

_WORD = 1 << 32
_LIMIT = 1 << 64


def stream(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """The generator of (seed, purpose, counters): Philox, a counter-based generator (Salmon et al., SC 2011).

    seed and counters are integers in 0 … 2⁶⁴ − 1, purpose a name in PURPOSES.  UsageError otherwise.
    """
    if purpose not in PURPOSES:
        raise UsageError(
            "unknown purpose of a random stream",
            got=repr(purpose),
            want=f"one of {', '.join(PURPOSES)}",
        )
    # SeedSequence pads with zeros and splits long integers, so (1, 2) = (1, 2, 0) and 2³² + 5 = (5, 1) to it.
    # The number of counters in front and two words for each make the key one-to-one.
    words = [len(counters), PURPOSES[purpose], *_words(seed, "seed")]
    for counter in counters:
        words += _words(counter, "counter")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))


def _words(value: int, name: str) -> tuple[int, int]:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if isinstance(value, bool) or not 0 <= number < _LIMIT:
        raise UsageError(f"the {name} of a random stream is out of range", got=repr(value), want="an integer 0 … 2⁶⁴−1")
    return number % _WORD, number // _WORD
