"""Pipelines of scikit-learn with a ColumnTransformer: raw rows in, equal probabilities out, or one error by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.interop import networks

from denpa.errors import ModelFileError, UsageError
from denpa.interop.onnx_check import check_onnx
from denpa.interop.onnx_export import export_onnx
from denpa.interop.onnx_import import import_onnx
from denpa.train.model_file import Predictor, load_model, save_model

onnx = pytest.importorskip("onnx")
helper = onnx.helper
KINDS = {"age": "Float", "city": "String", "n": "Int64", "w": "Float", "job": "String"}


def table(n: int = 200) -> Any:
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.normal(40, 10, n),
            "city": rng.choice(["a", "b", "猫 町"], n),
            "n": rng.integers(0, 4, n),
            "w": rng.normal(size=n),
            "job": rng.choice(["x", "y"], n),
        }
    )


def target(frame: Any) -> Any:
    return np.where((frame.age > 40) ^ (frame.city == "a"), "yes", np.where(frame.w > 1, "maybe", "no"))


def transformer(name: str) -> Any:
    pytest.importorskip("sklearn")
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

    def hot(**more: Any) -> Any:
        return OneHotEncoder(**{"handle_unknown": "ignore", "sparse_output": False, **more})

    scaled = ("s", StandardScaler(), ["age", "w"])
    median = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return {
        "text": lambda: ColumnTransformer([("c", hot(), ["city"]), scaled]),
        "text and whole numbers": lambda: ColumnTransformer(
            [("c", hot(), ["city", "n", "job"]), ("s", StandardScaler(), ["age"])], remainder="passthrough"
        ),
        "imputed": lambda: ColumnTransformer([("c", hot(), ["city"]), ("s", median, ["age", "w"])]),
        "imputed alone": lambda: ColumnTransformer(
            [("s", make_pipeline(SimpleImputer(), MinMaxScaler()), ["age", "w"])]
        ),
        "first dropped": lambda: ColumnTransformer(
            [("c", hot(drop="first", handle_unknown="error"), ["city"]), scaled]
        ),
        "scaled after": lambda: make_pipeline(
            ColumnTransformer([("c", hot(), ["city"]), ("p", "passthrough", ["age", "w"])]), StandardScaler()
        ),
        "scaled twice over": lambda: ColumnTransformer(
            [("a", StandardScaler(), ["w"]), ("s", MinMaxScaler(), ["age"])]
        ),
        "a column twice": lambda: ColumnTransformer([("c", hot(), ["n"]), ("s", StandardScaler(), ["age", "n"])]),
        "numbered": lambda: ColumnTransformer([("c", OrdinalEncoder(), ["city"]), scaled]),
    }[name]()


def converted(steps: Any, frame: Any, path: Path, kinds: dict[str, str] = KINDS) -> Any:
    """The pipeline, fitted, and written to the path."""
    skl2onnx = pytest.importorskip("skl2onnx")
    from skl2onnx.common import data_types
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline

    network = MLPClassifier(hidden_layer_sizes=(8,), max_iter=30, random_state=0)
    pipeline = make_pipeline(steps, network).fit(frame, target(frame))
    types = [(name, getattr(data_types, f"{kind}TensorType")([None, 1])) for name, kind in kinds.items()]
    opsets = {"": 18, "ai.onnx.ml": 3}
    made = skl2onnx.convert_sklearn(pipeline, initial_types=types, target_opset=opsets)
    path.write_bytes(made.SerializeToString())
    return pipeline


def raw_rows(name: str) -> Any:
    """The table, with cities that training had not and cells that are empty where the pipeline knows what to do."""
    frame = table()
    if name not in ("first dropped",):
        frame.loc[:20, "city"] = "unheard of"
        frame.loc[21:30, "city"] = ""
    if "imputed" in name:
        frame.loc[5:15, "age"] = np.nan
    return frame


def through_a_file(model: Predictor, folder: Path) -> Predictor:
    save_model(folder / "m.safetensors", model)
    return load_model(folder / "m.safetensors")


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        *("text", "text and whole numbers", "imputed", "imputed alone", "first dropped", "scaled after"),
        "scaled twice over",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_pipelines_agree_from_raw_rows(name: str, double: bool, tmp_path: Path) -> None:
    kinds = {c: "Double" if double and kind == "Float" else kind for c, kind in KINDS.items()}
    pipeline = converted(transformer(name), table(), tmp_path / "m.onnx", kinds)
    frame = raw_rows(name)
    frame[["w", "city", "age", "n", "job"]].to_csv(tmp_path / "rows.csv", index=False)  # in another order
    model = through_a_file(import_onnx(tmp_path / "m.onnx"), tmp_path)
    predicted, outputs = model.predict_with_outputs(tmp_path / "rows.csv")
    np.testing.assert_allclose(outputs, pipeline.predict_proba(frame), rtol=0, atol=1e-6)
    assert predicted.tolist() == pipeline.predict(frame).tolist()
    export_onnx(model, tmp_path / "again.onnx")
    assert check_onnx(model, tmp_path / "again.onnx", tmp_path / "rows.csv")


@pytest.mark.parametrize(
    ("name", "told"),
    [("a column twice", ("a column of the inputs stands in it twice", "'n'")), ("numbered", ("LabelEncoder", "categ"))],
)
@pytest.mark.filterwarnings("ignore")
def test_what_has_no_place_is_one_error(name: str, told: tuple[str, ...], tmp_path: Path) -> None:
    converted(transformer(name), table(), tmp_path / "m.onnx")
    with pytest.raises(ModelFileError) as found:
        import_onnx(tmp_path / "m.onnx")
    assert all(part in str(found.value) for part in (*told, "node"))


@pytest.mark.filterwarnings("ignore")
def test_several_targets_end_in_one_column_of_all(tmp_path: Path) -> None:
    """skl2onnx lets an MLPRegressor of two targets answer (2N, 1): the file is refused, what goes into that is not."""
    skl2onnx = pytest.importorskip("skl2onnx")
    runtime = pytest.importorskip("onnxruntime")
    from sklearn.neural_network import MLPRegressor

    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    net = MLPRegressor(hidden_layer_sizes=(4,), max_iter=30, random_state=0).fit(X, X[:, :2])
    path = tmp_path / "m.onnx"
    path.write_bytes(skl2onnx.to_onnx(net, X[:1]).SerializeToString())
    (folded,) = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"]).run(None, {"X": X})
    if folded.shape == (60, 2):
        pytest.skip("this skl2onnx keeps the rows")
    assert folded.shape == (120, 1)
    with pytest.raises(ModelFileError, match="does not keep the rows") as found:
        import_onnx(path)
    before = str(found.value).rpartition("--output ")[2].split()[0]
    np.testing.assert_allclose(import_onnx(path, output=before).predict(X), net.predict(X), atol=1e-6)


# -- by hand: what no pipeline of the installed scikit-learn writes ----------------------------------------------------
def written(folder: Path, nodes: list[Any], kinds: dict[str, tuple[int, int]], constants: dict[str, Any]) -> Path:
    """kinds: element type and columns of the inputs."""
    made = [onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    inputs = [helper.make_tensor_value_info(name, kind, ["N", n]) for name, (kind, n) in kinds.items()]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_empty_tensor_value_info("p")], made)
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    path = folder / "m.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString())
    return path


def ml(op: str, source: str, result: str, **attributes: Any) -> Any:
    return helper.make_node(op, [source], [result], domain="ai.onnx.ml", **attributes)


W = np.arange(1.0, 13.0).reshape(2, 6).astype(np.float32) / 7
GEMM = helper.make_node("Gemm", ["all", "W"], ["p"], transB=1)
CITY = {"x": (8, 1)}


def test_a_matrix_of_text_gets_names(tmp_path: Path) -> None:
    nodes = [
        *(helper.make_node("Gather", ["X", f"i{i}"], [f"x{i}"], axis=1) for i in (0, 1)),
        ml("OneHotEncoder", "x1", "c1", cats_strings=["u", "v", "nan"]),
        ml("OneHotEncoder", "x0", "c0", cats_strings=["a", "b", "c"]),
        helper.make_node("Concat", ["c1", "c0"], ["joined"], axis=-1),
        helper.make_node("Reshape", ["joined", "shape"], ["all"]),
        GEMM,
    ]
    constants = {"i0": np.array([0]), "i1": np.array([1]), "shape": np.array([-1, 6]), "W": W}
    path = written(tmp_path, nodes, {"X": (8, 2)}, constants)
    model = import_onnx(path)
    assert model.inputs.columns == ("X2", "X1")
    assert any("numbered from 1" in note for note in model.about["notes"])
    model = import_onnx(path, columns=("first", "second"))
    (tmp_path / "rows.csv").write_text("first,second\na,u\nc,v\nb,\nz,u\nc,nan\n")
    slots = np.array(
        [[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 1], [0, 0, 1, 0, 1, 0], [1, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 1]]
    )
    np.testing.assert_allclose(model.predict(tmp_path / "rows.csv"), slots @ W.T, rtol=1e-6)
    assert "column 'second': an empty cell is the category 'nan'" in model.about["notes"]
    for wrong in (("first",), ("a", "a")):
        with pytest.raises(UsageError, match="columns do not fit"):
            import_onnx(path, columns=wrong)
    with pytest.raises(UsageError, match="maximum is of pixels"):
        import_onnx(path, maximum=255)


def test_columns_of_a_matrix_in_another_order(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ArrayFeatureExtractor", ["X", "first"], ["a"], domain="ai.onnx.ml"),
        helper.make_node("Gather", ["X", "second"], ["b"], axis=1),
        ml("Scaler", "a", "scaled", offset=[1.0, 2.0], scale=[0.5, -4.0]),
        helper.make_node("Concat", ["scaled", "b"], ["all"], axis=1),
        GEMM,
    ]
    constants = {"first": np.array([[3, 0]]), "second": np.array([1]), "W": W[:, :3]}
    model = import_onnx(written(tmp_path, nodes, {"X": (1, 5)}, constants))
    raw = np.random.default_rng(0).normal(size=(6, 5))
    seen = np.column_stack([(raw[:, 3] - 1) / 2, (raw[:, 0] - 2) * -4, raw[:, 1]])
    np.testing.assert_allclose(model.predict(raw), seen @ W[:, :3].T, rtol=1e-5, atol=1e-6)
    assert any(note.endswith("counted from 1: 3, 5") for note in model.about["notes"])


def test_the_hand_made_file(tmp_path: Path) -> None:
    """The seed of the mutations, against onnxruntime."""
    runtime = pytest.importorskip("onnxruntime")
    (tmp_path / "m.onnx").write_bytes(networks.columns_file())
    model = import_onnx(tmp_path / "m.onnx")
    age, w = np.array([30.0, np.nan, 50.0, 41.0]), np.array([0.1, 2.0, np.nan, -1.0])
    city, n = ["a", "猫", "", "z"], [0, 1, 2, 1]
    fed = {"age": age, "w": w, "unused": w * 0}
    feed: dict[str, Any] = {name: values.astype(np.float32)[:, None] for name, values in fed.items()}
    feed |= {"city": np.array(city, object)[:, None], "n": np.array(n, np.int64)[:, None]}
    session = runtime.InferenceSession(networks.columns_file(), providers=["CPUExecutionProvider"])
    lines = [
        f"{'' if np.isnan(a) else a},{c},{k},{'' if np.isnan(v) else v}"
        for a, c, k, v in zip(age, city, n, w, strict=True)
    ]
    (tmp_path / "rows.csv").write_text("age,city,n,w\n" + "\n".join(lines) + "\n", encoding="utf-8")
    np.testing.assert_allclose(model.outputs(tmp_path / "rows.csv"), session.run(None, feed)[0], atol=1e-6)
    assert any("column 'n': the file refuses other values" in note for note in model.about["notes"])


REFUSED: dict[str, tuple[list[Any], dict[str, tuple[int, int]], str]] = {
    "text as numbers": ([helper.make_node("Gemm", ["x", "W"], ["p"], transB=1)], {"x": (8, 6)}, "input 1 is text"),
    "text beside numbers": ([helper.make_node("Concat", ["x", "y"], ["all"], axis=1), GEMM],
                            {"x": (8, 3), "y": (1, 3)}, "joins text and numbers"),
    "floats as categories": ([ml("OneHotEncoder", "x", "all", cats_int64s=[1, 2]), GEMM], {"x": (1, 1)},
                             "not of the column's type"),
    "a category twice": ([ml("OneHotEncoder", "x", "all", cats_strings=["a", "a"]), GEMM], CITY,
                         "no list of different"),
    "two names of nothing": ([ml("OneHotEncoder", "x", "all", cats_strings=["", "nan", "a"]), GEMM], CITY,
                             "no list of different"),
    "no categories": ([ml("OneHotEncoder", "x", "all"), GEMM], CITY, "not of the column's type"),
    "a space": ([ml("OneHotEncoder", "x", "all", cats_strings=["a", " b"]), GEMM], CITY, "spaces around"),
    "hot twice": ([ml("OneHotEncoder", "x", "c", cats_int64s=[1, 2]), ml("OneHotEncoder", "c", "all", cats_int64s=[1]),
                   GEMM], {"x": (7, 1)}, "not of the column's type"),
    "a mark for missing": ([ml("Imputer", "x", "all", imputed_value_floats=[1.0], replaced_value_float=-9.0), GEMM],
                           {"x": (1, 6)}, "for NaN"),
    "imputed too short": ([ml("Imputer", "x", "all", imputed_value_floats=[1.0, 2.0], replaced_value_float=np.nan),
                           GEMM], {"x": (1, 6)}, "for NaN"),
    "imputed after": ([helper.make_node("Relu", ["x"], ["r"]),
                       ml("Imputer", "r", "all", imputed_value_floats=[1.0], replaced_value_float=np.nan), GEMM],
                      {"x": (1, 6)}, "behind a computation"),
    "a column that is not there": ([helper.make_node("Gather", ["x", "seven"], ["all"], axis=1), GEMM], {"x": (1, 6)},
                                   "not there"),
    "rows chosen": ([helper.make_node("Gather", ["x", "seven"], ["all"], axis=0), GEMM], {"x": (1, 6)},
                    "does not choose columns"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_columns_that_cannot_be_meant(name: str, tmp_path: Path) -> None:
    nodes, kinds, told = REFUSED[name]
    with pytest.raises(ModelFileError, match=told):
        import_onnx(written(tmp_path, nodes, kinds, {"W": W, "seven": np.array([7])}))


def test_columns_that_multiply_in_memory(tmp_path: Path) -> None:
    """A small file with many columns joined over and over."""
    kinds = {f"x{i}": (1, 1) for i in range(2000)}
    nodes, last = [], "x0"
    for i in range(1, 2000):
        nodes.append(helper.make_node("Concat", [last, f"x{i}"], [f"c{i}"], axis=1))
        last = f"c{i}"
    nodes.append(helper.make_node("Gemm", [last, "W"], ["p"], transB=1))
    with pytest.raises(ModelFileError, match="more constants than a network needs"):
        import_onnx(written(tmp_path, nodes, kinds, {"W": np.ones((1, 2000), np.float32)}))
