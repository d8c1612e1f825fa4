"""DenpaClassifier and DenpaRegressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from denpa.arrays import Array
from denpa.errors import DataError
from denpa.nn.choices import choose
from denpa.sklearn.base import Estimator, validation_of
from denpa.sklearn.hooks import with_callbacks

_LOSSES = {"log_loss": None, "squared_error": "squared_error"}
_REGRESSION = dict.fromkeys(("squared_error", "absolute_error", "huber"))


class DenpaClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A network for two classes (one logistic output), several (softmax), or several labels a row (logistic outputs).

    The parameters of MLPClassifier mean what they mean there, but for these.  solver: "adam", "sgd", "adamw", "rmsprop"
    or "adagrad".  activation: also denpa's others.  learning_rate: a schedule of nn.schedules, "constant" or "cosine".
    early_stopping watches the loss, not the accuracy, of X_val where it is given, and keeps the best epoch's weights.
    warm_start goes on where the last fit ended, the optimiser's state and the input's scale included.

    standardize: scale inputs to mean 0 and deviation 1 inside.  loss: "log_loss" or "squared_error".
    class_weight: None, "balanced" or {class: weight}.  dropout: of hidden units.  clip: the largest gradient norm, 0
    for none.  init: of nn.init, "auto" by activation.  dtype: "auto" computes in that of X.  engine: see denpa.engine.
    callbacks: of denpa.train.callbacks; scikit-learn's own go through `set_callbacks`.

    Fitted: network_ (an nn.Network of the scaled inputs), classes_, coefs_, intercepts_, loss_curve_ (without the
    penalty), validation_loss_curve_, loss_, best_loss_, best_validation_loss_, n_iter_, t_, n_layers_, n_outputs_,
    out_activation_, fallbacks_ (what the engine left to NumPy), n_features_in_, feature_names_in_.
    """

    classes_: Array

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        standardize: bool = True,
        loss: str = "log_loss",
        class_weight: Any = None,
        dropout: float = 0.0,
        clip: float = 0.0,
        init: str = "auto",
        dtype: str = "auto",
        engine: str = "auto",
        callbacks: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.standardize = standardize
        self.loss = loss
        self.class_weight = class_weight
        self.dropout = dropout
        self.clip = clip
        self.init = init
        self.dtype = dtype
        self.engine = engine
        self.callbacks = callbacks

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> DenpaClassifier:
        """X (n, features), dense, sparse or a table; y (n,) labels, or (n, k) of 0 and 1.

        DataError (a ValueError) for rows, labels and weights that cannot be used; TrainingError when it diverges.
        """
        self._fit(X, y, sample_weight, validation_of(X_val, y_val, sample_weight_val))
        return self

    @with_callbacks
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> DenpaClassifier:
        """One epoch over these rows.  classes: all labels there will be, with the first call, unless y has them all.

        The scale of the inputs is that of all rows so far.  early_stopping does not count here.
        """
        if classes is not None:
            given = np.unique(classes)
            if hasattr(self, "network_") and not np.array_equal(given, self.classes_):
                raise DataError("classes are not those of the first call", got=str(given), want=str(self.classes_))
            self.classes_ = given
        self._fit(X, y, sample_weight, incremental=True)
        return self

    def _targets(self, y: Array, fresh: bool) -> Array:
        check_classification_targets(y)
        kind = type_of_target(y)
        if kind == "multilabel-indicator":
            if fresh or not hasattr(self, "network_"):
                self.classes_ = np.arange(y.shape[1])
            if y.shape[1] != len(self.classes_):
                raise DataError("other labels than before", got=f"{y.shape[1]}", want=f"{len(self.classes_)}")
            return np.asarray(y, np.float64)
        if y.ndim != 1:
            raise DataError("several classes for each row", got=kind, want="one class, or labels of 0 and 1")
        if fresh:
            self.classes_ = np.unique(y)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise DataError("y has classes that were not there before", got=str(unknown[:5]), want=str(self.classes_))
        if len(self.classes_) < 2:
            raise DataError("a classifier needs at least 2 classes", got=f"1 class, {self.classes_[0]}")
        return np.searchsorted(self.classes_, y).astype(np.int64)

    def _outputs(self, y: Array) -> tuple[int, str, str]:
        k, loss = len(self.classes_), choose("loss", self.loss, _LOSSES)
        if y.ndim == 2:
            return k, "sigmoid", loss or "sigmoid_cross_entropy"
        if k == 2:
            return 1, "sigmoid", loss or "sigmoid_cross_entropy"
        return k, "softmax", loss or "softmax_cross_entropy"

    def _class_weights(self, y: Array) -> Array | None:
        if self.class_weight is None:
            return None
        weights: Array = compute_sample_weight(self.class_weight, y)
        return weights

    def _strata(self, y: Array) -> Array | None:
        return np.searchsorted(self.classes_, y) if y.ndim == 1 else None

    def predict(self, X: Any) -> Array:
        """Labels (n,), or 0 and 1 (n, k)."""
        z = self._logits(X)
        if self._learned.multilabel:
            return (z > 0).astype(int)
        found: Array = self.classes_[(z[:, 0] > 0).astype(int) if z.shape[1] == 1 else z.argmax(axis=1)]
        return found

    def predict_proba(self, X: Any) -> Array:
        """(n, classes), or for several labels a row (n, k), in the order of classes_."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithms, computed from the logits: finite where the probability itself is too small for a float."""
        z = self._logits(X)
        if self._learned.multilabel:
            return -np.logaddexp(0, -z)
        if z.shape[1] == 1:
            return -np.logaddexp(0, np.concatenate([z, -z], axis=1))
        z = z - z.max(axis=1, keepdims=True)
        found: Array = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class DenpaRegressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A network for one number or several.

    The parameters are those of DenpaClassifier but for class_weight.  loss: "squared_error", "absolute_error" or
    "huber".  standardize: also the targets; loss_curve_ and validation_loss_curve_ are then in units of their
    deviation, predictions in the targets' own.
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        standardize: bool = True,
        loss: str = "squared_error",
        dropout: float = 0.0,
        clip: float = 0.0,
        init: str = "auto",
        dtype: str = "auto",
        engine: str = "auto",
        callbacks: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.standardize = standardize
        self.loss = loss
        self.dropout = dropout
        self.clip = clip
        self.init = init
        self.dtype = dtype
        self.engine = engine
        self.callbacks = callbacks

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> DenpaRegressor:
        """X (n, features), dense, sparse or a table; y (n,) or (n, k) numbers.

        DataError (a ValueError) for rows, numbers and weights that cannot be used; TrainingError when it diverges.
        """
        self._fit(X, y, sample_weight, validation_of(X_val, y_val, sample_weight_val))
        return self

    @with_callbacks
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> DenpaRegressor:
        """One epoch over these rows; the scales are those of all rows so far.  early_stopping does not count here."""
        self._fit(X, y, sample_weight, incremental=True)
        return self

    def _targets(self, y: Array, fresh: bool) -> Array:
        wanted = self.network_.units[-1] if hasattr(self, "network_") and not fresh else None
        k = y.shape[1] if y.ndim == 2 else 1
        if wanted not in (None, k):
            raise DataError("another number of targets than before", got=f"{k}", want=f"{wanted}")
        return np.asarray(y, np.float64)

    def _outputs(self, y: Array) -> tuple[int, str, str]:
        choose("loss", self.loss, _REGRESSION)
        return (y.shape[1] if y.ndim == 2 else 1), "identity", self.loss

    def predict(self, X: Any) -> Array:
        """Numbers, (n,) or (n, k)."""
        z = self._logits(X)
        if self._learned.targets is not None:
            z = self._learned.targets.back(z)
        return z[:, 0] if z.shape[1] == 1 else z

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
