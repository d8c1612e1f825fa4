"""Documents as one HTML page that needs nothing else: no script, no font, no request to anywhere.

Every text stands there in every language; two radio buttons and a style sheet show one of them.  The page's own content
security policy forbids everything but its one style sheet (by hash) and embedded images.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from denpa.draw import plots, svg
from denpa.draw.markup import Markup, both, element, join, number_text
from denpa.draw.mathml import math
from denpa.draw.style import PAGE
from denpa.draw.thinning import thin_rows
from denpa.errors import UsageError
from denpa.explain.charts import Chart, NetworkUnits, Thumbnail, Thumbnails
from denpa.explain.document import (
    LANGUAGES,
    Block,
    Cell,
    Document,
    Formula,
    Highlights,
    Language,
    Number,
    Picture,
    Section,
    T,
    Table,
    Text,
    Words,
    in_language,
    walk,
)
from denpa.formatting import number

_LANGUAGE_NAMES = {"en": "English", "ja": "日本語"}
_CONTENTS = T(en="Contents", ja="目次")
ROWS = 200  # of a folded table
_POWER = re.compile(r"[-\u2212]?\d[\d.,]*e-\d+")
_SHRUNK = T(
    en="Large images are shown with fewer pixels than the network saw.",
    ja="大きな画像は、ネットワークが見たものより画素数を減らして表示している。",
)


def _words(words: Words) -> Markup:
    """Words in every language.  A browser may break a line after the hyphen of 1.9e-6; here it may not."""
    return Markup(_POWER.sub(r'<span class="whole">\g<0></span>', both(words)))


def _number(value: Number) -> Markup:
    """`<data value="exact">rounded</data>` and the unit."""
    exact = element("data", number_text(value), value=repr(value.value), title=repr(value.value))
    return join(exact, Markup(" ") if value.unit else Markup(""), _words(value.unit))


def _cell(cell: Cell, head: bool, numeric: bool) -> Markup:
    """A cell; the digits of a column of numbers stand below each other."""
    if isinstance(cell, (int, float)):
        cell = Number(cell)
    class_ = "number" if numeric else None
    content = Markup("–") if cell is None else _number(cell) if isinstance(cell, Number) else _words(cell)
    return element("th", content, scope="row", class_=class_) if head else element("td", content, class_=class_)


def _is_number(cells: Iterable[Cell]) -> bool:
    kinds = [isinstance(cell, (int, float, Number)) for cell in cells if cell is not None]
    return bool(kinds) and all(kinds)


def _fewer(shown: int, total: int) -> T:
    return T(
        en=f"{number(shown)} of {number(total)} rows are shown, evenly spaced, with the remarkable ones among them.",
        ja=f"全{number(total)}行から等間隔に選んだ行と注目すべき行、あわせて{number(shown)}行を表示している。",
    )


def _table(table: Table) -> Markup:
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.headings)
    numeric = [_is_number(cells) for cells in columns]
    heads = [
        element("th", _words(words), scope="col", class_="number" if right else None)
        for words, right in zip(table.headings, numeric, strict=True)
    ]
    kept = thin_rows(len(table.rows), ROWS, set(table.keep)) if table.folded else range(len(table.rows))
    rows = [
        element("tr", *(_cell(cell, table.row_heads and i == 0, numeric[i]) for i, cell in enumerate(table.rows[k])))
        for k in kept
    ]
    caption = element("caption", _words(table.caption)) if table.caption and not table.folded else Markup("")
    body = element("table", caption, element("thead", element("tr", *heads)), element("tbody", *rows))
    fewer = element("p", _words(_fewer(len(rows), len(table.rows))), class_="note")
    scroll = element("div", body, fewer if len(rows) < len(table.rows) else Markup(""), class_="scroll")
    return element("details", element("summary", _words(table.caption)), scroll) if table.folded else scroll


def _text(text: Text) -> Markup:
    if text.kind == "code":
        return element("pre", element("code", both(text.words)))
    return element("p", _words(text.words), class_=None if text.kind == "plain" else text.kind)


def _highlights(block: Highlights) -> Markup:
    boxes = []
    for item in block.items:
        value = _number(item.value) if isinstance(item.value, Number) else _words(item.value)
        remark = element("dd", _words(item.remark), class_="remark") if item.remark else Markup("")
        boxes.append(element("div", element("dt", _words(item.name)), element("dd", value, class_="figure"), remark))
    return element("dl", *boxes, class_="highlights")


def _strip(chart: Thumbnails) -> Markup:
    """Images as a grid that follows the page's width."""

    def one(image: Thumbnail) -> Markup:
        lines = [element("div", _words(words)) for words in image.lines]
        return element("figure", plots.thumbnail(image), element("figcaption", *lines))

    shrunk = any(max(image.pixels.shape[:2]) > plots.LARGEST for image in chart.images)
    hint = element("p", _words(_SHRUNK), class_="note") if shrunk else Markup("")
    return join(element("div", *map(one, chart.images), class_="strip"), hint)


def _drawing(chart: Chart, key: str) -> Markup:
    match chart:
        case Thumbnails():
            return _strip(chart)
        case NetworkUnits():
            return plots.network(chart, f"{key}-")
        case _:
            return Markup(plots.svg(chart))


def _picture(picture: Picture, ids: Iterator[int]) -> Markup:
    """The drawing and, under it, the sentence that is also its text alternative."""
    key = f"figure-{next(ids)}"
    drawing = _drawing(picture.chart, key)
    lines = [element("p", _words(picture.description), id=key, class_="what")]
    if picture.caption:
        lines.append(element("p", _words(picture.caption)))
    role = "group" if isinstance(picture.chart, Thumbnails) else "img"
    return element("figure", element("div", drawing, role=role, aria_labelledby=key), element("figcaption", *lines))


def _block(block: Block, depth: int, ids: Iterator[int]) -> Markup:
    match block:
        case Text():
            return _text(block)
        case Table():
            return _table(block)
        case Highlights():
            return _highlights(block)
        case Picture():
            return _picture(block, ids)
        case Formula():
            return _formula(block)
        case Section():
            return _section(block, depth, ids)


def _formula(block: Formula) -> Markup:
    """As MathML; as plain characters where the LaTeX is not denpa's own and cannot be read."""
    try:
        return element("div", math(block), class_="formula", title=block.latex)
    except UsageError:
        return element("p", block.plain, class_="formula", title=block.latex)


def _section(section: Section, depth: int, ids: Iterator[int]) -> Markup:
    title = element(f"h{min(depth, 6)}", _words(section.title), id=section.key or None)
    return element("section", title, *(_block(block, depth + 1, ids) for block in section.blocks))


def _contents(sections: tuple[Section, ...]) -> Markup:
    links = [
        element("li", element("a", _words(section.title), href=f"#{section.key}"))
        for section in sections
        if section.key
    ]
    heading = element("span", _words(_CONTENTS), hidden="hidden", id="contents")
    return element("nav", heading, element("ul", *links), aria_labelledby="contents") if links else Markup("")


def _switch() -> Markup:
    labels = [
        element("label", _LANGUAGE_NAMES[code], for_=f"language-{code}", lang=code, class_="choice")
        for code in LANGUAGES
    ]
    return element("div", *labels, class_="switch")


def _choices(chosen: Language) -> list[Markup]:
    """The radio buttons.  They stand before everything else, so that the style sheet can reach all that follows."""
    return [
        element(
            "input",
            type="radio",
            name="language",
            id=f"language-{code}",
            class_="language",
            checked="checked" if code == chosen else None,
            aria_label=_LANGUAGE_NAMES[code],
        )
        for code in LANGUAGES
    ]


def _everywhere(words: Words) -> str:
    """A title, which cannot be switched: every language, once."""
    texts = dict.fromkeys(in_language(words, code) for code in LANGUAGES)
    return " · ".join(texts)


def _source(text: str) -> str:
    """What a content security policy calls an inline style sheet or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _head(document: Document, styles: Sequence[str], script: str) -> Markup:
    policy = f"default-src 'none'; style-src {' '.join(map(_source, (PAGE, *styles)))}; img-src data:"
    policy += (f"; script-src {_source(script)}" if script else "") + "; base-uri 'none'; form-action 'none'"
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=Markup(policy)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", _everywhere(document.title)),
        element("style", Markup(PAGE)),  # this package's own text
    )


def page(
    document: Document,
    language: Language = "en",
    *,
    figure: Markup | None = None,
    styles: Sequence[str] = (),
    script: str = "",
) -> str:
    """The whole page; `language` is the one shown first.

    figure: stands before the sections.  styles: the text of each style sheet inside it, which the page's policy then
    allows, as it does the one script at the end of the page.
    """
    if any(isinstance(part, NetworkUnits) for part in walk(document)):
        styles = (*styles, svg.style("auto"))  # such a picture has it inside
    ids = count(1)
    lead = [_block(block, 2, ids) for block in document.lead]
    sections = [_section(section, 2, ids) for section in document.sections]
    header = element("header", _switch(), element("h1", _words(document.title)), _contents(document.sections))
    run = [element("script", Markup(script))] if script else []  # this package's own text
    body = element(
        "body", *_choices(language), header, element("main", *lead, *([figure] if figure else []), *sections), *run
    )
    return f"<!DOCTYPE html>\n{element('html', _head(document, styles, script), body, lang=language)}\n"


def framed(document: Document) -> Markup:
    """The page in a frame, for a notebook: neither's style sheet reaches the other, and no script runs in it."""
    look = "width:100%;height:620px;border:1px solid #8888;border-radius:6px"
    title = _everywhere(document.title)
    return element("iframe", srcdoc=page(document), title=title, style=look, sandbox="", loading="lazy")
