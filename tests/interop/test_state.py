"""Weights to and from PyTorch and NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from denpa import nn, tensorfile
from denpa.errors import ModelFileError, UsageError
from denpa.interop.state import load_state, save_npz, save_state


def network(seed: int = 0, dtype: str = "float32") -> nn.Sequential:
    layers = [nn.Flatten(), nn.Linear(6, 5), nn.Tanh(), nn.Dropout(0.2), nn.Linear(5, 4, bias=False), nn.ReLU()]
    return nn.Sequential(*layers, nn.Sequential(nn.Linear(4, 3), nn.Sigmoid()), seed=seed, dtype=dtype)


def test_pytorch_reads_ours_and_we_read_theirs(tmp_path: Path, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    body = [torch.nn.Flatten(), torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Dropout(0.2)]
    body += [torch.nn.Linear(5, 4, bias=False), torch.nn.ReLU()]
    theirs = torch.nn.Sequential(*body, torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Sigmoid())).eval()
    x = rng.standard_normal((7, 2, 3)).astype(np.float32)

    def answer() -> Any:
        with torch.no_grad():
            return theirs(torch.from_numpy(x)).numpy()

    ours = network()
    before = answer()
    save_state(ours, tmp_path / "ours.safetensors")
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    np.testing.assert_allclose(load_state(ours, tmp_path / "theirs.safetensors")(x).value, before, atol=3e-7)
    theirs.load_state_dict(load_file(tmp_path / "ours.safetensors"))
    np.testing.assert_allclose(ours(x).value, answer(), atol=3e-7)
    assert np.abs(before - answer()).max() > 0.01  # they were different networks


def test_a_network_comes_back_and_the_bytes_are_the_same(tmp_path: Path) -> None:
    model = nn.Network([3, 4, 2], seed=1)
    for name in ("a", "b"):
        save_state(model, tmp_path / f"{name}.safetensors")
        save_npz(model, tmp_path / f"{name}.npz")
    again = load_state(nn.Network([3, 4, 2], seed=2), tmp_path / "a.safetensors")
    for (name, p), q in zip(model.parameters().items(), again.parameters().values(), strict=True):
        np.testing.assert_array_equal(p.value, q.value)
        np.testing.assert_array_equal(np.load(tmp_path / "a.npz")[name], p.value)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def written(folder: Path, change: Any) -> Path:
    arrays = {n: np.array(p.value) for n, p in network().parameters().items()}
    change(arrays)
    path = folder / "weights.safetensors"
    path.write_bytes(tensorfile.encode(arrays, {"kind": "state", "format": 1}))
    return path


def replaced(name: str, value: Any) -> Any:
    return lambda arrays: arrays.__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda arrays: arrays.pop("1.bias"), "missing 1.bias"),
        (replaced("9.bias", np.zeros(2, np.float32)), "unknown '9.bias'"),
        (replaced("1.bias", np.zeros(4, np.float32)), "shape of 1.bias"),
        (replaced("4.weight", np.zeros((4, 5))), "4.weight has another dtype"),
        (replaced("4.weight", np.zeros((4, 5), np.int64)), "4.weight has another dtype"),
        (replaced("1.bias", np.full(5, np.nan, np.float32)), "1.bias holds NaN"),
    ],
)
def test_weights_of_another_model(change: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=told):
        load_state(network(), written(tmp_path, change))


def test_rounding_has_to_be_asked_for(tmp_path: Path) -> None:
    wide = network(3, "float64")
    save_state(wide, tmp_path / "wide.safetensors")
    with pytest.raises(ModelFileError, match="convert=True"):
        load_state(network(), tmp_path / "wide.safetensors")
    narrow = load_state(network(), tmp_path / "wide.safetensors", convert=True)
    assert narrow.parameters()["1.weight"].dtype == np.float32
    np.testing.assert_allclose(
        narrow.parameters()["1.weight"].value, wide.parameters()["1.weight"].value, rtol=1e-7, atol=0
    )
    path = written(tmp_path, replaced("1.bias", np.full(5, 1e300)))
    with pytest.raises(ModelFileError, match="holds NaN or infinity"):
        load_state(network(), path, convert=True)


def test_only_a_model_has_weights(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only a model"):
        save_state(3, tmp_path / "x")
