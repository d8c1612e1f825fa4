"""What the estimators do at the end of an epoch: stop as MLPClassifier does, and tell scikit-learn's own callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from denpa.train.callbacks import Callback, Moment

F = TypeVar("F", bound=Callable[..., Any])

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks as _with_callbacks
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's: no `set_callbacks`, and no context."""

    def _with_callbacks(method: F) -> F:
        return method


def with_callbacks(method: F) -> F:
    """A fit whose callbacks are torn down however it ends."""
    managed: F = _with_callbacks(method)
    return managed


class Plateau(Callback):
    """Stops when more than `patience` epochs in a row were not better than the best by `tol`: MLPClassifier's rule."""

    def __init__(self, figure: str, tol: float, patience: int) -> None:
        self.figure, self.tol, self.patience = figure, tol, patience
        self.best, self.count, self.stopped = float("inf"), 0, False

    def on_epoch_end(self, now: Moment, row: dict[str, Any]) -> bool:
        value = float(row[self.figure])
        self.count = self.count + 1 if value > self.best - self.tol else 0
        self.best = min(self.best, value)
        self.stopped = self.count > self.patience
        return self.stopped


class Told(Callback):
    """scikit-learn's callbacks hear of every epoch.  reconstruct: the attributes that make a fitted copy of now."""

    def __init__(self, context: Any, reconstruct: Callable[[Moment], dict[str, Any]], known: dict[str, Any]) -> None:
        self._context, self._reconstruct, self._known = context, reconstruct, known

    def on_epoch_begin(self, now: Moment) -> None:
        self._epoch = self._context.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._known, reconstruction_attributes=self._reconstruct(now))

    def on_epoch_end(self, now: Moment, row: dict[str, Any]) -> bool:
        return bool(self._epoch.call_on_fit_task_end(**self._known, reconstruction_attributes=self._reconstruct(now)))


def begin(estimator: Any, known: dict[str, Any], most: int | None) -> Any:
    """The context of a fit of up to `most` epochs; None where scikit-learn has none.  known: X, y and metadata."""
    if not hasattr(estimator, "_init_callback_context"):
        return None
    context = estimator._init_callback_context(max_subtasks=most)
    context.call_on_fit_task_begin(**known)
    return context


__all__ = ["CallbackSupportMixin", "Plateau", "Told", "begin", "with_callbacks"]
