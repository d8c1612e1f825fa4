"""Layers whose W is a vector (one neuron, convolution of signals) are judged as such, and matrix layers are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.interop import vectors

import denpa as dp
from denpa.interop import FileReport, check_file
from denpa.interop.judging.faults import Outcome

FILE = Path(__file__).parent / "vectors.py"

# name → kind of error and what it is in; None for what is right
EXPECTED: dict[str, tuple[str, str] | None] = {
    "Neuron": None,
    "NeuronMean": ("extra_1_over_n", "dW"),
    "NeuronSign": ("sign", "dx"),
    "NeuronOneBias": None,
    "SigmoidNeuron": None,
    "SigmoidNeuronAtInput": ("other", "dx"),
    "Signals": None,
    "SignalsTurned": ("other", "dx"),
    "SignalsMeanBias": ("factor", "db"),
    "OneSignal": None,
    "OneSignalTurned": ("other", "dx"),
    "AffineSummedBias": ("over_summed", "db"),
    "AffineRaising": ("operand_transposed", "dx"),
    "neuron": None,
}


@pytest.fixture(scope="module")
def report() -> FileReport:
    return check_file(FILE, timeout=60)


def test_everything_in_the_file_is_judged(report) -> None:
    assert {j.name for j in report.judgements} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_verdict_and_the_kind_of_error(report, name) -> None:
    judgement = next(j for j in report.judgements if j.name == name)
    want = EXPECTED[name]
    assert judgement.outcome is (Outcome.RIGHT if want is None else Outcome.WRONG), str(judgement)
    assert want is None or want in {(f.kind, f.of) for f in judgement.faults}, str(judgement)


def test_a_wrong_neuron_is_shown_the_backward_of_a_neuron(report) -> None:
    text = str(next(j for j in report.judgements if j.name == "NeuronMean"))
    assert "np.outer(dout, W)" in text
    assert "axis=0" not in text


@pytest.mark.parametrize("name", [n for n in EXPECTED if n != "neuron" and not n.startswith("OneSignal")])
def test_objects_are_judged_as_their_classes(name, rng) -> None:
    W = rng.normal(size=(5, 4) if name.startswith("Affine") else 5 if "euron" in name else 3)
    b = np.zeros(4) if name.startswith("Affine") else np.zeros(1) if name == "NeuronOneBias" else np.float64(0.5)
    assert bool(dp.check_layer(getattr(vectors, name)(W, b))) is (EXPECTED[name] is None)
