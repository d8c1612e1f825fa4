"""Pictures of graphs as SVG, PNG, HTML, TikZ, DOT and text: well formed, harmless, complete, and in a notebook."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from tests.draw.graphs import SHOP, SHOP_VALUES, network
from tests.draw.pages import HOSTILE, read
from tests.draw.test_png import decode as decode_plain
from tests.draw.test_scene import SCENES

import denpa as dp
from denpa.draw import png, raster
from denpa.draw.graph_picture import FORMATS, NOTEBOOK_NODES
from denpa.draw.tikz import words
from denpa.errors import UsageError

NS = "{http://www.w3.org/2000/svg}"
JA = {"apple": "りんご", "orange": "みかん", "tax": "消費税", "total": "支払金額"}


def shop(**options: object) -> dp.Drawing:
    return dp.draw(SHOP, values=SHOP_VALUES, **options)


def tree(drawing: dp.Drawing) -> ElementTree.Element:
    return ElementTree.fromstring(drawing.svg())


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(t.itertext()) for t in root.iter(f"{NS}text")]


# -- SVG ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
def test_svg_is_well_formed_and_has_every_part(name: str, theme: str) -> None:
    scene = SCENES[name]
    root = ElementTree.fromstring(dp.Drawing(scene, theme).svg())
    box = [float(v) for v in root.get("viewBox").split()]
    assert box[2:] == [float(root.get("width")), float(root.get("height"))]
    assert box[2] >= scene.width
    assert box[3] >= scene.height
    kinds = {"node": scene.boxes, "pill": scene.pills, "wire": scene.wires, "bead": scene.beads, "frame": scene.frames}
    for kind, things in kinds.items():
        drawn = [g.get("data-key") for g in root.iter(f"{NS}g") if kind in (g.get("class") or "").split()]
        assert drawn == [thing.key for thing in things]
    used = {c for e in root.iter() for c in (e.get("class") or "").split()} - {f"denpa-{theme}", "denpa-graph"}
    css = "".join(root.itertext())
    assert {c for c in used if f".{c}" not in css} <= {"node", "row", "strip", "operator", "unit", "wire", "note"}


def test_every_number_is_in_the_picture_and_in_its_tip() -> None:
    root = tree(shop(local=True))
    assert {"100", "←2.2", "×2", "←650", "715", "←1", "apple", "total"} <= set(texts(root))
    tips = {t.text for t in root.iter(f"{NS}title")}
    assert {"2.2", "110.00000000000001", "total: 715.0000000000001"} <= tips


def test_raised_and_lowered_characters_are_small_ordinary_ones() -> None:
    root = tree(dp.draw("w*x", values={"w": 1, "x": 2}, labels={"w": "w₁₂⁽³⁾"}))
    (label,) = [t for t in root.iter(f"{NS}text") if "".join(t.itertext()) == "w12(3)"]
    sizes = [(s.text, s.get("font-size") is not None, float(s.get("dy"))) for s in label.iter(f"{NS}tspan")]
    assert [(text, small, dy > 0) for text, small, dy in sizes] == [("12", True, True), ("(3)", True, False)]


@pytest.mark.parametrize("bad", HOSTILE)
def test_names_stay_words(bad: str) -> None:
    drawing = dp.draw("x*y", values={"x": 1.0, "y": 2.0}, labels={"x": bad}, title=bad)
    root = tree(drawing)
    assert {e.tag.removeprefix(NS) for e in root.iter()} <= {
        "svg", "title", "desc", "style", "rect", "g", "path", "text", "tspan", "line", "circle"
    }  # fmt: skip
    assert not any(name.startswith("on") for e in root.iter() for name in e.attrib)
    read(drawing.html())
    for form in ("tex", "dot", "txt"):
        drawing.encoded(form).decode()
    assert "\x1b" not in drawing.text()


def test_two_pictures_on_one_page_do_not_share_rules() -> None:
    light, dark = shop(theme="light").svg(), shop(theme="dark").svg()
    for text, scope in ((light, ".denpa-light"), (dark, ".denpa-dark")):
        rules = re.search(r"<style>(.*?)</style>", text, re.S)[1]
        assert all(
            part.strip().startswith(scope)
            for rule in rules.split("}")[:-1]
            for part in rule.partition("{")[0].split(",")
        )
    assert light != dark


def test_auto_is_light_with_a_dark_part() -> None:
    rules = re.search(r"<style>(.*?)</style>", shop(theme="auto").svg(), re.S)[1]
    assert rules.index("#ffffff") < rules.index("@media (prefers-color-scheme:dark)") < rules.index("#14171b")


def test_nothing_is_fetched() -> None:
    for form in ("svg", "html"):
        text = shop(theme="auto").encoded(form).decode()
        addresses = set(re.findall(r"""(?:https?:)?//[^\s"'<>)]+""", text))
        assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}
        assert "url(" not in text
        assert "@import" not in text


def test_a_path_is_marked() -> None:
    marked = [w.key for w in shop(highlight=["apple"]).scene.wires if w.marked]
    assert marked == ["n5.0", "n7.0", "n8.0", "out.n8"]
    graph = dp.Graph(dp.Tensor(shop().view.graph.output))
    two = [w.key for w in dp.draw(graph, highlight=["tax", "total"]).scene.wires if w.marked]
    assert two == ["n8.1", "out.n8"]
    assert shop(highlight=["apple"]).svg().count('class="mark"') == 4


# -- steps -------------------------------------------------------------------------------------------------------------
def test_a_step_hides_what_is_not_known() -> None:
    root = tree(shop(step=2))
    hidden = [g for g in root.iter(f"{NS}g") if {"gone", "later"} <= set((g.get("class") or "").split())]
    assert {"".join(g.find(f"{NS}text").itertext()) for g in hidden} >= {"←2.2", "650", "715"}
    assert "200" not in {"".join(g.find(f"{NS}text").itertext()) for g in hidden}
    now = [g.get("data-key") for g in root.iter(f"{NS}g") if {"node", "now"} <= set((g.get("class") or "").split())]
    assert now == ["n6"]
    widths = {
        p.get("stroke-width")
        for g in root.iter(f"{NS}g")
        if g.get("data-source")
        for p in g.iter()
        if p.get("data-width")
    }
    assert widths == {"1.5"}  # no gradient is known yet, so none is shown by a width either


def test_a_numbered_series(tmp_path: Path) -> None:
    files = shop().save_steps(tmp_path / "shop.svg")
    assert [f.name for f in files] == [f"shop-{k:02d}.svg" for k in range(10)]
    assert len({f.read_bytes() for f in files}) == 10


# -- PNG ---------------------------------------------------------------------------------------------------------------
def test_png_has_the_size_and_the_colours() -> None:
    pytest.importorskip("resvg_py")
    drawing = shop()
    image = png.decode(drawing.png(scale=1.0))
    assert abs(image.shape[0] - drawing.scene.height) <= 1
    assert abs(image.shape[1] - drawing.scene.width) <= 1
    colours = {tuple(p) for p in image.reshape(-1, 4)[:, :3]}
    assert {(255, 255, 255), (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)} <= colours
    dark = png.decode(drawing.png("dark", scale=1.0))
    assert tuple(dark[0, 0]) == (0x14, 0x17, 0x1B, 255)


def test_the_decoder_against_an_encoder_without_filters(rng: np.random.Generator) -> None:
    from denpa.draw.png import encode

    pixels = rng.integers(0, 256, (9, 7, 4), dtype=np.uint8)
    assert np.array_equal(png.decode(encode(pixels)), pixels)
    assert np.array_equal(decode_plain(encode(pixels)), pixels)


def test_the_decoder_undoes_every_filter(rng: np.random.Generator) -> None:
    import struct
    import zlib

    pixels = rng.integers(0, 256, (5, 6, 4)).astype(np.int64)
    rows = []
    for y, line in enumerate(pixels):
        up = pixels[y - 1] if y else np.zeros_like(line)
        left = np.vstack([np.zeros((1, 4), np.int64), line[:-1]])
        corner = np.vstack([np.zeros((1, 4), np.int64), up[:-1]])
        p = left + up - corner
        near = np.abs(np.stack([p - left, p - up, p - corner]))
        paeth = np.where((near[0] <= near[1]) & (near[0] <= near[2]), left, np.where(near[1] <= near[2], up, corner))
        guess = [0 * line, left, up, (left + up) // 2, paeth][y]
        rows.append(bytes([y]) + ((line - guess) % 256).astype(np.uint8).tobytes())
    body = zlib.compress(b"".join(rows))
    head = struct.pack(">IIBBBBB", 6, 5, 8, 6, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b))
        for k, b in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    )
    assert np.array_equal(png.decode(data), pixels)


def test_a_missing_glyph_is_said() -> None:
    pytest.importorskip("resvg_py")
    assert raster.missing("<text>abc ×←Σ 123\n</text>") == []
    texts = "<desc>\ue001</desc><text x='1'>a\ue000b</text><text><tspan>1\U0010abcd</tspan></text>"
    assert raster.missing(texts) == ["\ue000", "\U0010abcd"]
    with pytest.raises(UsageError, match="the fonts of this machine cannot draw 1 of the characters") as error:
        dp.draw("x*2", values={"x": 1}, labels={"x": "\ue123"}).png()
    assert "\ue123" in str(error.value)
    assert "svg" in str(error.value).lower()


def test_a_picture_too_large_is_refused_before_memory_is_taken() -> None:
    pytest.importorskip("resvg_py")
    with pytest.raises(UsageError, match="too large"):
        dp.draw(network([4, 8, 8, 3]), collapse=False).png(scale=16)
    with pytest.raises(UsageError, match="too large"):
        shop().png(scale=0)


# -- HTML --------------------------------------------------------------------------------------------------------------
def test_the_page_allows_its_own_style_and_script_only() -> None:
    page = read(shop(labels=JA, language="ja").html())
    (policy,) = [e.attributes["content"] for e in page.all("meta") if "http-equiv" in e.attributes]
    assert "default-src 'none'" in policy
    for tag in ("style", "script"):
        for e in page.all(tag):
            digest = base64.b64encode(hashlib.sha256(e.text().encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy, tag
    assert not [e for e in page.all() if any(name.startswith("on") or name == "style" for name in e.attributes)]
    assert len(page.all("script")) == 1
    assert "支払金額" in page.text()


def test_the_page_says_each_step() -> None:
    page = read(shop().html())
    (listed,) = page.all("ol")
    items = [e.text() for e in listed.all("li")]
    assert items[4] == "total = 650 × 1.1 = 715"
    (slider,) = [e for e in page.all("input") if e.attributes["type"] == "range"]
    assert (slider.attributes["min"], slider.attributes["max"]) == ("0", "9")
    assert len(page.all("button")) == 5
    assert {"2.2", "110", "165"} <= {e.text() for e in page.all("data")}


@pytest.mark.parametrize(
    "keys", [["Home"], ["Home", "ArrowRight", "ArrowRight"], ["ArrowLeft"], ["Home", "]", "["], ["End"]]
)
def test_keys_in_a_browser(keys: list[str], tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium")
    drawing = shop()
    presses = "".join(f'document.dispatchEvent(new KeyboardEvent("keydown", {{key: "{k}"}}));' for k in keys)
    page = drawing.html().replace("<meta http-equiv", "<meta data-off")  # the policy forbids the test's own script
    page = page.replace("</body>", f"<script>{presses}</script></body>")
    file = tmp_path / "page.html"
    file.write_text(page, encoding="utf-8")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--enable-logging=stderr", "--v=0", "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    at = {"Home": 0, "Home]": 0, "HomeArrowRightArrowRight": 2, "ArrowLeft": 8, "Home][": 0, "End": 9}["".join(keys)]
    assert "CONSOLE" not in done.stderr
    dom = read(done.stdout.removeprefix("<!DOCTYPE html>"))
    later = {
        e.attributes["data-key"]
        for e in dom.all("g")
        if {"node", "later"} <= set(e.attributes.get("class", "").split())
    }
    assert later == {box.key for box in drawing.scene.boxes if box.forward > at}
    said = next(e for e in dom.all("p") if e.attributes.get("aria-live"))
    assert said.text().startswith(f"{at} / 9")


# -- LaTeX, DOT, text --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SCENES)
def test_tikz_is_balanced(name: str) -> None:
    text = dp.Drawing(SCENES[name]).tikz()
    depth = 0
    for character in re.sub(r"\\[\\{}%$#&_]", "", text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    lines = text.split("\\useasboundingbox")[1].split("\n")[1:-2]
    assert all(line.endswith(";") for line in lines), [line for line in lines if not line.endswith(";")][:3]
    assert text.count("\\node") >= sum(len(p.rows) for p in SCENES[name].pills)


@pytest.mark.parametrize(
    ("drawing", "program"), [(shop(local=True), "pdflatex"), (shop(labels=JA, language="ja"), "lualatex")]
)
def test_tikz_compiles(drawing: dp.Drawing, program: str, tmp_path: Path) -> None:
    if shutil.which(program) is None or shutil.which("kpsewhich") is None:
        pytest.skip(f"needs {program}")
    needed = ["tikz.sty", *(["luatexja.sty"] if program == "lualatex" else [])]
    if subprocess.run(["kpsewhich", *needed], capture_output=True, text=True, check=False).returncode:
        pytest.skip(f"needs {' and '.join(needed)}")
    drawing.save(tmp_path / "shop.tex")
    assert program in (tmp_path / "shop.tex").read_text().split("\n")[0]
    done = subprocess.run(
        [program, "-interaction=nonstopmode", "-halt-on-error", "shop.tex"],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:]
    assert "Output written on shop.pdf (1 page" in done.stdout.replace("\n", "")
    assert "Missing character" not in done.stdout


def test_signs_in_latex() -> None:
    assert words("50% & #1_{a}") == r"50\% \& \#1\_\{a\}"
    assert words("◆ W₁₂ xʸ") == r"\ensuremath{\blacklozenge} W\textsubscript{12} x\textsuperscript{y}"


@pytest.mark.parametrize("name", ["shop ja", "network layers", "wide units", "fan-out"])
def test_dot_reads_the_dot_text(name: str) -> None:
    if shutil.which("dot") is None:
        pytest.skip("needs Graphviz's dot")
    scene = SCENES[name]
    done = subprocess.run(
        ["dot", "-Tplain"], input=dp.Drawing(scene).dot(), capture_output=True, text=True, timeout=120, check=True
    )
    lines = done.stdout.splitlines()
    assert sum(line.startswith("node ") for line in lines) == len(scene.boxes)
    assert sum(line.startswith("edge ") for line in lines) == len(scene.wires)
    assert done.stderr == ""


def test_dot_escapes() -> None:
    text = dp.draw("x*2", values={"x": 1}, labels={"x": 'a"b\\N\n'}).dot()
    assert r'label="a\"b\\N "' in text


def test_the_outline_is_the_picture_in_words() -> None:
    assert shop(labels=JA).text().split("\n")[1:] == [
        "支払金額 715 ←1",
        "└ ×",
        "  ├ 650 ←1.1 ─ +",
        "  │ ├ 200 ←1.1 ─ ×",
        "  │ │ ├ 100 ←2.2 ─ りんご",
        "  │ │ └ 2 ←110 ─ n_apple",
        "  │ └ 450 ←1.1 ─ ×",
        "  │   ├ 150 ←3.3 ─ みかん",
        "  │   └ 3 ←165 ─ n_orange",
        "  └ 1.1 ←650 ─ 消費税",
    ]


def test_the_outline_opens_a_shared_box_once() -> None:
    text = dp.draw("h = x*y; h*h + h", values={"x": 2, "y": 3}).text()
    assert text.count("─ x") == 1
    assert text.count("[h]  Σ←13 ↑") == 2
    deep = dp.tensor(1.0, name="x")
    for _ in range(3000):
        deep = deep * 1.0
    assert dp.draw(deep, collapse=False).text().count("×") == 3000


# -- the public function -----------------------------------------------------------------------------------------------
def test_saving_by_suffix(tmp_path: Path) -> None:
    for form in FORMATS:
        if form == "png":
            pytest.importorskip("resvg_py")
        path = shop().save(tmp_path / f"shop.{form}")
        assert path.stat().st_size > 100
    with pytest.raises(UsageError, match="no such form"):
        shop().save(tmp_path / "shop.gif")
    assert not (tmp_path / "shop.gif").exists()


def test_a_notebook_shows_graphs_and_tensors() -> None:
    x = dp.tensor(2.0, name="x")
    y = x * x
    for shown in (y, dp.Graph(y), dp.draw(y)):
        bundle = shown._repr_mimebundle_()
        assert set(bundle) == {"text/plain", "image/svg+xml"}
        ElementTree.fromstring(bundle["image/svg+xml"])
    assert set(x._repr_mimebundle_()) == {"text/plain"}
    for _ in range(NOTEBOOK_NODES):
        y = y + 1.0
    assert set(y._repr_mimebundle_()) == {"text/plain"}
    assert dp.draw(x * 2.0)._repr_svg_().startswith("<svg")


def test_what_cannot_be_drawn() -> None:
    x = dp.tensor([1.0, 2.0], name="x")
    net = dp.nn.Network([2, 3, 2])
    for call, message in (
        (lambda: dp.draw(3.0), "cannot be drawn"),
        (lambda: dp.draw({}), "cannot be drawn"),
        (lambda: dp.draw(x, values={"x": 1}), "values belong to a formula"),
        (lambda: dp.draw(x, zoom="units"), "only a network"),
        (lambda: dp.draw(x, 3), "only a network"),
        (lambda: dp.draw(net), "drawn with a batch"),
        (lambda: dp.draw(net.body, [[1.0, 2.0]], [0]), "no loss"),
        (lambda: dp.draw(net, [[1.0, 2.0]], [0], zoom="neurons"), "no such zoom"),
        (lambda: dp.draw(net, [[1.0, 2.0]], zoom="units"), "need a target"),
        (lambda: dp.draw(net, [[1.0, 2.0]], [0], zoom="operations", row=5), "no such row"),
        (lambda: dp.draw(x * 2, language="fr"), "no such language"),
        (lambda: dp.draw(x * 2, theme="pink"), "no such theme"),
        (lambda: dp.draw(x * 2, highlight=["q"]), "named 'q'"),
        (lambda: dp.draw(net, [[1.0, 2.0]], [0], notation="999"), "unknown notation"),
        (lambda: dp.draw(dp.nn.Network([300, 300, 10]), np.zeros((1, 300)), [0], zoom="operations"), "too many scalar"),
    ):
        with pytest.raises(UsageError, match=message):
            call()
    with pytest.raises(dp.GradientError):
        dp.draw(x * 2, gradients=True)


def test_gradients_of_an_array_need_a_cotangent() -> None:
    x = dp.tensor([1.0, 2.0], name="x")
    assert all(len(p.rows) == 1 for p in dp.draw(x * x).scene.pills)
    drawn = dp.draw(x * x, g=[1.0, 10.0])
    assert [len(p.rows) for p in drawn.scene.pills] == [2, 2]
    np.testing.assert_allclose(drawn.view.gradients["x"], [2.0, 40.0])
    given = dp.draw((x * x).sum(), gradients=False)
    assert all(len(p.rows) == 1 for p in given.scene.pills)
    several = dp.draw({"a": x * 2, "b": x * 3})
    assert [b.kind for b in several.scene.boxes].count("output") == 2


def test_two_pictures_on_one_page_have_their_own_names() -> None:
    """As the cells of a notebook: an id twice would give both the first one's title."""
    pictures = [shop().svg(), shop(local=True).svg(), shop().step(2).svg()]
    ids = [re.findall(r' id="([^"]+)"', picture) for picture in pictures]
    assert len({name for names in ids for name in names}) == 6
    for picture, names in zip(pictures, ids, strict=True):
        assert f'aria-labelledby="{" ".join(names)}"' in picture
    assert shop().svg() == pictures[0]
