"""Pages are well formed, need nothing from anywhere, hold every language, and let no text become markup."""

from __future__ import annotations

import base64
import hashlib
import re

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.draw.pages import HOSTILE, Element, read

from denpa.draw import html
from denpa.draw.markup import plain
from denpa.explain.charts import LineChart, Series, Thumbnail, Thumbnails
from denpa.explain.document import (
    Document,
    Formula,
    Highlight,
    Highlights,
    Number,
    Picture,
    Section,
    T,
    Table,
    Text,
    Words,
)

TAGS = {
    "", "html", "head", "meta", "title", "style", "body", "input", "header", "main", "nav", "ul", "li", "a", "div",
    "span", "label", "h1", "h2", "h3", "h4", "p", "pre", "code", "section", "table", "caption", "thead", "tbody", "tr",
    "th", "td", "data", "dl", "dt", "dd", "figure", "figcaption", "details", "summary",
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "msup", "msub", "msubsup", "mfrac", "mover", "munder",
    "svg", "desc", "g", "text", "tspan", "rect", "line", "path", "polyline", "circle", "image",
}  # fmt: skip


def document(words: Words, data: str = "0.weight") -> Document:
    """Every kind of block, with `words` wherever words may stand and `data` wherever data may."""
    chart = LineChart((Series(words, (1.0, 2.0), (1.0, 2.0)), Series(data, (1.0,), (3.0,))), words, data)
    blocks = (
        Text(words),
        Text(words, "note"),
        Text(words, "warning"),
        Text(data, "code"),
        Formula(data, data),
        Table((words, data), ((data, words), (Number(1.5, words), None)), words),
        Table((words,), tuple((i,) for i in range(1000)), words, folded=True, keep=(777,)),
        Highlights((Highlight(words, Number(0.5, style="percent"), data), Highlight(data, words))),
        Picture(chart, words, data),
        Picture(Thumbnails((Thumbnail(np.zeros((200, 200)), (words, data)),)), words),
        Section(words, (Section(data, (Text(words),), data),)),
    )
    return Document(words, (Section(words, blocks, "first"),), (Text(words),))


def safe(page: str) -> Element:
    """The page's tree, when nothing in it can run, load or send."""
    tree = read(page)
    assert {e.name for e in tree.all()} <= TAGS
    for item in tree.all():
        assert not any(name.startswith("on") or name == "style" for name in item.attributes), item.attributes
        for name in ("href", "src", "action"):
            target = item.attributes.get(name, "#")
            assert target.startswith(("#", "data:image/png;base64,")), target
    page.encode("utf-8")
    return tree


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_stays_text(name: str) -> None:
    tree = safe(html.page(document(T(en=name, ja=name), name)))
    (title,) = tree.all("h1")
    assert title.text("en") == plain(name)
    assert len(tree.all("style")) == 1


def test_the_check_can_fail() -> None:
    page = html.page(document("x"))
    for broken in (
        page.replace("<main>", "<main><script>1</script>"),
        page.replace("<main>", '<main><p onclick="1"></p>'),
        page.replace("<main>", '<main><a href="https://example.org">x</a>'),
        page.replace("</main>", ""),
    ):
        with pytest.raises(AssertionError):
            safe(broken)


@given(st.text(min_size=1).filter(str.strip))
def test_any_text_stays_text(text: str) -> None:
    tree = safe(html.page(Document(text, (Section(text, (Text(text, "code"),)),))))
    (code,) = tree.all("code")
    assert code.text() == plain(text).replace("\r", "␍")


def test_nothing_is_fetched_and_only_the_own_style_applies() -> None:
    page = html.page(document(T(en="loss", ja="損失")))
    assert "http:" not in page
    assert "https:" not in page
    assert not re.search(r"[\"'(=]//", page)  # an address without its scheme
    assert "url(" not in page
    assert "@import" not in page
    tree = read(page)
    policy = next(m.attributes["content"] for m in tree.all("meta") if "http-equiv" in m.attributes)
    (style,) = tree.all("style")
    digest = base64.b64encode(hashlib.sha256(style.text().encode()).digest()).decode()
    assert policy.startswith("default-src 'none';")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "script" not in policy


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_text_is_there_in_both_languages(language: str) -> None:
    tree = read(html.page(document(T(en="loss", ja="損失")), language))  # type: ignore[arg-type]
    english = [e for e in tree.all() if e.attributes.get("class") == "en"]
    japanese = [e for e in tree.all() if e.attributes.get("class") == "ja"]
    assert len(english) == len(japanese) > 20
    assert all(e.attributes["lang"] == "en" for e in english)
    assert all(e.attributes["lang"] == "ja" for e in japanese)
    main = next(iter(tree.all("main")))
    assert "損失" not in main.text("en")
    assert "loss" not in main.text("ja")
    assert tree.all("html")[0].attributes["lang"] == language
    chosen = [e.attributes["id"] for e in tree.all("input") if "checked" in e.attributes]
    assert chosen == [f"language-{language}"]
    assert tree.all("title")[0].text() == "loss · 損失"


def test_the_switch_reaches_the_texts() -> None:
    """The rule that hides a language needs the radio buttons to be elder siblings of everything that holds texts."""
    body = read(html.page(document(T(en="a", ja="b")))).all("body")[0]
    names = [child.name for child in body.children if isinstance(child, Element)]
    assert names == ["input", "input", "header", "main"]
    assert "#language-en:checked~* .ja,#language-ja:checked~* .en{display:none}" in html.PAGE


def test_numbers_keep_their_exact_value() -> None:
    table = Table(("a", "b", "c"), ((1 / 3, Number(0.98765, style="percent"), Number(12, "rows")), (2.0, None, 7)))
    tree = read(html.page(Document("t", (Section("s", (table,)),))))
    found = [(e.attributes["value"], e.text()) for e in tree.all("data")]
    assert found == [
        (repr(1 / 3), "0.3333"), ("0.98765", "98.77 %"), ("12", "12"), ("2.0", "2"), ("7", "7"),
    ]  # fmt: skip
    rows = [[c.text() for c in row.children if isinstance(c, Element)] for row in tree.all("tr")]
    assert rows[1:] == [["0.3333", "98.77 %", "12 rows"], ["2", "–", "7"]]


def test_long_folded_tables_say_what_they_leave_out() -> None:
    table = Table(("n",), tuple((i,) for i in range(10_000)), "all", folded=True, keep=(4321,))
    page = html.page(
        Document(
            "t",
            (
                Section(
                    "s",
                    (table, Table(("n",), tuple((i,) for i in range(300)))),
                ),
            ),
        )
    )
    tree = read(page)
    (folded,) = tree.all("details")
    values = [int(e.attributes["value"]) for e in folded.all("data")]
    assert len(values) <= 200
    assert {0, 4321, 9999} <= set(values)
    assert f"{len(values)} of 10,000 rows are shown" in folded.text("en")
    assert f"全10,000行から等間隔に選んだ行と注目すべき行、あわせて{len(values)}行" in folded.text("ja")
    assert len(tree.all("data")) == len(values) + 300  # an open table is whole


def test_links_and_labels_lead_somewhere() -> None:
    tree = read(html.page(document(T(en="a", ja="b"))))
    ids = [e.attributes["id"] for e in tree.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    targets = [e.attributes["href"][1:] for e in tree.all("a")]
    targets += [e.attributes["aria-labelledby"] for e in tree.all() if "aria-labelledby" in e.attributes]
    targets += [e.attributes["for"] for e in tree.all("label")]
    assert targets
    assert set(targets) <= set(ids)
    assert "Large images are shown with fewer pixels" in tree.text("en")


@pytest.mark.parametrize("words", HOSTILE)
def test_a_notebook_shows_the_lines_and_the_page_in_a_frame(words: str) -> None:
    shown = document(words or "title")._repr_mimebundle_()
    assert set(shown) == {"text/plain", "text/html"}
    assert shown["text/plain"].count("\n") > 10
    (frame,) = read(shown["text/html"]).all("iframe")
    assert frame.attributes["sandbox"] == ""
    assert "src" not in frame.attributes
    assert frame.attributes["srcdoc"] == html.page(document(words or "title"))


def test_no_line_breaks_inside_a_number() -> None:
    words = T(en="off by 1.91e-6, not -2e-10; x1e-b", ja="誤差は1.91e-6")
    document = Document("d", (Section("s", (Text(words), Text("x = 1e-6", "code"))),))
    page = html.page(document)
    assert page.count('<span class="whole">1.91e-6</span>') == 2
    assert '<span class="whole">-2e-10</span>' in page
    assert "x1e-b" in page
    assert "<code>x = 1e-6</code>" in page
    assert ".whole,data{white-space:nowrap}" in page
