"""Slices through a network's loss: heights are the loss itself, principal components those of the path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.explain.test_doctor import clusters, fit, net

from denpa.draw.html import page
from denpa.draw.text import lines
from denpa.errors import UsageError
from denpa.explain.slices import loss_slice


def path(epochs: int = 6) -> tuple[Any, list[dict[str, Any]]]:
    network = net(6, 8, 3)
    times = [{n: p.value for n, p in network.parameters().items()}]
    for _ in range(epochs):
        network, _ = fit(network, clusters(), epochs=1)
        times.append({n: p.value for n, p in network.parameters().items()})
    return network, times


def flat(parameters: Any) -> Any:
    return np.concatenate([np.asarray(v).reshape(-1) for v in parameters.values()])


def test_principal_slice_of_a_training() -> None:
    network, times = path()
    x, t = clusters()
    found = loss_slice(network, x, t, times, points=9)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(found.path[-1], 0, atol=1e-12)  # the network itself
    moves = np.stack([flat(p) for p in times])
    top = np.sort(np.linalg.eigvalsh(np.cov((moves - moves.mean(axis=0)).T)))[::-1]
    assert found.kept == pytest.approx(top[:2].sum() / top.sum(), rel=1e-9)
    there = found.center + found.a[3] * found.directions[0] + found.b[5] * found.directions[1]
    values, at = {}, 0
    for name, p in network.parameters().items():
        values[name], at = there[at : at + p.size].reshape(p.shape), at + p.size
    assert found.heights[5, 3] == pytest.approx(float(network.with_parameters(values).loss(x, t).value), rel=1e-12)
    assert found.heights[5, 3] != pytest.approx(found.heights[3, 5], rel=1e-6)
    assert page(found.document()).count('class="chart"') == 2  # from above, and in height
    assert "first component" in "\n".join(lines(found.document()))


def test_slice_of_two_parameters() -> None:
    network, _ = path(1)
    x, t = clusters()
    found = loss_slice(network, x, t, ("0.weight[2, 3]", "2.bias[1]"), points=5, radius=1.0)
    assert found.heights[2, 2] == pytest.approx(float(network.loss(x, t).value), rel=1e-12)
    values = {n: np.array(p.value) for n, p in network.parameters().items()}
    values["0.weight"][2, 3] += 1.0
    assert found.heights[2, 4] == pytest.approx(float(network.with_parameters(values).loss(x, t).value), rel=1e-12)


@pytest.mark.parametrize(
    "along", [("0.weight[0,0]",), ("0.weight[0,0]", "0.weight[9,9]"), ("a", "a"), [], [{}, {}, {}]]
)
def test_what_cannot_be_meant(along: Any) -> None:
    network, times = path(1)
    with pytest.raises(UsageError):
        loss_slice(network, *clusters(), along)
    with pytest.raises(UsageError):
        loss_slice(network, *clusters(), [times[0]] * 4)


def test_what_a_learner_may_mistake() -> None:
    network, times = path(3)
    lost = [{n: v * np.nan for n, v in time.items()} for time in times]
    for arguments in ((3, *clusters(), times), (network, *clusters(), 5), (network, *clusters(), lost)):
        with pytest.raises(UsageError):
            loss_slice(*arguments, points=3)
    for radius in (0, -1, float("inf"), float("nan"), "1"):
        with pytest.raises(UsageError, match="radius"):
            loss_slice(network, *clusters(), times, points=3, radius=radius)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no parameter"):
        loss_slice(network, *clusters(), ("activation1[0,0]", "W[1][1,2]"), points=3)
    with pytest.raises(UsageError, match="same parameter"):
        loss_slice(network, *clusters(), ("0.weight[0,0]", "W[1][1,1]"), points=3)
