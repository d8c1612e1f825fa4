from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, strategies as st
from tests.draw.pages import HOSTILE, read

from denpa.draw.markup import Markup, both, columns, element, escape, plain, shorten, width
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
    assert width(T(en="loss", ja="損失"), 10) == pytest.approx(22.4)
    assert width(T(en="x", ja="損失"), 10) == 20


@given(st.text(max_size=60), st.integers(3, 20))
def test_shortened_names_fit(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert columns(short) <= limit
    assert short == text or "…" in short
