"""`denpa export` and `denpa import`, on a run and back."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from tests.train import worker

from denpa import cli
from denpa.train.model_file import load_model, save_model
from denpa.train.training import train

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(worker.settings(epochs=3), worker.dataset(), tmp_path_factory.mktemp("export") / "run").run.path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    data = worker.dataset(50)
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"x{i}" for i in range(1, 13)), "cluster"])
        writer.writerows([*row, data.classes[t]] for row, t in zip(data.inputs, data.targets, strict=True))  # type: ignore[index]
    return tmp_path / "rows.csv"


def denpa(*arguments: object, capfd: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.run([str(a) for a in arguments])
    captured = capfd.readouterr()
    return code, captured.out, captured.err


def test_there_and_back(run: Path, rows: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = denpa("export", run, "-o", tmp_path / "m.onnx", "--check", rows, capfd=capfd)
    assert code == 0
    assert "the whole model" in out
    assert "onnxruntime agrees on 50 rows" in out
    assert ", 0 other classes" in out
    code, out, _ = denpa("import", tmp_path / "m.onnx", "-o", tmp_path / "m.safetensors", capfd=capfd)
    assert code == 0
    assert "12-16-8-3 (relu, relu, softmax), 3 classes, target 'cluster'" in out
    assert "note" not in out
    other = tmp_path / "other.safetensors"
    code, out, _ = denpa("import", tmp_path / "m.onnx", "-o", other, "--target", "cluster", capfd=capfd)
    assert code == 0
    assert "target 'cluster'\nnote: output 'label' left out" in out
    first = denpa("predict", run, rows, "--proba", capfd=capfd)
    assert first == denpa("predict", tmp_path / "m.safetensors", rows, "--proba", capfd=capfd)
    assert first[1].startswith("cluster,p(a)")
    assert "always guessing" in denpa("evaluate", tmp_path / "m.safetensors", rows, capfd=capfd)[1]
    code, out, _ = denpa("evaluate", other, rows, capfd=capfd)
    assert code == 0
    assert "accuracy" in out
    assert "always guessing" not in out  # the nodes do not say what the classes were in training
    for verb in ("trace", "explain"):
        more = ("--weight", "0.weight[0,0]") if verb == "explain" else ()
        code, out, _ = denpa(verb, tmp_path / "m.safetensors", "--file", rows, "--row", 1, *more, capfd=capfd)
        assert code == 0, out
    assert denpa("draw", tmp_path / "m.safetensors", "--data", rows, "--quiet", capfd=capfd)[0] == 0


def test_a_difference_is_exit_code_1(
    run: Path, rows: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from denpa.interop import onnx_check

    monkeypatch.setattr(onnx_check, "TOLERANCE", 0.0)
    code, out, _ = denpa("export", run, "-o", tmp_path / "m.onnx", "--check", rows, capfd=capfd)
    assert (code, "does not agree" in out) == (1, True)


def test_weights_alone(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    want = {name: p.value for name, p in load_model(run).network.parameters().items()}
    for form, name in (("safetensors", "w.bin"), ("numpy", "w.npz")):
        code, out, _ = denpa("export", run, "-f", form, "-o", tmp_path / name, capfd=capfd)
        assert (code, "the weights alone" in out) == (0, True)
    with np.load(tmp_path / "w.npz") as found:
        assert {n: found[n].tobytes() for n in found} == {n: v.tobytes() for n, v in want.items()}


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("-o", "m.txt"), 2, "the format is not known"),
        (("-o", "m.npz", "--check", "digits"), 2, "only an ONNX file can be checked"),
        (("-o", "nowhere/m.onnx"), 1, "cannot be saved"),
        ((), 2, "Missing option"),
    ],
)
def test_export_that_cannot_be_meant(
    arguments: tuple[str, ...], code: int, told: str, run: Path, tmp_path: Path,
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    found, _, err = denpa("export", run, *arguments, capfd=capfd)
    assert found == code
    assert told in err
    assert list(tmp_path.iterdir()) == []


def test_import_of_something_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.onnx").write_bytes(b"nothing of the kind")
    code, _, err = denpa("import", tmp_path / "m.onnx", "-o", tmp_path / "m.safetensors", capfd=capfd)
    assert code == 3
    assert "no ONNX file" in err
    assert not (tmp_path / "m.safetensors").exists()


def test_a_run_is_found_by_its_model_file(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save_model(tmp_path / "m.safetensors", load_model(run))
    for source in (run, tmp_path / "m.safetensors"):
        assert denpa("export", source, "-o", tmp_path / f"{source.stem}.onnx", capfd=capfd)[0] == 0
    assert (tmp_path / "run.onnx").read_bytes() == (tmp_path / "m.onnx").read_bytes()
