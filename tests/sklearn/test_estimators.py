"""What scikit-learn's checks do not look at: the numbers, the network inside, tables, searches, pickles, callbacks."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402

import denpa as dp  # noqa: E402
from denpa.errors import DataError, ModelFileError, TrainingError, UsageError  # noqa: E402
from denpa.sklearn import DenpaClassifier, DenpaRegressor  # noqa: E402
from denpa.sklearn.scaling import Scaling  # noqa: E402
from denpa.train.callbacks import Callback, GradientTape, Moment  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def rows(rng: np.random.Generator, n: int = 90, classes: int = 3) -> tuple[Any, Any]:
    y = rng.integers(0, classes, n)
    return 2.0 * rng.standard_normal((classes, 4))[y] + rng.standard_normal((n, 4)), y


# -- the numbers -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("task", ["two classes", "three classes", "labels", "numbers"])
def test_the_steps_are_those_of_scikit_learn(task: str, solver: str, rng: np.random.Generator) -> None:
    """From the same weights, on full batches: weights, penalty and all.  Adam's epsilon stands elsewhere there."""
    X, y = rows(rng, classes=2 if task == "two classes" else 3)
    if task == "labels":
        y = np.eye(3, dtype=int)[y] | np.eye(3, dtype=int)[y[::-1]]
    elif task == "numbers":
        y = np.stack([X @ [1, 2, 3, 4], X[:, 0]], axis=1) / 5
    w = rng.random(len(y)) + 0.1
    kinds = (DenpaRegressor, MLPRegressor) if task == "numbers" else (DenpaClassifier, MLPClassifier)
    same: dict[str, Any] = {"hidden_layer_sizes": (7,), "solver": solver, "alpha": 0.5, "max_iter": 6, "tol": 0,
                            "learning_rate_init": 0.01, "random_state": 0, "epsilon": 1e-12}  # fmt: skip
    mine, theirs = kinds[0](standardize=False, **same), kinds[1](**same)
    theirs.set_params(warm_start=True, max_iter=1)
    start = clone(mine).set_params(max_iter=1, learning_rate_init=0.0).fit(X, y)
    with np.errstate(all="ignore"):
        theirs.set_params(learning_rate_init=1e-300).fit(X, y)
    theirs.coefs_ = [np.array(c) for c in start.coefs_]
    theirs.intercepts_ = [np.array(b) for b in start.intercepts_]
    theirs.set_params(learning_rate_init=0.01, max_iter=6).fit(X, y, sample_weight=w)
    mine.fit(X, y, sample_weight=w)
    for one, two in zip([*mine.coefs_, *mine.intercepts_], [*theirs.coefs_, *theirs.intercepts_], strict=True):
        assert one.shape == two.shape
        np.testing.assert_allclose(one, two, rtol=1e-7, atol=1e-9)
    assert (mine.n_layers_, mine.n_outputs_) == (theirs.n_layers_, theirs.n_outputs_)
    assert mine.out_activation_ == theirs.out_activation_
    np.testing.assert_allclose(mine.predict(X), theirs.predict(X), rtol=1e-6, atol=1e-9)
    if task != "numbers":
        np.testing.assert_allclose(mine.predict_proba(X), theirs.predict_proba(X), rtol=1e-6, atol=1e-9)


def test_log_probabilities_stay_finite(rng: np.random.Generator) -> None:
    for classes in (2, 3):
        X, y = rows(rng, classes=classes)
        model = DenpaClassifier(max_iter=5, random_state=0).fit(X, y)
        assert np.isfinite(model.predict_log_proba(1e5 * X)).all()
        np.testing.assert_allclose(np.exp(model.predict_log_proba(X)).sum(axis=1), 1)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_scale_is_that_of_all_rows_in_any_pieces(weighted: bool, rng: np.random.Generator) -> None:
    x = rng.normal(1e6, 1e-2, (50, 3)) * [1, 10, 0] + [0, 0, 7]
    w = rng.random(50) * (rng.random(50) < 0.7) if weighted else None
    found = Scaling(3)
    for piece in (slice(0, 1), slice(1, 30), slice(30, 50)):
        found.update(x[piece], None if w is None else w[piece])
    np.testing.assert_allclose(found.mean, np.average(x, axis=0, weights=w), rtol=1e-12)
    deviation = np.sqrt(np.average((x - np.average(x, axis=0, weights=w)) ** 2, axis=0, weights=w))
    np.testing.assert_allclose(found.scale[:2], deviation[:2], rtol=1e-6)
    assert found.scale[2] == 1
    np.testing.assert_allclose(found.back(found(x)), x)


def test_dtypes(rng: np.random.Generator) -> None:
    X, y = rows(rng)
    for given, setting, inside in (("f4", "auto", "float32"), ("f8", "auto", "float64"), ("f8", "float32", "float32")):
        model = DenpaClassifier(max_iter=3, dtype=setting).fit(X.astype(given), y)
        assert model.network_.dtype == inside
        assert model.predict_proba(X.astype(given)).dtype == given


# -- the network inside ------------------------------------------------------------------------------------------------
def test_the_network_inside_can_be_looked_into(rng: np.random.Generator) -> None:
    X, y = rows(rng)
    model = DenpaClassifier((6,), random_state=0, max_iter=20).fit(X, y)
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    np.testing.assert_allclose(model.network_.predict(scaled), model.predict_proba(X), rtol=1e-10)
    assert dp.check(lambda W: model.network_.with_parameters(
        {**model.network_.parameters(), "0.weight": W}).loss(scaled[:5], y[:5]), model.network_.parameters()["0.weight"]
    )  # fmt: skip
    assert "W₂₃⁽¹⁾" in str(dp.explain(model.network_, "0.weight[1,2]", x=scaled[:2], t=y[:2]))


# -- stopping, going on ------------------------------------------------------------------------------------------------
def test_the_given_rows_are_watched_and_the_best_weights_kept(rng: np.random.Generator) -> None:
    X, y = rows(rng)
    noisy = np.where(rng.random(len(y)) < 0.4, rng.permutation(y), y)
    model = DenpaClassifier(early_stopping=True, max_iter=500, learning_rate_init=0.02, random_state=0)
    model.fit(X, noisy, X_val=X[::3], y_val=y[::3])
    curve = model.validation_loss_curve_
    assert len(curve) == model.n_iter_ == len(model.loss_curve_) < 500
    proba = model.predict_proba(X[::3])
    mean = -np.log(proba[np.arange(len(proba)), y[::3]]).mean()
    assert model.best_validation_loss_ == pytest.approx(min(curve)) == pytest.approx(mean)
    watched = DenpaClassifier(max_iter=8, random_state=0).fit(X, noisy, X_val=X[::3], y_val=y[::3])
    assert len(watched.validation_loss_curve_) == 8  # only watched: it does not stop
    assert DenpaClassifier(max_iter=8).fit(X, y).validation_loss_curve_ is None


def test_the_rule_of_the_plateau_is_mlp_classifiers(rng: np.random.Generator) -> None:
    X, y = rows(rng)
    model = DenpaClassifier(tol=0.01, n_iter_no_change=4, max_iter=300, random_state=0).fit(X, y)
    count, best, wanted = 0, np.inf, 0
    while count <= 4:
        loss = model.loss_curve_[wanted]
        count, best, wanted = (count + 1 if loss > best - 0.01 else 0), min(best, loss), wanted + 1
    assert model.n_iter_ == wanted < 300
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        DenpaClassifier(max_iter=3).fit(X, y)


@pytest.mark.parametrize("kind", [DenpaClassifier, DenpaRegressor])
def test_a_warm_start_goes_on_to_the_bits_of_one_fit(kind: Any, rng: np.random.Generator) -> None:
    X, y = rows(rng)
    settings: dict[str, Any] = {"tol": 0, "dropout": 0.2, "batch_size": 32, "random_state": 3}
    whole = kind(max_iter=6, **settings).fit(X, y)
    parts = kind(max_iter=3, warm_start=True, **settings).fit(X, y)
    again = pickle.loads(pickle.dumps(parts)).fit(X, y)
    parts.fit(X, y)
    assert (parts.n_iter_, parts.t_, parts.loss_curve_) == (6, 6 * len(y), whole.loss_curve_)
    for model in (parts, again):
        assert all(np.array_equal(a, b) for a, b in zip(model.coefs_, whole.coefs_, strict=True))


def test_partial_fit_learns_piece_by_piece(rng: np.random.Generator) -> None:
    X, y = rows(rng, 600)
    model = DenpaClassifier(random_state=0, learning_rate_init=0.01)
    for start in range(0, 600, 30):
        model.partial_fit(X[start : start + 30], y[start : start + 30], classes=[0, 1, 2])
    assert model.score(X, y) > 0.8
    assert (model.n_iter_, model.t_) == (20, 600)
    np.testing.assert_allclose(model._learned.inputs.mean, X.mean(axis=0))
    with pytest.raises(DataError, match="classes are not those"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(DataError, match="not there before"):
        model.partial_fit(X, y + 1)
    one = DenpaRegressor(random_state=0).partial_fit(X[:1], y[:1])
    assert np.isfinite(one.partial_fit(X, y).predict(X)).all()


# -- what may be given -------------------------------------------------------------------------------------------------
def test_sparse_rows_are_dense_rows(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    from denpa.train import fitting

    X, y = rows(rng)
    X[rng.random(X.shape) < 0.6] = 0
    monkeypatch.setattr(fitting, "BLOCK", 1)  # a step at a time
    settings: dict[str, Any] = {"batch_size": 16, "max_iter": 5, "random_state": 0, "early_stopping": True}
    dense, thin = (DenpaClassifier(**settings).fit(x, y) for x in (X, sparse.csc_matrix(X)))
    for one, two in zip(dense.coefs_, thin.coefs_, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(dense.predict_proba(X), thin.predict_proba(sparse.csr_matrix(X)))


@pytest.mark.parametrize("labels", [["no", "yes"], ["a", "b", "c"], [False, True], [-1, 5], [2.0, 7.0]])
@pytest.mark.parametrize("as_object", [False, True])
def test_labels_of_any_kind_come_back(labels: list[Any], as_object: bool, rng: np.random.Generator) -> None:
    X, numbers = rows(rng, classes=len(labels))
    y = np.array(labels, object if as_object and isinstance(labels[0], str) else None)[numbers]
    model = pickle.loads(pickle.dumps(DenpaClassifier(max_iter=100, random_state=0).fit(X, y)))
    assert set(model.predict(X)) <= set(labels)
    assert model.classes_.dtype == y.dtype
    assert model.score(X, y) > 0.6


def test_class_weights(rng: np.random.Generator) -> None:
    """A tenth of the rows is of class 1, and like the others: a linear model says 0.1 of all rows, balanced 0.5."""
    y = (np.arange(300) < 30).astype(int)
    X = rng.standard_normal((300, 4)) + 0.3 * y[:, None]
    for size in ("auto", 1):
        settings: dict[str, Any] = {"hidden_layer_sizes": (), "batch_size": size, "random_state": 0}
        settings |= {"max_iter": 150 if size == "auto" else 5, "learning_rate_init": 0.02}
        plain = DenpaClassifier(**settings).fit(X, y).predict_proba(X)[:, 1].mean()
        for weights in ("balanced", {0: 1, 1: 9}):
            model = DenpaClassifier(class_weight=weights, **settings).fit(X, y)
            assert model.predict_proba(X)[:, 1].mean() > plain + 0.2


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_tables(library: str, rng: np.random.Generator) -> None:
    frames = pytest.importorskip(library)
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    X, y = rows(rng)
    frame = frames.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": np.array(["x", "y", "z"])[y]})
    numbers = frame[["a", "b"]]
    model = DenpaClassifier(max_iter=5).fit(numbers, y)
    assert list(model.feature_names_in_) == ["a", "b"]
    assert list(pickle.loads(pickle.dumps(model)).feature_names_in_) == ["a", "b"]
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a"]])
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), ["a", "b"]), ("words", OneHotEncoder(sparse_output=False), ["c"])]
    ).set_output(transform=library)
    whole = make_pipeline(columns, DenpaClassifier(random_state=0)).fit(frame, y)
    assert whole.score(frame, y) == 1.0
    assert list(whole[-1].feature_names_in_) == ["numbers__a", "numbers__b", "words__c_x", "words__c_y", "words__c_z"]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"solver": "lbfgs"}, "adam"),
    ({"activation": "rleu"}, "relu"),
    ({"alpha": -1}, "alpha"),
    ({"max_iter": 0}, "max_iter"),
    ({"batch_size": 0}, "batch_size"),
    ({"loss": "hinge"}, "log_loss"),
    ({"dtype": "float16"}, "float32"),
    ({"engine": "fast"}, "engine"),
    ({"learning_rate": "adaptive"}, "schedule"),
    ({"validation_fraction": 0, "early_stopping": True}, "validation_fraction"),
    ({"hidden_layer_sizes": (0,)}, "units"),
    ({"callbacks": [GradientTape]}, "callback"),
    ({"dropout": 1.0}, "dropout"),
]


@pytest.mark.parametrize(("settings", "text"), BAD)
def test_settings_that_cannot_be(settings: dict[str, Any], text: str, rng: np.random.Generator) -> None:
    with pytest.raises(UsageError, match=text):
        DenpaClassifier(**settings).fit(*rows(rng))


def test_data_that_cannot_be(rng: np.random.Generator) -> None:
    X, y = rows(rng)
    for given, text in (
        ((X, np.zeros(len(y), int)), "1 class"),
        ((X, y, np.zeros(len(y))), "zero"),
        ((X, y, -np.ones(len(y))), "[Nn]egative"),
        ((X, y, None, X), "go together"),
        ((X, y, None, X, y + 7), "not there before"),
        ((X, np.stack([y, y], axis=1)), "multioutput"),
    ):
        with pytest.raises(ValueError, match=text):
            DenpaClassifier().fit(*given)
    unstable = DenpaRegressor(solver="sgd", learning_rate_init=1e200, random_state=0)
    with pytest.raises(TrainingError, match="step"):
        unstable.fit(X, y)
    assert not hasattr(unstable, "coefs_")  # a network that was not trained is no fitted one


# -- scikit-learn's tools ----------------------------------------------------------------------------------------------
def test_searches_scores_and_importances(rng: np.random.Generator) -> None:
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = rows(rng)
    X[:, :3] = rng.standard_normal((len(y), 3))
    X[:, 3] += 4 * y
    pipe = make_pipeline(StandardScaler(), DenpaClassifier((8,), max_iter=60, random_state=0))
    grid = {"denpaclassifier__alpha": [1e-4, 100.0], "denpaclassifier__hidden_layer_sizes": [(4,), (8, 8)]}
    search = GridSearchCV(pipe, grid, cv=3).fit(X, y)
    assert search.best_params_["denpaclassifier__alpha"] == 1e-4
    scores = cross_val_score(search.best_estimator_, X, y, cv=3, n_jobs=2)
    np.testing.assert_array_equal(scores, cross_val_score(search.best_estimator_, X, y, cv=3))
    found = permutation_importance(search.best_estimator_, X, y, random_state=0).importances_mean
    assert found[3] > 0.1 > found[:3].max()


@pytest.fixture
def routing() -> Iterator[None]:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_weights_and_watched_rows_are_routed(routing: None, rng: np.random.Generator) -> None:
    from sklearn.model_selection import cross_validate
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = rows(rng)
    model = DenpaClassifier(max_iter=5, random_state=0).set_fit_request(sample_weight=True, X_val=True, y_val=True)
    pipe = Pipeline([("scale", StandardScaler().set_fit_request(sample_weight=False)), ("net", model)],
                    transform_input=["X_val"])  # fmt: skip
    w = rng.random(len(y))
    pipe.fit(X, y, sample_weight=w, X_val=X[::2], y_val=y[::2])
    scaled = pipe[0].transform(X)
    alone = clone(model).fit(scaled, y, sample_weight=w, X_val=scaled[::2], y_val=y[::2])
    np.testing.assert_array_equal(pipe["net"].validation_loss_curve_, alone.validation_loss_curve_)
    weighted = DenpaClassifier(max_iter=2, random_state=0).set_fit_request(sample_weight=True)
    assert len(cross_validate(weighted.set_score_request(sample_weight=True), X, y, params={"sample_weight": w})) == 3


# -- pickles -----------------------------------------------------------------------------------------------------------
class Strict(pickle.Unpickler):
    """Nothing of NumPy: arrays are in the bytes of a safetensors file."""

    def find_class(self, module: str, name: str) -> Any:
        assert module.partition(".")[0] != "numpy", f"{module}.{name}"
        return super().find_class(module, name)


@pytest.mark.parametrize("kind", [DenpaClassifier, DenpaRegressor])
def test_a_pickle_holds_bytes(kind: Any, rng: np.random.Generator) -> None:
    import io

    X, y = rows(rng)
    model = kind((5,), random_state=0, max_iter=7).fit(X, y, X_val=X, y_val=y)
    state = model.__getstate__()
    assert isinstance(state["denpa"], bytes)
    assert not any(isinstance(v, np.ndarray) for v in state.values())
    again = Strict(io.BytesIO(pickle.dumps(model))).load()
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    for name in vars(model):
        if name not in ("network_", "_learned"):
            np.testing.assert_array_equal(getattr(again, name), getattr(model, name), err_msg=name)
    assert again.__getstate__()["denpa"] == state["denpa"]
    for place in (20, len(state["denpa"]) // 2, -1):
        broken = bytearray(state["denpa"])
        broken[place] ^= 1
        with pytest.raises(ModelFileError):
            kind().__setstate__({**state, "denpa": bytes(broken)})
    fresh = pickle.loads(pickle.dumps(kind(alpha=3)))
    assert (fresh.alpha, hasattr(fresh, "network_")) == (3, False)


# -- callbacks ---------------------------------------------------------------------------------------------------------
class Last(Callback):
    def on_epoch_end(self, now: Moment, row: dict[str, Any]) -> bool:
        return now.epoch == 3


def test_callbacks_see_gradients_and_stop(rng: np.random.Generator) -> None:
    X, y = rows(rng)
    tape = GradientTape(every=2)
    model = DenpaClassifier(callbacks=[tape, Last()], random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(X, y)
    assert (model.n_iter_, tape.steps) == (3, [0, 2])
    plain = DenpaClassifier(random_state=0, max_iter=3).fit(X, y)
    assert all(np.array_equal(a, b) for a, b in zip(model.coefs_, plain.coefs_, strict=True))


def test_scikit_learns_callbacks(rng: np.random.Generator) -> None:
    module = pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")

    class Counter:
        """scikit-learn's protocol; stops after the fourth epoch."""

        def __init__(self) -> None:
            self.heard: list[Any] = []

        def setup(self, estimator: Any, context: Any) -> None:
            self.heard.append("setup")

        def on_fit_task_begin(self, estimator: Any, context: Any, **known: Any) -> None:
            pass

        def on_fit_task_end(self, estimator: Any, context: Any, X: Any = None, y: Any = None, **known: Any) -> bool:
            fitted = known.get("fitted_estimator")
            self.heard.append((context.task_name, context.task_id, None if fitted is None else fitted.score(X, y)))
            return context.task_name == "epoch" and context.task_id == 3

        def teardown(self, estimator: Any, context: Any) -> None:
            self.heard.append("teardown")

    X, y = rows(rng)
    counter = Counter()
    assert isinstance(counter, module.FitCallback)
    model = DenpaClassifier(random_state=0).set_callbacks(counter).fit(X, y)
    names = [h if isinstance(h, str) else h[0] for h in counter.heard]
    assert names == ["setup", *["epoch"] * 4, "fit", "teardown"]
    assert model.n_iter_ == 4
    monitor = module.ScoringMonitor(scoring="accuracy")
    model = DenpaClassifier(random_state=0, max_iter=5).set_callbacks(monitor).fit(X, y)
    scores = [row["accuracy"] for row in monitor.get_logs().data if "epoch" in str(row)]
    assert scores[-1] == model.score(X, y)
    assert len(scores) == 5
