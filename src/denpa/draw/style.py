"""Colours and style sheets: one palette, light and dark, for charts and pages.

Okabe and Ito's colours (jfly.uni-koeln.de/color), which colour-blind readers can tell apart: blue for values, vermilion
only for gradients (there from dark to light).  Running text never has a series' colour.
"""

from __future__ import annotations

import re

LIGHT = {
    "paper": "#ffffff", "panel": "#f5f6f8", "ink": "#1b1f24", "muted": "#57606a", "rule": "#d0d7de", "grid": "#e8ebef",
    "value": "#0072B2", "gradient": "#D55E00", "warning": "#fff4e5",
    "v0": "#0072B2", "v1": "#1b1f24", "v2": "#00805c", "v3": "#a8518a", "v4": "#946200", "v5": "#2f8fc4",
    "v6": "#6b7280", "v7": "#5b4bb3",
    "g0": "#D55E00", "g1": "#7a2e00", "g2": "#a04600", "g3": "#e8842e", "g4": "#5c2300", "g5": "#bb5200",
    "g6": "#f09a52", "g7": "#8c3b00",
}  # fmt: skip
DARK = {
    "paper": "#14171b", "panel": "#1d2127", "ink": "#e8eaed", "muted": "#a3acb7", "rule": "#3a424c", "grid": "#2a3038",
    "value": "#58b4ea", "gradient": "#ff8f3f", "warning": "#3a2a12",
    "v0": "#58b4ea", "v1": "#e8eaed", "v2": "#2fc79b", "v3": "#e08fc1", "v4": "#e0b040", "v5": "#9bd3f5",
    "v6": "#9aa4b0", "v7": "#b3a6ff",
    "g0": "#ff8f3f", "g1": "#ffc18f", "g2": "#d9702a", "g3": "#ffab66", "g4": "#ffd9bd", "g5": "#e8792a",
    "g6": "#c2601c", "g7": "#ffb880",
}  # fmt: skip

TINTS = 8  # of a height, the lowest first: from the values' blue to the paper


def _mix(a: str, b: str, share: float) -> str:
    """A colour between two."""
    pairs = zip(bytes.fromhex(a[1:]), bytes.fromhex(b[1:]), strict=True)
    return "#" + "".join(f"{round(x + share * (y - x)):02x}" for x, y in pairs)


for _colours in (LIGHT, DARK):
    _colours |= {
        f"t{i}": _mix(_colours["value"], _colours["paper"], 0.2 + 0.72 * i / (TINTS - 1)) for i in range(TINTS)
    }

# Fonts of the reader's system, Japanese included; nothing is fetched.
FONTS = (
    'system-ui,"Segoe UI","Helvetica Neue",Arial,"Noto Sans JP","Noto Sans CJK JP",'
    '"Hiragino Sans","Yu Gothic UI",Meiryo,sans-serif'
)
MONOSPACE = 'ui-monospace,"Cascadia Mono",Menlo,Consolas,"Noto Sans Mono CJK JP",monospace'


def _variables(colours: dict[str, str]) -> str:
    return ";".join(f"--{name}:{colour}" for name, colour in colours.items())


_SERIES = "".join(
    f".{name}{{stroke:var(--{name})}}.{name} .solid{{fill:var(--{name})}}\n"
    for name in LIGHT
    if name[0] in "vg" and name[1:].isdigit()
) + "".join(f".t{i}{{fill:var(--t{i})}}\n" for i in range(TINTS))

CHART = (
    """\
.chart{font:12px FONTS;fill:var(--ink)}
.chart .grid{stroke:var(--grid)}
.chart .axis{stroke:var(--rule);fill:none}
.chart .tick,.chart .note{fill:var(--muted)}
.chart .title{fill:var(--ink)}
.chart .halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px}
.chart .reference{stroke:var(--muted);stroke-dasharray:1 3;stroke-width:1.5}
.chart .strip{fill:var(--panel)}
.chart .cell,.chart .bar{fill:var(--value)}
.chart .inverse{fill:var(--paper)}
.chart .diagonal{fill:none;stroke:var(--ink);stroke-width:1.5}
.chart .empty{fill:none;stroke:var(--muted);stroke-dasharray:3 3}
.chart .dot{fill:var(--value);fill-opacity:.45}
.chart .sheet{stroke:var(--muted);stroke-width:.4;stroke-linejoin:round}
.series{fill:none;stroke-width:1.8;stroke-linejoin:round}
.series .solid{stroke:none}
.series .open{fill:var(--paper)}
.series .alarm{stroke-width:2.2}
""".replace("FONTS", FONTS)
    + _SERIES
)

# A file of its own is light, with the colours written out: not every SVG program knows variables.
CHART_ALONE = re.sub(r"var\(--(\w+)\)", lambda found: LIGHT[found[1]], CHART)

PAGE = (
    f":root{{color-scheme:light dark;{_variables(LIGHT)}}}\n"
    f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}\n"
    + """\
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 FONTS}
main,header,footer{max-width:840px;margin:0 auto;padding:0 20px}
header{padding-top:28px}
h1{font-size:1.75rem;line-height:1.25;margin:0 0 6px}
h2{font-size:1.3rem;margin:44px 0 8px;padding-top:14px;border-top:1px solid var(--rule)}
h3{font-size:1.05rem;margin:26px 0 4px}
p{margin:8px 0;max-width:46em;overflow-wrap:anywhere}
a{color:var(--value)}
.language{position:absolute;opacity:0}
.switch{float:right;display:flex;border:1px solid var(--rule);border-radius:8px;overflow:hidden;font-size:.9rem}
.switch label{padding:4px 14px;cursor:pointer}
#language-en:checked~* label[for=language-en],#language-ja:checked~* label[for=language-ja]{\
background:var(--value);color:var(--paper)}
#language-en:focus-visible~* label[for=language-en],#language-ja:focus-visible~* label[for=language-ja]{\
outline:3px solid var(--v4);outline-offset:-3px}
#language-en:checked~* .ja,#language-ja:checked~* .en{display:none}
nav{font-size:.9rem;margin:14px 0 0}
nav ul{display:flex;flex-wrap:wrap;gap:2px 18px;list-style:none;margin:0;padding:0}
p.note{color:var(--muted);font-size:.92rem}
.warning{background:var(--warning);border-left:4px solid var(--v4);padding:8px 14px;border-radius:4px}
.warning::before{content:"⚠ "}
pre{font-family:MONO}
pre,.formula{background:var(--panel);border-radius:6px;padding:10px 14px;font-size:.9rem}
pre{overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere}
.formula{text-align:center;font:italic 1.1rem "STIX Two Text","Cambria Math","Times New Roman","DejaVu Serif",serif}
div.formula{overflow-x:auto;font-style:normal;margin:8px 0}
.formula .code{font-family:MONO;font-size:.8em}
.highlights{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:12px;margin:18px 0}
.highlights>div{background:var(--panel);border-radius:10px;padding:12px 16px}
.highlights dt{color:var(--muted);font-size:.88rem}
.highlights dd{margin:0}
.highlights .figure{font-size:1.65rem;font-weight:600;line-height:1.3}
.highlights .remark{color:var(--muted);font-size:.85rem;line-height:1.4}
figure{margin:16px 0}
figure .chart{max-width:100%;height:auto;display:block}
.wide{overflow-x:auto;width:min(1400px,100vw - 40px);margin-left:50%;transform:translateX(-50%)}
.wide .denpa-graph{display:block;margin:0 auto;max-width:none}
figcaption{font-size:.92rem;color:var(--muted);max-width:52em}
figcaption p{margin:6px 0}
figcaption .what{color:var(--ink)}
.strip{display:grid;grid-template-columns:repeat(auto-fill,minmax(112px,1fr));gap:14px 10px}
.strip figcaption{margin-top:3px}
.strip figure{margin:0;font-size:.8rem;line-height:1.4;break-inside:avoid}
.strip figcaption{font-size:inherit;overflow-wrap:anywhere}
.strip svg{background:var(--panel);border:1px solid var(--rule);border-radius:4px;display:block}
.scroll{overflow-x:auto;margin:12px 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
caption,summary{text-align:left;color:var(--muted);font-size:.9rem;padding:4px 0}
summary{cursor:pointer}
th,td{padding:4px 12px;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top;max-width:30em;\
overflow-wrap:break-word}
thead th{border-bottom:2px solid var(--rule);white-space:nowrap}
tbody th{font-weight:500}
.number{text-align:right;white-space:nowrap}
.whole,data{white-space:nowrap}
footer{margin-top:48px;padding-bottom:32px;color:var(--muted);font-size:.85rem}
@media print{.switch,nav{display:none}body{font-size:11pt}h2,h3{break-after:avoid}figure,tr{break-inside:avoid}\
main,header,footer{max-width:none;padding:0}.wide{width:auto;margin:0;transform:none}\
.wide .denpa-graph{max-width:100%}.strip{grid-template-columns:repeat(6,1fr)}}
""".replace("FONTS", FONTS).replace("MONO", MONOSPACE)
    + CHART
)
