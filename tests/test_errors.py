from __future__ import annotations

import pytest

from denpa import errors


def test_message_gives_the_fact_first_and_only_the_lines_that_are_known() -> None:
    text = errors.message("sizes differ", got="(3,)", want="(4,)")
    assert text.splitlines() == ["sizes differ", "  got:   (3,)", "  want:  (4,)"]


def test_every_error_keeps_its_parts_and_has_an_exit_code() -> None:
    error = errors.DataError("no column 'y'", where="a.csv", got="x, z", want="y", fix="--target x")
    assert (error.what, error.where, error.got, error.want, error.fix) == (
        "no column 'y'",
        "a.csv",
        "x, z",
        "y",
        "--target x",
    )
    codes = {cls.__name__: cls.exit_code for cls in _all_errors(errors.DenpaError)}
    assert set(codes.values()) <= {errors.EXIT_TRAINING, errors.EXIT_USAGE, errors.EXIT_DATA}
    assert codes["UsageError"] == 2
    assert codes["ModelFileError"] == codes["DataError"] == 3
    assert codes["TrainingError"] == 1


def _all_errors(cls: type[errors.DenpaError]) -> list[type[errors.DenpaError]]:
    return [cls] + [e for sub in cls.__subclasses__() for e in _all_errors(sub)]


def test_errors_are_also_the_builtin_kind_a_caller_would_catch() -> None:
    assert issubclass(errors.ShapeError, ValueError)
    assert issubclass(errors.DTypeError, TypeError)
    assert issubclass(errors.GradientMismatch, AssertionError)
    assert issubclass(errors.MissingPackage, ImportError)


def test_user_line_is_the_caller_outside_the_package() -> None:
    line = errors.user_line()
    assert line is not None
    assert "test_errors.py" in line
    assert "errors.user_line()" in line


def test_a_missing_package_gives_the_install_command() -> None:
    with pytest.raises(errors.MissingPackage, match=r'pip install "denpa\[draw\]"'):
        errors.require("no_such_package_at_all", for_="PNG output", extra="draw")


def test_a_package_whose_own_import_is_broken_keeps_its_own_error(tmp_path, monkeypatch) -> None:
    (tmp_path / "half_there.py").write_text("import not_there_either\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_either") as caught:
        errors.require("half_there", for_="x", extra="y")
    assert not isinstance(caught.value, errors.MissingPackage)
