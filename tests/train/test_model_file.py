"""The model file: it predicts alone, and a damaged, foreign or hostile one is one clear error."""

from __future__ import annotations

import hashlib
import json
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.train import worker

from denpa import tensorfile
from denpa.errors import DataError, ModelFileError
from denpa.train.model_file import Predictor, load_model, save_model
from denpa.train.training import Trained, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(worker.settings(epochs=4), worker.dataset(), tmp_path_factory.mktemp("model") / "run")


@pytest.fixture
def model(trained: Trained) -> Predictor:
    return load_model(trained.run.path)


def test_one_file_predicts(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "moved.safetensors"
    path.write_bytes(trained.run.model_path.read_bytes())
    data = worker.dataset()
    names = load_model(path).predict(data.inputs)
    assert set(names) <= {"a", "b", "c"}
    assert (names == np.array(["a", "b", "c"])[data.targets]).mean() > 0.9


def test_it_evaluates_as_the_training_did(trained: Trained, model: Predictor) -> None:
    data, rows = worker.dataset(), trained.parts.valid
    again = model.evaluate(replace(data, inputs=data.inputs[rows], targets=data.targets[rows]))
    assert trained.evaluation is not None
    assert again.values == trained.evaluation.values
    assert again.values["accuracy"] == trained.run.history[-1]["valid_accuracy"]
    assert again.confusion is not None
    assert again.confusion.sum() == len(rows)
    assert again.baseline["accuracy"] < again.values["accuracy"]


def test_rows_are_predicted_one_by_one_or_together(model: Predictor) -> None:
    inputs = worker.dataset(2345).inputs  # three batches of the evaluation
    together = model.outputs(inputs)
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        together[2000:2003], np.stack([model.outputs(x[None])[0] for x in inputs[2000:2003]]), rtol=1e-5
    )
    assert model.predict(inputs[:0]).shape == (0,)


@pytest.mark.parametrize(("rows", "error"), [(np.ones((2, 5)), DataError), (np.full((2, 12), np.nan), DataError)])
def test_rows_that_do_not_fit(rows: Any, error: type[Exception], model: Predictor) -> None:
    with pytest.raises(error):
        model.predict(rows)


def test_other_classes_are_refused(model: Predictor) -> None:
    with pytest.raises(DataError, match="not those of the model"):
        model.evaluate(replace(worker.dataset(), classes=("x", "y", "z")))


def test_parameters_have_pytorchs_names_and_shapes(trained: Trained) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    layers = [torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(16, 8), torch.nn.ReLU()]
    theirs = torch.nn.Sequential(*layers, torch.nn.Dropout(0.2), torch.nn.Linear(8, 3))
    theirs.load_state_dict(load_file(trained.run.model_path))
    x = trained.parts.x[:50]
    with torch.no_grad():
        want = theirs.eval()(torch.from_numpy(x.copy())).softmax(1).numpy()
    np.testing.assert_allclose(load_model(trained.run.path).network.predict(x), want, atol=1e-6)


def rewritten(trained: Trained, path: Path, change: Any) -> Path:
    """The model with its description changed, and its hash right again: what a hostile writer would do."""
    file = tensorfile.read(trained.run.model_path)
    about = json.loads(json.dumps({k: v for k, v in file.about.items() if k != "sha256"}))
    arrays = dict(file.arrays)
    change(about, arrays)
    path.write_bytes(tensorfile.encode(arrays, about))
    return path


def put(*keys: Any, value: Any) -> Any:
    def change(about: Any, arrays: Any) -> None:
        for key in keys[:-1]:
            about = about[key]
        about[keys[-1]] = value

    return change


def array(name: str, value: Any) -> Any:
    def change(about: Any, arrays: Any) -> None:
        if value is None:
            del arrays[name]
        else:
            arrays[name] = value

    return change


ATTACKS = {
    "an activation that is code": put("network", "hidden", value=["os.system", "relu"]),
    "an output that is a path": put("network", "output", value="../../etc/passwd"),
    "a loss that is a module": put("network", "loss", value="subprocess:run"),
    "an unknown key": put("network", "on_load", value="import os"),
    "a billion units": put("network", "units", value=[12, 10**9, 3]),
    "units that overflow": put("network", "units", value=[12, 1 << 62, 3]),
    "units that are true": put("network", "units", value=[12, True, 3]),
    "no units": put("network", "units", value=[]),
    "text for units": put("network", "units", value="12,3"),
    "a network that is a list": put("network", value=[]),
    "another dtype": put("network", "dtype", value="float64"),
    "no classes": put("targets", "classes", value=[]),
    "more classes": put("targets", "classes", value=["a", "b", "c", "d"]),
    "a number for a class": put("targets", "classes", value=["a", 2, "c"]),
    "a standard deviation of 0": put("inputs", "std", value=[0.0] * 12),
    "too few means": put("inputs", "mean", value=[0.0]),
    "an encoding of another kind": put("inputs", "kind", value="pickle"),
    "a guess beyond the classes": put("guess", value=3),
    "a guess that is text": put("guess", value="a"),
    "a checkpoint": put("kind", value="checkpoint"),
    "the next format": put("format", value=2),
    "a format that is true": put("format", value=True),
    "an array missing": array("0.bias", None),
    "an array of another shape": array("0.bias", np.zeros(17, np.float32)),
    "an array of another dtype": array("0.bias", np.zeros(16, np.float64)),
    "an array too many": array("../../x", np.zeros(1, np.float32)),
    "a NaN": array("0.bias", np.full(16, np.nan, np.float32)),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_description_that_cannot_be_meant(name: str, trained: Trained, tmp_path: Path) -> None:
    path = rewritten(trained, tmp_path / "model.safetensors", ATTACKS[name])
    with pytest.raises(ModelFileError):
        load_model(path)


def test_the_rewriting_itself_is_harmless(trained: Trained, tmp_path: Path) -> None:
    """The broken twin of the attacks: without a change the file is accepted."""
    load_model(rewritten(trained, tmp_path / "model.safetensors", lambda about, arrays: None))


def test_every_missing_part_is_noticed(trained: Trained, tmp_path: Path) -> None:
    for key in ("network", "inputs", "targets", "guess", "about", "kind", "format"):
        path = rewritten(trained, tmp_path / "model.safetensors", lambda about, arrays, key=key: about.pop(key))
        with pytest.raises(ModelFileError):
            load_model(path)


def test_loading_opens_one_file_and_nothing_else(trained: Trained, tmp_path: Path) -> None:
    """Audit events of a load: one open, no import of anything new, no execution."""
    path = rewritten(trained, tmp_path / "model.safetensors", lambda about, arrays: None)
    load_model(path)  # imports what is needed
    events: list[tuple[str, Any]] = []
    watching = True

    def hook(event: str, args: Any) -> None:
        if watching and event in (
            "open",
            "exec",
            "compile",
            "import",
            "os.system",
            "socket.connect",
            "subprocess.Popen",
        ):
            events.append((event, args[0] if args else None))

    sys.addaudithook(hook)
    try:
        load_model(path)
    finally:
        watching = False
    assert [event for event in events if event[0] != "open"] == []
    assert {str(what) for _, what in events} == {str(path)}


def test_no_model_yet(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no model file"):
        load_model(tmp_path)


def test_what_is_saved_is_loaded(trained: Trained, model: Predictor, tmp_path: Path) -> None:
    save_model(tmp_path / "again", model)
    assert (tmp_path / "again").read_bytes() == trained.run.model_path.read_bytes()


# -- the bytes of the file, with the hash right: each rule of the format by its own message ----------------------------
def repacked(data: bytes, change: Callable[[dict[str, Any], bytes], tuple[Any, bytes]]) -> bytes:
    """The file with its header and arrays changed, and its hash right again.  The header may come back as text."""
    size = int.from_bytes(data[:8], "little")
    header, body = change(json.loads(data[8 : 8 + size]), data[8 + size :])
    text = (header if isinstance(header, str) else json.dumps(header, separators=(",", ":"))).encode()
    text += b" " * (-len(text) % 8)
    made = bytearray(len(text).to_bytes(8, "little") + text + body)
    at = made.index(mark := rb"\"sha256\":\"") + len(mark)
    made[at : at + 64] = b"0" * 64
    made[at : at + 64] = hashlib.sha256(made).hexdigest().encode()
    return bytes(made)


def entries(header: dict[str, Any]) -> list[dict[str, Any]]:
    """The arrays' entries in the order of their bytes."""
    found = [entry for name, entry in header.items() if name != "__metadata__"]
    return sorted(found, key=lambda entry: entry["data_offsets"])


def duplicate(header: dict[str, Any], body: bytes) -> tuple[str, bytes]:
    """The first array named twice; Python's own parser would take the last one."""
    text = json.dumps(header, separators=(",", ":"))
    name, entry = next((name, entry) for name, entry in header.items() if name != "__metadata__")
    return text[:-1] + f",{json.dumps(name)}:{json.dumps(entry)}}}", body


def described_twice(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    header["__metadata__"]["denpa"] = header["__metadata__"]["denpa"][:-1] + ',"kind":"model"}'
    return header, body


def overlap(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    first, second = entries(header)[:2]
    size = second["data_offsets"][1] - second["data_offsets"][0]
    second["data_offsets"] = [first["data_offsets"][0], first["data_offsets"][0] + size]
    return header, body


def hole(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    at = entries(header)[0]["data_offsets"][1]
    for entry in entries(header)[1:]:
        entry["data_offsets"] = [place + 8 for place in entry["data_offsets"]]
    return header, body[:at] + bytes(8) + body[at:]


def trailing(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    return header, body + bytes(8)


def short(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    return header, body[:-8]


def claims(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """A terabyte, in the shape and the offsets alike."""
    last = entries(header)[-1]
    last["shape"] = [1 << 38]
    last["data_offsets"] = [last["data_offsets"][0], last["data_offsets"][0] + (1 << 40)]
    return header, body


def misfit(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    entries(header)[0]["shape"].append(2)
    return header, body


def unknown(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    entries(header)[0]["file"] = "../../weights.bin"
    return header, body


RULES: dict[str, tuple[Any, str]] = {
    "an array named twice": (duplicate, "a key occurs twice"),
    "a description with a key twice": (described_twice, "a key occurs twice"),
    "two arrays in the same bytes": (overlap, "overlap others, leave a gap"),
    "bytes between two arrays": (hole, "overlap others, leave a gap"),
    "bytes after the last array": (trailing, "belong to no array"),
    "fewer bytes than arrays": (short, "are missing"),
    "a terabyte that is not there": (claims, "are missing"),
    "a shape that its bytes do not fill": (misfit, "do not fit its shape"),
    "an array that names a file": (unknown, "does not have dtype, shape and data_offsets"),
}


@pytest.mark.parametrize("name", RULES)
def test_a_file_that_breaks_a_rule_of_the_format(name: str, trained: Trained, tmp_path: Path) -> None:
    change, told = RULES[name]
    path = tmp_path / "model.safetensors"
    path.write_bytes(repacked(trained.run.model_path.read_bytes(), change))
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=told):
            load_model(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * path.stat().st_size + (1 << 20)
    finally:
        tracemalloc.stop()
    assert list(tmp_path.iterdir()) == [path]


def test_repacking_itself_is_harmless(trained: Trained, tmp_path: Path) -> None:
    """The broken twin of the rules: without a change the bytes are the file's, and without a new hash it is refused."""
    data, path = trained.run.model_path.read_bytes(), tmp_path / "model.safetensors"
    path.write_bytes(repacked(data, lambda header, body: (header, body)))
    load_model(path)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ModelFileError, match="not those that were saved"):
        load_model(path)
