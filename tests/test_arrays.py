from __future__ import annotations

import numpy as np
import pytest

from denpa.arrays import as_value, like, namespace
from denpa.errors import DTypeError


def test_values_are_read_only_copies() -> None:
    mine = np.arange(3.0)
    value = as_value(mine)
    mine[0] = 99
    assert value[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        value[0] = 1


def test_shape_nothing_is_a_numpy_scalar() -> None:
    assert isinstance(as_value(3.0), np.float64)
    assert isinstance(as_value(np.array(3, np.int8)), np.int8)


@pytest.mark.parametrize("bad", [["a", "b"], object(), [1, [2, 3]], np.array(["x"]), None])
def test_what_is_not_numbers_is_refused(bad: object) -> None:
    with pytest.raises(DTypeError, match="not an array of numbers"):
        as_value(bad)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "bool"])
@pytest.mark.parametrize("number", [2, 2.5, True])
def test_python_numbers_promote_as_numpy_promotes_them(dtype: str, number: float) -> None:
    array = np.ones(3, dtype)
    assert (array * like(number, array)).dtype == (array * number).dtype


def test_namespace_is_numpys_unless_an_array_brings_its_own() -> None:
    assert namespace(1.0, np.ones(2)) is np
    jnp = pytest.importorskip("jax.numpy")
    assert namespace(jnp.ones(2)) is jnp
