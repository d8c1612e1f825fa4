"""scikit-learn's own judge on both estimators, as constructed and in three other settings."""

from __future__ import annotations

from typing import Any

import pytest

sklearn = pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from denpa.sklearn import DenpaClassifier, DenpaRegressor  # noqa: E402

VARIANTS: dict[str, dict[str, Any]] = {
    "float32": {"dtype": "float32"},
    "online": {"batch_size": 1, "max_iter": 20},
    "early stopping": {"early_stopping": True},
}
BOTH = (DenpaClassifier, DenpaRegressor)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([kind() for kind in BOTH])
def test_as_constructed(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([kind(**settings) for settings in VARIANTS.values() for kind in BOTH])
def test_in_other_settings(estimator: Any, check: Any) -> None:
    check(estimator)
