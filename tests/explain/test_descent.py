"""Descent: the updates are those of the formula, the verdicts and kinds those that theory gives, the pages complete."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import denpa as dp
from denpa.draw import plots
from denpa.draw.contour import segments
from denpa.draw.html import page
from denpa.draw.text import lines
from denpa.errors import UsageError
from denpa.explain.charts import Contour
from denpa.explain.descent import rates_around
from denpa.explain.descent_pages import directions
from denpa.explain.document import walk


def bowl(x: Any, y: Any) -> Any:
    """Hessian diag(2, 8): gradient descent diverges above 2/8 = 0.25."""
    return x**2 + 4 * y**2


def test_every_step_is_minus_eta_times_the_gradient() -> None:
    found = dp.descend(bowl, (2.0, 1.0), learning_rate=0.1, steps=5)
    path = [np.array([2.0, 1.0])]
    for _ in range(5):
        path.append(path[-1] - 0.1 * np.array([2.0, 8.0]) * path[-1])
    np.testing.assert_allclose(found.path, path, rtol=1e-14)
    np.testing.assert_allclose(found.values, [x * x + 4 * y * y for x, y in path], rtol=1e-14)
    assert found.gradients.shape == (6, 2)


@pytest.mark.parametrize(
    ("rate", "verdict"),
    [(0.1, "converged"), (0.0001, "slow"), (0.25, "oscillating"), (0.2499, "oscillating"), (0.26, "diverged")],
)
def test_the_verdict_follows_the_learning_rate(rate: float, verdict: str) -> None:
    assert dp.descend(bowl, (2.0, 1.0), learning_rate=rate).verdict == verdict


def test_a_value_that_overflows_is_a_divergence_and_no_error() -> None:
    found = dp.descend(bowl, (2.0, 1.0), learning_rate=1e200)
    assert found.verdict == "diverged"
    assert found.kind == "slope"


@pytest.mark.parametrize(
    ("f", "x0", "kind"),
    [
        (bowl, (2.0, 1.0), "minimum"),
        (lambda x, y: x**2 - y**2, (2.0, 0.0), "saddle"),  # along y = 0 nothing leads away from the saddle
        (lambda x, y: -(x**2) - y**2, (0.0, 0.0), "maximum"),
        (lambda x, y: dp.tanh(x) + 0 * y, (-12.0, 0.0), "plateau"),
        (lambda x, y: (x - y) ** 2, (2.0, 0.0), "valley"),
        (lambda x, y: x + 0 * y, (0.0, 0.0), "slope"),
    ],
)
def test_the_kind_of_the_end_point(f: Any, x0: Any, kind: str) -> None:
    assert dp.descend(f, x0).kind == kind


def test_eigenvalues_are_those_of_the_hessian() -> None:
    rng = np.random.default_rng(3)
    A = rng.normal(size=(5, 5))
    A = A @ A.T + np.eye(5)
    found = dp.descend(lambda x: 0.5 * dp.sum(x * (A @ x)), rng.normal(size=5), learning_rate=0.01)
    assert found.eigenvalues is not None
    np.testing.assert_allclose(found.eigenvalues, np.linalg.eigvalsh(A), rtol=1e-9)


@pytest.mark.parametrize("method", ["gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"])
def test_methods_are_those_of_the_optimisers(method: str) -> None:
    torch = pytest.importorskip("torch")
    x = torch.tensor([2.0, 1.0], dtype=torch.float64, requires_grad=True)
    kinds = {
        "gd": lambda: torch.optim.SGD([x], 0.05),
        "momentum": lambda: torch.optim.SGD([x], 0.05, momentum=0.9),
        "nesterov": lambda: torch.optim.SGD([x], 0.05, momentum=0.9, nesterov=True),
        "adagrad": lambda: torch.optim.Adagrad([x], 0.05),
        "rmsprop": lambda: torch.optim.RMSprop([x], 0.05),
        "adam": lambda: torch.optim.Adam([x], 0.05),
        "adamw": lambda: torch.optim.AdamW([x], 0.05),
    }
    optimizer = kinds[method]()
    for _ in range(10):
        optimizer.zero_grad()
        (x[0] ** 2 + 4 * x[1] ** 2).backward()
        optimizer.step()
    found = dp.descend(bowl, (2.0, 1.0), method, learning_rate=0.05, steps=10)
    np.testing.assert_allclose(found.x, x.detach().numpy(), rtol=1e-9)


def terms(count: int = 6) -> list[Any]:
    return [lambda x, y, k=k: (x - k) ** 2 + (y + k) ** 2 for k in range(count)]


def test_sgd_takes_one_term_a_step_and_repeats_with_its_seed() -> None:
    found = dp.descend(terms(), (9.0, 9.0), "sgd", learning_rate=0.1, steps=20, seed=4)
    moves = np.diff(found.path, axis=0)
    for x, move in zip(found.path[:-1], moves, strict=True):
        one = [-0.1 * 2 * np.array([x[0] - k, x[1] + k]) for k in range(6)]
        assert min(np.abs(move - m).max() for m in one) < 1e-12
    assert np.array_equal(found.path, dp.descend(terms(), (9.0, 9.0), "sgd", steps=20, seed=4).path)
    assert not np.array_equal(found.path, dp.descend(terms(), (9.0, 9.0), "sgd", steps=20, seed=5).path)
    assert found.batch_values.shape == (20,)
    whole = dp.descend(terms(), (9.0, 9.0), "gd", steps=20)
    assert np.array_equal(whole.batch_values, whole.values[:-1])


def test_the_steepest_of_all_steps_of_one_length_is_along_the_negative_gradient() -> None:
    angles, changes, predicted = directions(dp.descend(bowl, (2.0, 1.0), learning_rate=0.1))
    assert abs(angles[np.argmin(changes)]) <= 5
    np.testing.assert_allclose(changes, predicted, atol=0.05 * np.abs(predicted).max())
    # the check can fail: measured from another direction, the steepest angle is another
    assert abs(angles[np.argmin(np.roll(changes, 9))]) > 5


def test_rates_go_from_too_small_to_divergence() -> None:
    runs = rates_around(dp.descend(bowl, (2.0, 1.0), learning_rate=0.05))
    assert runs[0].verdict == "slow"
    assert [r.verdict for r in runs].count("diverged") == 1
    assert runs[-1].learning_rate > 0.25


@pytest.mark.parametrize(
    ("f", "x0", "method", "rate"),
    [
        (bowl, (2.0, 1.0), "gd", 0.05),
        (bowl, (2.0, 1.0), "gd", 10.0),
        (bowl, (0.0, 0.0), "gd", 0.1),
        (lambda x: dp.sum(x**2), np.ones(7), "adam", 0.1),
        (lambda x: x**4, 3.0, "gd", 0.01),
        (terms(), (9.0, 9.0), "sgd", 0.1),
    ],
)
def test_the_document_can_be_shown_in_both_languages(f: Any, x0: Any, method: str, rate: float) -> None:
    document = dp.descend(f, x0, method, learning_rate=rate).document()
    for language in ("en", "ja"):
        text = "\n".join(lines(document, language))  # type: ignore[arg-type]
        assert "nan" not in text.lower()
    assert "<svg" in page(document)
    assert any(isinstance(part, Contour) for part in walk(document)) == (np.size(x0) == 2)


@pytest.mark.parametrize(
    ("f", "x0", "options"),
    [
        (bowl, (2.0, 1.0), {"method": "newton"}),
        (bowl, (2.0, 1.0), {"method": "sgd"}),
        (bowl, (2.0, np.nan), {}),
        (bowl, "ab", {}),
        (bowl, (2.0, 1.0), {"momentum": 2.0, "method": "momentum"}),
        ([], (2.0, 1.0), {}),
        (3, (2.0, 1.0), {}),
        (bowl, (2.0, 1.0), {"steps": -1}),
    ],
)
def test_what_cannot_be_meant(f: Any, x0: Any, options: Any) -> None:
    with pytest.raises(UsageError):
        dp.descend(f, x0, **options)


# -- level lines -------------------------------------------------------------------------------------------------------
def test_level_lines_of_a_circle_have_its_radius_and_length() -> None:
    x, y = np.linspace(-2, 2, 81), np.linspace(-2, 2, 61)
    found = segments(x, y, x[None] ** 2 + y[:, None] ** 2, 1.0)
    assert np.abs(np.hypot(found[..., 0], found[..., 1]) - 1).max() < 2e-3
    assert np.linalg.norm(found[:, 0] - found[:, 1], axis=1).sum() == pytest.approx(2 * np.pi, rel=2e-3)
    ends = np.round(found.reshape(-1, 2), 9)
    assert (np.unique(ends, axis=0, return_counts=True)[1] % 2 == 0).all()  # closed: every end belongs to two pieces


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("middle", [0.1, -0.1])
def test_a_saddle_square_keeps_the_corners_on_the_side_of_its_middle_together(sign: int, middle: float) -> None:
    heights = sign * np.array([[1.0, -1.0], [-1.0, 1.0]]) + middle
    found = segments(np.array([0.0, 1.0]), np.array([0.0, 1.0]), heights, 0.0)
    assert len(found) == 2
    for piece in found:  # each piece cuts off one corner of the other sign than the middle
        corner = np.round(piece.mean(axis=0)).astype(int)
        assert np.sign(heights[corner[1], corner[0]]) == -np.sign(middle)


def test_heights_that_are_not_finite_leave_a_hole() -> None:
    heights = np.array([[0.0, 1.0, np.nan], [0.0, 1.0, np.inf], [0.0, 1.0, 1.0]])
    x = np.arange(3.0)
    found = segments(x, x, heights, 0.5)
    assert len(found) == 2
    chart = Contour((0.0, 1.0, 2.0), (0.0, 1.0, 2.0), tuple(map(tuple, heights.tolist())), (0.5,), "x", "y")
    assert "nan" not in plots.svg(chart, language="en")


@pytest.mark.parametrize("start", [(1.0,), (1.0, 2.0, 3.0)])
def test_as_many_numbers_as_arguments(start: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="each argument"):
        dp.descend(lambda x, y: x * x + y * y, start)
