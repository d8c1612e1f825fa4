"""`denpa` itself: a name means the same whatever was used before it."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEFORE = [
    "",
    "dp.check",
    "dp.check_primitive",
    "dp.CheckReport",
    "import denpa.check",
    "import denpa.train.gradient_check",
]


@pytest.mark.parametrize("before", BEFORE)
def test_check_is_a_function_whatever_was_loaded_before(before: str) -> None:
    """Loading the package `denpa.check` binds the name `check` in `denpa`; the function must survive that."""
    program = f"""
import denpa as dp
{before}
assert dp.check(lambda x: x * x, 3.0)
assert dp.check_primitive(dp.tanh)
assert isinstance(dp.check(lambda x: x * x, 3.0), dp.CheckReport)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_is_an_attribute_error() -> None:
    import denpa

    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        _ = denpa.chekc
