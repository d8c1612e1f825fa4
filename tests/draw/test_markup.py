from __future__ import annotations

import unicodedata
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, strategies as st
from tests.draw.pages import HOSTILE, read

from denpa.draw.markup import Markup, both, columns, element, escape, plain, runs, shorten, width
from denpa.explain.words import T


@given(st.text())
def test_any_text_stays_text(text: str) -> None:
    made = element("p", text, title=text)
    tree = ET.fromstring(made)  # as XML
    assert not list(tree)
    assert (tree.text or "") == plain(text)
    page = read(f"<div>{made}</div>")  # and as HTML
    assert page.text() == plain(text)
    assert len(page.all()) == 3
    made.encode("utf-8")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    tree = ET.fromstring(element("text", both(text), both(T(en=text, ja=text), "tspan"), data_name=text))
    assert [child.tag for child in tree] == ["tspan", "tspan"]
    assert [child.text for child in tree] == [plain(text)] * 2


def test_the_check_can_fail() -> None:
    broken = Markup(f"<p>{HOSTILE[0]}</p>")  # what a forgotten escape would make
    assert len(list(ET.fromstring(broken))) == 1


def test_characters_that_deceive_become_visible() -> None:
    assert plain("a\x00b\x1b\u202e\ud800\n") == "a␀b␛\ufffd\ufffd\n"


def test_attributes() -> None:
    assert element("rect", x=1.0, y=-0.001, class_="a", fill_opacity=0.256, rx=None) == (
        '<rect x="1" y="0" class="a" fill-opacity="0.26"/>'
    )
    with pytest.raises(ValueError, match="nan"):
        element("rect", x=float("nan"))


def test_words_in_every_language_or_one() -> None:
    words = T(en="loss", ja="損失")
    assert both(words) == '<span class="en" lang="en">loss</span><span class="ja" lang="ja">損失</span>'
    assert both(words, language="ja") == "損失"
    assert both("W & b") == "W &amp; b" == escape("W & b")


def test_widths_count_full_width_characters_twice() -> None:
    assert columns("ab損失") == 6
    assert columns("e\u0301") == 1
    assert width(T(en="ab", ja="損失"), 10) == pytest.approx(20.0)
    assert width("損失", 10) < width("損失W", 10) < width("損失損", 10)
    assert width(T(en="x", ja="損失"), 10) == 20


@given(st.text(max_size=60), st.integers(3, 20))
def test_shortened_names_fit(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert columns(short) <= limit
    assert short == text or "…" in short


def test_digits_are_as_wide_as_in_the_fonts_of_readers() -> None:
    """0.55 em in Noto Sans and Arial, 0.64 in DejaVu Sans; an M is wider, an i narrower, a subscript smaller."""
    digit = width("0", 1)
    assert 0.55 <= digit <= 0.64
    assert width("i", 1) < digit < width("M", 1)
    assert width("z₁⁽¹⁾", 1) == pytest.approx(digit + 0.72 * width("1(1)", 1))
    assert width("J̃", 1) == width("J", 1)


def test_runs_raise_lower_and_put_accents_above() -> None:
    assert runs("W₂₁⁽¹⁾ x") == [("", "W"), ("sub", "21"), ("super", "(1)"), ("", " x")]
    assert runs("ŷ₁") == [("", "y"), ("hat", "^"), ("sub", "1")]
    assert runs("J̃") == runs(unicodedata.normalize("NFD", "J̃")) == [("", "J"), ("capital hat", "~")]
    assert runs("W_μn⁽¹⁾ C_T") == [("", "W"), ("sub", "μn"), ("super", "(1)"), ("", " C"), ("sub", "T")]


def test_runs_leave_a_users_names_alone() -> None:
    for name in ("n_apple", "x_1", "layer0_T", "max_T1", "Señor é", "みかんが", "_T", "a_b", ""):
        assert runs(name) == ([("", name)] if name else []), name
