"""scikit-learn's own judge on both estimators, as constructed and in three other settings."""

from __future__ import annotations

from typing import Any

import pytest

sklearn = pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from denpa.sklearn import DenpaClassifier, DenpaRegressor  # noqa: E402

BOTH = (DenpaClassifier, DenpaRegressor)
VARIANTS: dict[str, dict[str, Any]] = {
    "float32": {"dtype": "float32"},
    "online": {"batch_size": 1, "max_iter": 20},
    "early stopping": {"early_stopping": True},
}
WEIGHTS = ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data")
WHY = {  # these checks compare rows with integer weights to the same rows repeated, to a relative 1e-7
    "float32": "1e-7 is its unit of rounding, and the sums of 15 weighted and 27 repeated rows are rounded differently",
    "online": "one step on a row of weight 2 is not two steps on that row",
    "early stopping": "the rows to watch are drawn at random: from 15 rows others than from 27",
}


def expected(estimator: Any) -> dict[str, str]:
    """By the name of a check; empty as constructed."""
    for name, settings in VARIANTS.items():
        if settings.items() <= estimator.get_params().items():
            return dict.fromkeys(WEIGHTS, WHY[name])
    return {}


def test_nothing_is_expected_to_fail_as_constructed() -> None:
    assert [expected(kind()) for kind in BOTH] == [{}, {}]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([kind() for kind in BOTH])
def test_as_constructed(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [kind(**settings) for settings in VARIANTS.values() for kind in BOTH], expected_failed_checks=expected
)
def test_in_other_settings(estimator: Any, check: Any) -> None:
    check(estimator)
