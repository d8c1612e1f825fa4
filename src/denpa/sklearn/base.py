"""What both estimators share: from scikit-learn's conventions to one training, and from its network to predictions."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from denpa.arrays import Array
from denpa.errors import DataError, UsageError
from denpa.graph import no_grad
from denpa.nn import Network, optim
from denpa.nn.choices import choose, number, whole
from denpa.sklearn import state
from denpa.sklearn.hooks import CallbackSupportMixin, Plateau, Told, begin
from denpa.sklearn.scaling import Scaling, SparseRows, dense, is_sparse
from denpa.sklearn.state import Learned
from denpa.train.callbacks import Callback, Moment
from denpa.train.checkpoint import Checkpoint
from denpa.train.fitting import Samples, Settings, history_of, train
from denpa.train.loop import Loop

ROWS = 10_000  # predicted together
SOLVERS = ("adam", "sgd", "adamw", "rmsprop", "adagrad")
SAME = {"logistic": "sigmoid"}  # scikit-learn's word for an activation: denpa's
FLOATS = (np.float64, np.float32)


class Estimator(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the two; they list the parameters."""

    network_: Network
    loss_curve_: list[float]
    validation_loss_curve_: list[float] | None
    n_iter_: int
    t_: int
    fallbacks_: tuple[str, ...]
    _learned: Learned

    # -- what a subclass says ------------------------------------------------------------------------------------------
    @abstractmethod
    def _targets(self, y: Array, fresh: bool) -> Array:
        """Labels or numbers as the loss takes them; sets what is learned of them when `fresh`."""

    @abstractmethod
    def _outputs(self, y: Array) -> tuple[int, str, str]:
        """Number of outputs, output function and loss for these targets."""

    def _class_weights(self, y: Array) -> Array | None:
        """(n,), or None without."""
        return None

    def _strata(self, y: Array) -> Array | None:
        """What a random split keeps the shares of."""
        return None

    # -- training ------------------------------------------------------------------------------------------------------
    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        valid: tuple[Any, Any, Any] | None = None,
        *,
        incremental: bool = False,
    ) -> None:
        """One training; `incremental`: one epoch more, on these rows, without a stop."""
        self._check_parameters()
        fresh = not ((incremental or self.warm_start) and hasattr(self, "network_"))
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        known = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        X, y = self._validated(X, y, reset=fresh)
        w = self._weights(sample_weight, X, y)
        t = self._targets(y, fresh and not (incremental and hasattr(self, "classes_")))
        seed = int(check_random_state(self.random_state).randint(1 << 31)) if fresh else self._learned.seed
        if valid is not None:
            Xv, yv = self._validated(valid[0], valid[1], reset=False)
            watched = Xv, self._targets(yv, False), self._weights(valid[2], Xv, yv)
        elif self.early_stopping and not incremental:
            (X, t, w), watched = self._divided(X, y, t, w, seed)
        else:
            watched = None
        try:
            if fresh:
                self._begin(X, y, t, w, seed)
            elif incremental:
                self._rescale(X, t, w)
            self._train(X, t, w, watched, known, incremental)
        except BaseException:
            if fresh:
                self.__dict__.pop("network_", None)  # a network that was not trained is no fitted one
            raise

    def _check_parameters(self) -> None:
        number("alpha", self.alpha, 0)
        number("tol", self.tol, 0)
        whole("max_iter", self.max_iter, 1, 1 << 40)
        whole("n_iter_no_change", self.n_iter_no_change, 1, 1 << 60)
        number("validation_fraction", self.validation_fraction, 0, 1, open_low=True, open_high=True)
        choose("dtype", self.dtype, dict.fromkeys(("auto", "float32", "float64")))
        choose("solver", self.solver, dict.fromkeys(SOLVERS))

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Any, Array]:
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            multi_output=True,
            y_numeric=is_regressor(self),
            dtype=FLOATS,
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _weights(self, sample_weight: Any, X: Any, y: Array) -> Array | None:
        """(n,) float64; None where all rows count the same."""
        by_class = self._class_weights(y)
        if sample_weight is None and by_class is None:
            return None
        w: Array = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if by_class is not None:
            w = w * by_class
        if not w.any():
            raise DataError("all sample weights are zero", want="at least one above 0")
        return w

    def _divided(self, X: Any, y: Array, t: Array, w: Array | None, seed: int) -> tuple[Any, Any]:
        """x, t and w of the rows to train on, and of those to watch."""
        from sklearn.model_selection import train_test_split

        rows = np.arange(len(y)) if w is None else np.flatnonzero(w)  # a row without weight is as if it were not there
        fraction, strata = self.validation_fraction, self._strata(y[rows])
        if strata is not None:
            _, counts = np.unique(strata, return_counts=True)
            few = round(fraction * len(rows))
            if counts.min() < 2 or min(few, len(rows) - few) < len(counts):
                strata = None  # a class with one row, or a part with fewer rows than classes
        parts = train_test_split(rows, test_size=fraction, random_state=seed, stratify=strata)
        found = [(X[part], t[part], None if w is None else w[part]) for part in parts]
        return found[0], found[1]

    def _begin(self, X: Any, y: Array, t: Array, w: Array | None, seed: int) -> None:
        """A new network, and the scales of its inputs and targets."""
        n_out, output, loss = self._outputs(y)
        hidden = self.hidden_layer_sizes
        hidden = list(hidden) if np.iterable(hidden) else [hidden]
        self.network_ = Network(
            [X.shape[1], *hidden, n_out],
            hidden=str(SAME.get(self.activation, self.activation)),
            output=output,
            loss=loss,
            init=None if self.init == "auto" else self.init,
            seed=seed,
            dtype=X.dtype.name if self.dtype == "auto" else self.dtype,
            dropout=self.dropout,
        )
        self.n_iter_, self.t_, self.loss_curve_, self.validation_loss_curve_ = 0, 0, [], None
        self._learned = Learned(
            seed,
            0,
            self._optimizer().init(self.network_.parameters()),
            Scaling(X.shape[1]) if self.standardize else None,
            Scaling(n_out) if self.standardize and is_regressor(self) else None,
            multilabel=is_classifier(self) and y.ndim == 2,
        )
        self._rescale(X, t, w)

    def _rescale(self, X: Any, t: Array, w: Array | None) -> None:
        if self._learned.inputs is not None:
            self._learned.inputs.update(X, w)
        if self._learned.targets is not None:
            self._learned.targets.update(t.reshape(len(t), -1), w)

    def _optimizer(self) -> optim.Optimizer:
        if self.solver == "sgd":
            return optim.SGD(momentum=self.momentum, nesterov=bool(self.nesterovs_momentum and self.momentum))
        if self.solver in ("adam", "adamw"):
            kind = optim.Adam if self.solver == "adam" else optim.AdamW
            return kind(beta1=self.beta_1, beta2=self.beta_2, eps=self.epsilon)
        return optim.by_name(self.solver)

    def _samples(self, X: Any, t: Array, w: Array | None) -> tuple[Any, ...]:
        """Scaled, in the network's dtype; w is left out where all rows count the same."""
        dtype, targets = self.network_.dtype, self._learned.targets
        if self.network_.loss_function.name != "softmax_cross_entropy":
            several = t.dtype == np.int64 and self.n_outputs_ > 1
            t = (np.eye(self.n_outputs_)[t] if several else t.reshape(len(t), -1)).astype(dtype)
            if targets is not None:
                t = targets(t)
        x = SparseRows(X, self._learned.inputs, dtype) if is_sparse(X) else self._scaled(X, dtype)
        return (x, t) if w is None else (x, t, (w / w.mean()).astype(dtype))

    def _scaled(self, X: Any, dtype: Any) -> Array:
        x = dense(X).astype(dtype, copy=False)
        return np.ascontiguousarray(x if self._learned.inputs is None else self._learned.inputs(x))

    def _train(self, X: Any, t: Array, w: Array | None, watched: Any, known: dict[str, Any], incremental: bool) -> None:
        n, epochs = len(t), 1 if incremental else self.max_iter
        size = min(200, n) if self.batch_size == "auto" else whole("batch_size", self.batch_size, 1, 1 << 40)
        stop = self.early_stopping and not incremental
        settings = Settings(
            optimizer=self._optimizer(),
            learning_rate=self.learning_rate_init,
            schedule=self.learning_rate,
            batch_size=min(size, n),
            epochs=self.n_iter_ + epochs,
            monitor="valid_loss" if stop else "last",
            clip=self.clip,
            seed=self._learned.seed,
            engine=self.engine,
        )
        context = begin(self, known, epochs)
        plateau = Plateau("valid_loss" if stop else "train_loss", self.tol, self.n_iter_no_change)
        callbacks: list[Callback] = [*self._callbacks(), *([] if incremental else [plateau])]
        if context is not None and getattr(self, "_skl_callbacks", None):
            callbacks.append(Told(context, self._reconstruct, known))
        rows = self._samples(X, t, w)
        valid = None if watched is None else tuple(v[:] for v in self._samples(*watched))
        samples = Samples(rows[0], rows[1], rows[2] if w is not None else None, valid, shuffle=self.shuffle)
        parameters = {name: p.value for name, p in self.network_.parameters().items()}
        at = Checkpoint(self._learned.step, self.n_iter_ + 1, 0, parameters, dict(self._learned.optimizer))
        penalty = self.alpha if w is None else self.alpha * n / w.sum()  # α / Σ wᵢ for a full batch, as MLPClassifier
        loop = train(self.network_, settings, samples, at, callbacks=callbacks, penalty=penalty)
        self._keep(loop, n)
        if context is not None:
            context.call_on_fit_task_end(**known, reconstruction_attributes={})
        if self.tol and not incremental and not loop.stopped_early:
            warnings.warn(
                f"the training ended after max_iter={self.max_iter} epochs, before the loss had settled",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _callbacks(self) -> Iterable[Callback]:
        given = self.callbacks
        return () if given is None else (given,) if isinstance(given, Callback) else given

    def _keep(self, loop: Loop, n: int) -> None:
        rows = history_of(loop)
        self.network_ = self.network_.with_parameters(loop.kept)
        self._learned.step, self._learned.optimizer = loop.at.step, loop.at.optimizer
        self.n_iter_ = loop.at.epoch - 1
        self.t_ += n * len(rows)
        self.loss_curve_ = [*self.loss_curve_, *(row["train_loss"] for row in rows)]
        if any("valid_loss" in row for row in rows):
            self.validation_loss_curve_ = [*(self.validation_loss_curve_ or ()), *(row["valid_loss"] for row in rows)]
        self.fallbacks_ = loop.fallbacks

    def _reconstruct(self, now: Moment) -> dict[str, Any]:
        return {"network_": now.network, "_learned": self._learned, "n_iter_": now.epoch}

    # -- predictions ---------------------------------------------------------------------------------------------------
    def _logits(self, X: Any) -> Array:
        """(n, n_out): the last layer before its output function."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=False)
        dtype = np.result_type(X.dtype, self.network_.dtype)
        network = self.network_
        if dtype != network.dtype:
            network = network.with_parameters({n: p.value.astype(dtype) for n, p in network.parameters().items()})
        found = []
        with no_grad():
            for start in range(0, X.shape[0], ROWS):
                found.append(network.logits(self._scaled(X[start : start + ROWS], dtype)).value)
        return np.concatenate(found)

    # -- what was learned ----------------------------------------------------------------------------------------------
    @property
    def coefs_(self) -> list[Array]:
        """A weight matrix for each layer, (n_in, n_out) as MLPClassifier's: read-only views of the network's."""
        return [p.value.T for name, p in self.network_.parameters().items() if name.endswith("weight")]

    @property
    def intercepts_(self) -> list[Array]:
        """(n_out,) for each layer."""
        return [p.value for name, p in self.network_.parameters().items() if name.endswith("bias")]

    @property
    def loss_(self) -> float:
        return self.loss_curve_[-1]

    @property
    def best_loss_(self) -> float:
        return min(self.loss_curve_)

    @property
    def best_validation_loss_(self) -> float | None:
        """None where no rows were watched."""
        return min(self.validation_loss_curve_) if self.validation_loss_curve_ else None

    @property
    def n_layers_(self) -> int:
        return len(self.network_.units)

    @property
    def n_outputs_(self) -> int:
        return self.network_.units[-1]

    @property
    def out_activation_(self) -> str:
        """ "softmax", "logistic" or "identity"."""
        return {there: here for here, there in SAME.items()}.get(self.network_.output, self.network_.output)

    # -- scikit-learn --------------------------------------------------------------------------------------------------
    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        packed: dict[str, Any] = state.pack(super().__getstate__())
        return packed

    def __setstate__(self, given: dict[str, Any]) -> None:
        super().__setstate__(state.unpack(given))


def validation_of(X_val: Any, y_val: Any, sample_weight_val: Any) -> tuple[Any, Any, Any] | None:
    """The three as one.  UsageError for a part of them."""
    if (X_val is None) != (y_val is None) or (X_val is None and sample_weight_val is not None):
        raise UsageError("X_val and y_val go together, and sample_weight_val with them", fix="give both, or neither")
    return None if X_val is None else (X_val, y_val, sample_weight_val)
