"""Every kind of page in a browser: no request to anywhere, no error, nothing clipped, and the keys step."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.draw.browser import PROGRAM, Browser, browser
from tests.draw.charts import one_of_each
from tests.draw.graphs import SHOP, SHOP_VALUES
from tests.train.records import classification, regression

import denpa as dp
from denpa.draw import animate, html, svg
from denpa.draw.units import network_scene
from denpa.explain.charts import NetworkUnits
from denpa.explain.document import Document, Picture, Section, T
from denpa.train.report import report

LINK = re.compile(r"""(?:src|href|action|data|poster|srcset)\s*=\s*["'](?!#|data:image/)[^"']*["']""")
NAMED = re.compile(r"(?:https?:|ftp:|wss?:|file:|//)[^\s\"'<>]+")
NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}


def documents() -> dict[str, Document]:
    rng = np.random.default_rng(0)
    network = dp.nn.Network([4, 3, 2], hidden="relu", output="sigmoid", loss="squared_error", dtype="float64")
    x, t = rng.normal(size=(5, 4)), rng.uniform(size=(5, 2))
    pictures = tuple(Picture(chart, T(en="A chart.", ja="図。")) for chart in one_of_each())
    return {
        "charts": Document("charts", (), (Section("s", pictures),)),
        "descent": dp.descend(lambda x, y: x * x + 10 * y * y, (1.0, 1.0), learning_rate=0.05, steps=20).document(),
        "trace": dp.trace_step(network, x, t, notation="001", learning_rate=0.1).document,
        "explain": dp.explain(network, "W[1][2,3]", x=x, t=t),
        "doctor": dp.doctor(network, 1000 * x, t, [3.0, 2.0, math.nan]).document(),
        "report of a classification": report(classification()),
        "report of a regression": report(regression()),
    }


def pages() -> dict[str, str]:
    shop = dp.draw(SHOP, values=SHOP_VALUES, language="ja")
    network = dp.nn.Network([4, 8, 8, 3], hidden="sigmoid")
    rng = np.random.default_rng(0)
    operations = dp.draw(network, rng.normal(size=(2, 4)), np.array([0, 2]), zoom="operations", collapse=False)
    made = {"steps": shop.html(), "steps of 407 nodes": operations.html()}
    return made | {name: html.page(document, "ja") for name, document in documents().items()}


PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_no_address(name: str) -> None:
    page = PAGES[name]
    assert LINK.findall(page) == []
    assert set(NAMED.findall(page)) <= NAMESPACES
    assert not re.search(r"@import|url\(|<link|<iframe|<base|<object|<embed", page)


def test_the_search_for_addresses_can_fail() -> None:
    assert LINK.findall('<img src="x.png">')
    assert LINK.findall("<a href='page.html'>")
    assert not LINK.findall('<a href="#part"><image href="data:image/png;base64,xx"/>')
    assert NAMED.findall("fetch('https://example.com/x')") == ["https://example.com/x"]


def test_the_script_is_javascript(tmp_path: Path) -> None:
    if (node := shutil.which("node")) is None:
        pytest.skip("needs node")
    for name, source in (("right", animate.SCRIPT), ("wrong", animate.SCRIPT + "}")):
        path = tmp_path / f"{name}.js"
        path.write_text(source, encoding="utf-8")
        ran = subprocess.run([node, "--check", path], capture_output=True, check=False)
        assert (ran.returncode == 0) == (name == "right"), ran.stderr


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if PROGRAM is None:
        pytest.skip("needs Chromium")
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


def saved(folder: Path, source: str, name: str = "page.html") -> Path:
    path = folder / name
    path.write_text(source, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_alone_and_without_an_error(name: str, chromium: Browser, tmp_path: Path) -> None:
    path = saved(tmp_path, PAGES[name])
    chromium.open(path)
    assert chromium.errors == []
    assert chromium.outside(path) == []
    assert chromium.ask("document.documentElement.scrollWidth <= innerWidth")  # nothing makes the page itself wider


def test_the_browser_would_tell_of_requests_and_errors(chromium: Browser, tmp_path: Path) -> None:
    path = saved(tmp_path, "<img src='other.png'><script>null.x</script>")
    chromium.open(path)
    assert [url.rpartition("/")[2] for url in chromium.outside(path)] == ["other.png"]
    assert any("TypeError" in error for error in chromium.errors)


def test_the_keys_step(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(saved(tmp_path, PAGES["steps"]))

    def at() -> int:
        return int(chromium.ask('document.querySelector(".player input").value'))

    def known() -> int:
        return int(chromium.ask('document.querySelectorAll("svg .row:not(.later)").length'))

    last, everything = at(), known()
    assert last == dp.draw(SHOP, values=SHOP_VALUES).scene.steps
    chromium.press("ArrowLeft")
    assert at() == last - 1
    assert known() < everything
    chromium.press("Home")
    assert at() == 0
    few = known()
    chromium.press("ArrowRight")
    assert at() == 1
    assert known() > few
    assert chromium.ask('document.querySelector(".said").textContent').startswith(f"1 / {last}")
    chromium.press("End")
    assert (at(), known()) == (last, everything)
    chromium.press("ArrowRight")
    assert at() == last
    assert chromium.errors == []


def test_the_language_switch_shows_one_language(chromium: Browser, tmp_path: Path) -> None:
    chromium.open(saved(tmp_path, PAGES["descent"]))
    shown = "[...document.querySelectorAll('{0}')].filter(e => e.getClientRects().length).length"
    assert chromium.ask(shown.format("main .ja")) > 0
    assert chromium.ask(shown.format("main .en")) == 0
    chromium.ask("document.querySelector('label[for=language-en]').click()")
    assert chromium.ask(shown.format("main .ja")) == 0
    assert chromium.ask(shown.format("main .en")) > 0


SCENES = {
    "shop": lambda language: dp.draw(SHOP, values=SHOP_VALUES, local=True, language=language).scene,
    "units": lambda language: network_scene(
        next(chart for chart in one_of_each() if isinstance(chart, NetworkUnits)), language
    ),
}

MEASURE = """(() => {
  const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
  const picture = document.querySelector("svg"), frame = box(picture), found = [];
  const outside = (a, b) => a[0] < b[0] - 1 || a[1] < b[1] - 1 || a[2] > b[2] + 1 || a[3] > b[3] + 1;
  for (const text of picture.querySelectorAll("text")) {
    const own = box(text), group = text.closest(".pill, .node");
    const around = group && !text.classList.contains("caption") ? group.querySelector("rect") : null;
    if (outside(own, frame)) found.push("clipped: " + text.textContent);
    if (around && (own[0] < box(around)[0] || own[2] > box(around)[2])) found.push("too wide: " + text.textContent);
  }
  const legend = [...picture.querySelectorAll(".legend > *")].map(e => [box(e), e.textContent]);
  for (const [a, word] of legend) for (const [b, other] of legend)
    if (a !== b && a[0] < b[0] && b[0] < a[2] - 1 && a[1] < b[3] - 4 && b[1] < a[3] - 4)
      found.push(`legend: ${word} on ${other}`);
  return found;
})()"""


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("name", SCENES)
def test_every_text_fits_its_box_as_measured(name: str, language: str, chromium: Browser, tmp_path: Path) -> None:
    scene = SCENES[name](language)
    chromium.open(saved(tmp_path, str(svg.render(scene)), "picture.svg"))
    assert chromium.ask(MEASURE) == []


def test_a_picture_scales_with_its_place(chromium: Browser, tmp_path: Path) -> None:
    """As notebooks show it: in a narrow cell it becomes smaller, as a whole."""
    picture = dp.draw(SHOP, values=SHOP_VALUES)._repr_mimebundle_()["image/svg+xml"]
    for width in (240, 2000):
        chromium.open(saved(tmp_path, f"<!DOCTYPE html><div style='width:{width}px'>{picture}</div>"))
        across, down = chromium.ask("(r => [r.width, r.height])(document.querySelector('svg').getBoundingClientRect())")
        _, _, w, h = map(float, re.search(r'viewBox="([^"]*)"', picture)[1].split())  # type: ignore[index]
        assert across == pytest.approx(min(width, w), abs=1)
        assert down == pytest.approx(across * h / w, abs=1)


def test_a_document_in_a_notebook(chromium: Browser, tmp_path: Path) -> None:
    (x,) = dp.inputs(x=2.0)
    path = saved(tmp_path, "<!DOCTYPE html>" + dp.explain(x * x, "x")._repr_mimebundle_()["text/html"])
    chromium.open(path)
    assert chromium.outside(path) == []
    assert chromium.errors == []
    width, height = chromium.ask("(r => [r.width, r.height])(document.querySelector('iframe').getBoundingClientRect())")
    assert width > 1000
    assert height > 600
