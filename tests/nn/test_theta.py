"""θ of seed 001 (8): row by row, each weight matrix with its bias as last column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from denpa import nn
from denpa.errors import ShapeError
from denpa.graph import Tensor, tensor
from denpa.nn.theta import unflatten
from denpa.transforms import grad


def test_the_order_of_seed_001() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 1)).with_parameters(
        {
            "0.weight": [[11.0, 12.0], [21.0, 22.0]],
            "0.bias": [13.0, 23.0],
            "2.weight": [[111.0, 112.0]],
            "2.bias": [113.0],
        }
    )
    assert nn.theta(model).tolist() == [11, 12, 13, 21, 22, 23, 111, 112, 113]
    back = nn.from_theta(model, np.arange(9.0))
    assert back.parameters()["0.weight"].value.tolist() == [[0, 1], [3, 4]]
    assert back.parameters()["2.bias"].value.tolist() == [8]


@pytest.mark.parametrize("bias", [True, False])
def test_there_and_back(bias: bool, rng: np.random.Generator) -> None:
    model = nn.Network([5, 4, 3], bias=bias, seed=2, dtype="float64")
    theta = nn.theta(model)
    assert theta.shape == (sum(p.size for p in model.parameters().values()),)
    again = nn.from_theta(model, theta).parameters()
    for name, p in model.parameters().items():
        assert np.array_equal(p.value, again[name].value)
    assert np.array_equal(nn.theta(nn.from_theta(model, 2 * theta)), 2 * theta)
    x, t = rng.standard_normal((3, 5)), [0, 1, 2]
    by_name = grad(lambda n: n.loss(x, t))(model)
    by_theta = grad(lambda w: nn.from_theta(model, w).loss(x, t))(theta)
    assert np.array_equal(nn.theta(by_name), by_theta)


def test_tensors_stay_tensors() -> None:
    model = nn.Network([5, 4, 3])
    vector = tensor(nn.theta(model), name="theta")
    parts = unflatten(model.shapes(), vector)
    assert all(isinstance(p, Tensor) for p in parts.values())
    assert isinstance(nn.theta(parts), Tensor)
    assert np.array_equal(nn.theta(parts).value, vector.value)


@pytest.mark.parametrize("vector", [np.zeros(8), np.zeros(10), np.zeros((9, 1)), 0.0])
def test_a_vector_of_another_length(vector: Any) -> None:
    with pytest.raises(ShapeError, match=r"\(9,\)"):
        nn.from_theta(nn.Network([2, 2, 1], output="identity"), vector)
