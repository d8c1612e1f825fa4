"""The report's gradient check: a trained network passes, and one with a wrong rule does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.train import worker

from denpa import nn
from denpa.graph import FUNCTIONS
from denpa.primitive import REGISTRY
from denpa.train.gradient_check import ENTRIES, check_network
from denpa.train.recording import record_of
from denpa.train.training import train


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh", "gelu"])
@pytest.mark.parametrize("output", ["softmax", "identity"])
def test_right_gradients_agree(activation: str, output: str, rng: np.random.Generator) -> None:
    network = nn.Network([6, 5, 4, 3], hidden=activation, output=output, seed=int(rng.integers(1000)))
    t = rng.integers(0, 3, 10) if output == "softmax" else rng.standard_normal((10, 3))
    found = check_network(network, rng.standard_normal((10, 6)), t, seed=0)
    # a row of data that leaves a whole ReLU layer dark makes the next layer's preactivation its bias, 0: a kink
    assert {row.verdict for row in found.rows} <= ({"agrees", "kink"} if activation == "relu" else {"agrees"})
    assert sum(row.verdict == "agrees" for row in found.rows) > len(found.rows) / 2
    assert len(found.rows) == sum(min(p.size, ENTRIES) for p in network.parameters().values())
    assert found.rows[0].parameter.startswith("0.weight[")


@pytest.mark.parametrize("factor", [2.0, -1.0, 1 + 1e-4, 1 + 1e-6, 0.0])
def test_a_wrong_rule_differs(factor: float, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    op = REGISTRY["sigmoid"]
    monkeypatch.setattr(op, "needs", False)
    monkeypatch.setattr(op, "rule", lambda g, out, x: (g * factor * out * (1 - out),))
    assert FUNCTIONS["sigmoid"] is op
    network = nn.Network([6, 5, 3], hidden="sigmoid", seed=1)
    found = check_network(network, rng.standard_normal((10, 6)), rng.integers(0, 3, 10), seed=0)
    by_layer = {n: {r.verdict for r in found.rows if r.parameter.startswith(n)} for n in ("0.", "2.")}
    assert "differs" in by_layer["0."]
    assert by_layer["2."] == {"agrees"}, "the last layer's gradient does not pass through the sigmoid"


def test_a_record_of_every_kind_of_run(tmp_path: Path) -> None:
    done = train(worker.settings(epochs=2), worker.dataset(), tmp_path / "run")
    record = record_of(done)
    assert record.evaluated_on == "valid"
    assert record.confusion is not None
    assert sum(map(sum, record.confusion)) == record.data.rows_valid == 81
    wrong = sum(map(sum, record.confusion)) - sum(row[i] for i, row in enumerate(record.confusion))
    assert record.misclassified_total == wrong
    assert record.metrics["accuracy"] == 1 - wrong / 81
    confidence = [m.probability for m in record.misclassified]
    assert confidence == sorted(confidence, reverse=True)
    for m in record.misclassified:
        row = done.parts.valid[m.row]
        assert worker.dataset().targets[row] == m.true != m.predicted
        np.testing.assert_array_equal(m.inputs, worker.dataset().inputs[row])
    assert [e["epoch"] for e in record.history] == [1, 2]
    assert record.gradient_check is not None
    assert "differs" not in {row.verdict for row in record.gradient_check.rows}
    assert record.network.sizes == (12, 16, 8, 3)
    assert record.data.class_counts is not None
    assert sum(record.data.class_counts) == record.data.rows_train == 322


def test_a_record_of_a_stopped_run(tmp_path: Path) -> None:
    done = train(worker.settings(), worker.dataset(), tmp_path / "run", should_stop=lambda: True)
    record = record_of(done)
    assert record.status == "interrupted"
    assert record.metrics == {}
    assert record.history == []
