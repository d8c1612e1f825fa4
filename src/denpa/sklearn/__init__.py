"""scikit-learn estimators on denpa's networks: the names of MLPClassifier and MLPRegressor, and a network to look into.

    model = DenpaClassifier(hidden_layer_sizes=(64, 64), early_stopping=True).fit(X, y)
    model.network_          # an nn.Network: trace, explain, check and draw it

Source: the interface is scikit-learn's, https://scikit-learn.org/stable/developers/develop.html.
"""

from __future__ import annotations

from denpa.errors import require

require("sklearn", for_="denpa.sklearn", extra="sklearn")

from denpa.sklearn.estimators import DenpaClassifier, DenpaRegressor  # noqa: E402  the check comes first

__all__ = ["DenpaClassifier", "DenpaRegressor"]
