"""One page with a picture that can be stepped through: forward node by node, the seed, backward node by node.

The page needs nothing else: the picture carries the step of each of its parts, a script of forty lines shows and hides.
Without a script all of it is shown, and the steps stand below as a list.
"""

from __future__ import annotations

from denpa.draw import html, svg
from denpa.draw.markup import Markup, both, element
from denpa.draw.scene import Scene
from denpa.explain.document import Document
from denpa.explain.words import T

_FIRST = T(en="First step (Home)", ja="最初 (Home)")
_BACK = T(en="Step back (←)", ja="戻る (←)")
_PLAY = T(en="Play or pause (space)", ja="再生・停止 (space)")
_NEXT = T(en="Step forward (→)", ja="進む (→)")
_LAST = T(en="Last step (End)", ja="最後 (End)")
_STEPS = T(en="Steps", ja="手順")
_KEYS = T(en="Keys: ← → one step, Home End, space plays.", ja="キー：← → で一手ずつ、Home・End、space で再生。")

STYLE = """\
main{max-width:none}
main>section{max-width:840px;margin-left:auto;margin-right:auto}
.player{margin:12px 0}
.stage{overflow-x:auto;text-align:center}
.controls{display:flex;flex-wrap:wrap;gap:6px;align-items:center;justify-content:center;margin:8px 0}
.controls button{font:inherit;min-width:44px;min-height:36px;border:1px solid var(--rule);border-radius:8px;\
background:var(--panel);color:var(--ink);cursor:pointer}
.controls input{flex:1 1 200px;max-width:420px}
.player .said{text-align:center;max-width:none;min-height:1.6em;font-variant-numeric:tabular-nums}
.steps{max-width:840px;margin:8px auto;font-size:.9rem}
.steps [aria-current]{background:var(--warning);font-weight:600}
"""

SCRIPT = """\
"use strict";
const player = document.querySelector(".player");
const range = player.querySelector("input"), said = player.querySelector(".said");
const steps = [...document.querySelectorAll(".steps li")];
const parts = [...player.querySelectorAll("svg [data-at]")];
const last = Number(range.max);
let at = Number(range.value), timer = 0;
function show(k) {
  at = Math.min(Math.max(k, 0), last);
  for (const part of parts) {
    const known = Number(part.dataset.at), back = part.dataset.back;
    part.classList.toggle("later", known > at);
    if (part.classList.contains("node"))
      part.classList.toggle("now", at > 0 && (known === at || Number(back) === at));
  }
  for (const line of player.querySelectorAll("svg [data-width]"))
    line.setAttribute("stroke-width", Number(line.dataset.back) > at ? 1.5 : line.dataset.width);
  range.value = at;
  said.textContent = `${at} / ${last}   ${steps[at] ? steps[at].textContent : ""}`;
  for (const item of steps) item.removeAttribute("aria-current");
  if (steps[at]) steps[at].setAttribute("aria-current", "step");
}
function stop() { clearInterval(timer); timer = 0; }
function play() {
  if (timer) return stop();
  if (at === last) show(0);
  timer = setInterval(() => { show(at + 1); if (at === last) stop(); }, 900);
}
const actions = {
  first: () => { stop(); show(0); }, back: () => { stop(); show(at - 1); }, play,
  next: () => { stop(); show(at + 1); }, last: () => { stop(); show(last); },
};
const keys = {
  ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last", " ": "play", "[": "back", "]": "next",
};
for (const button of player.querySelectorAll("button"))
  button.addEventListener("click", () => actions[button.dataset.do]());
range.addEventListener("input", () => { stop(); show(Number(range.value)); });
document.addEventListener("keydown", event => {
  const name = keys[event.key];
  if (!name || event.ctrlKey || event.altKey || event.metaKey || event.target === range) return;
  if (event.key === " " && event.target.closest("button, a, input, summary")) return;
  event.preventDefault();
  actions[name]();
});
show(last);
"""


def player(scene: Scene, document: Document | None = None) -> str:
    """The page: picture, controls, the steps as a list, and what `document` says below."""
    document = document or Document(scene.title, ())
    controls = [
        element("button", sign, type="button", data_do=action, title=words.en, aria_label=words.ja if ja else words.en)
        for ja in [scene.language == "ja"]
        for action, sign, words in (
            ("first", "|◂", _FIRST),
            ("back", "◂", _BACK),
            ("play", "▸‖", _PLAY),
            ("next", "▸", _NEXT),
            ("last", "▸|", _LAST),
        )
    ]
    step = scene.steps if scene.step is None else scene.step
    slider = element("input", type="range", min=0, max=scene.steps, value=step, step=1, aria_label=_STEPS.en)
    figure = element(
        "div",
        element("div", svg.render(scene, "auto"), class_="stage"),
        element("div", *controls[:3], slider, *controls[3:], class_="controls"),
        element("p", "", class_="said", aria_live="polite"),
        element("p", both(_KEYS), class_="note said"),
        class_="player",
    )
    items = [element("li", text or "–") for text in scene.captions]
    steps = element("details", element("summary", both(_STEPS)), element("ol", *items, start=0), class_="steps")
    body = Markup(figure + steps + element("style", Markup(STYLE)))  # this package's own text
    return html.page(document, scene.language, figure=body, styles=[svg.style("auto"), STYLE], script=SCRIPT)
