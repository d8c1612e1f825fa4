"""The words of a program of loops in Japanese: its comments and docstrings, line by line.

The programs are made in English; what is code, a name or a number is left as it is.
"""

from __future__ import annotations

import re

from denpa.explain.notation import Notation

_LINES: tuple[tuple[str, str], ...] = (
    # the heading
    (
        r'"""One step of a (\S+) network \((.*)\) on (\d+) sample\(s\): forward, loss, backward\.',
        r'"""ネットワーク \1（\2）の1ステップ。データ\3件について、順伝播・損失・逆伝播を計算する。',
    ),
    (r"The loss is (\w+), its mean over the samples\.", r"損失は \1 のデータ平均。"),
    (r"The loss is (\w+), its sum over the samples\.", r"損失は \1 のデータ合計。"),
    (
        r"Scalars, lists, if and for only; nothing is imported\.  Run it: python this_file\.py",
        "スカラー・リスト・if・for だけで書き、何も import しない。実行：python このファイル.py",
    ),
    (
        r"Indices count from 0: \[k\] is the sample, \[i\] the unit a weight leads to, \[j\] the unit it comes from\.",
        "添字は0から。[k] はデータ、[i] は重みの行き先のユニット、[j] は重みの元のユニット。",
    ),
    (
        r'"""A graph of (\d+) values from (.*): forward, and backward to every input\.',
        r'"""\2 から計算した\1個の値のグラフ。順伝播と、すべての入力への逆伝播。',
    ),
    (r"Indices count from 0\.", "添字は0から。"),
    (
        r"# Dropout is left out, as in every step that is not training\.",
        "# ドロップアウトは学習時だけなので、行わない。",
    ),
    # the parts
    (r"# ---- the samples and the parameters ----", "# ---- データとパラメータ ----"),
    (r"# ---- the numbers that are given ----", "# ---- 与えられた数 ----"),
    (r"# ---- forward ----", "# ---- 順伝播 ----"),
    (r"# ---- backward ----", "# ---- 逆伝播 ----"),
    (
        r"# ---- backward: each operation's local derivative times what arrives ----",
        "# ---- 逆伝播：各演算の局所的な微分に、届いた勾配を掛ける ----",
    ),
    (r"# ---- what it found ----", "# ---- 結果 ----"),
    (r"# layer (\d+): (.+) from (.+)", r"# 第\1層：\3 から \2 を求める"),
    (r"# (.+): the activation function of each (.+)", r"# \1：各 \2 の活性化関数の値"),
    (r"# the loss first(, divided by the number of samples as the mean is)?", r"# まず損失での勾配"),
    (r"# the loss (.+)", r"# 損失 \1"),
    (
        r"# grad_<name> is the derivative of the loss with respect to <name>, element by element\.",
        "# grad_<名前> は損失を <名前> の各要素で微分した値。",
    ),
    (r"# through the activation function of layer (\d+): the chain rule", r"# 第\1層の活性化関数を通す：連鎖律"),
    (
        r"# layer (\d+), the gradient of (.+): what arrives at i times what came from j, over all samples",
        r"# 第\1層、\2 の勾配：i に届いた値 × j から来た値を、全データで足す",
    ),
    (
        r"# down to (.+): unit j gets from every unit i it led to",
        r"# \1 へ戻る：ユニット j は、つながる全ユニット i から受け取る",
    ),
    (r"(.*)  # all elements in a row", r"\1  # 全要素を1列に並べる"),
    (r"(.*)  # which of them each element is", r"\1  # 各要素がその何番目か"),
    (r"(.*)  # where each element goes", r"\1  # 各要素の行き先"),
)
_DOCS = {
    "Only NaN is not equal to itself.": "自分自身と等しくないのは NaN だけ。",
    "The size of x with the sign of y.": "大きさは x、符号は y。",
    "The number whose square is x.": "2乗すると x になる数。",
    "e to the power x: with x = n log 2 + r, 2 to the power n times the series of e to the power r.": (
        "e の x 乗：x = n log 2 + r とおき、2 の n 乗に e の r 乗の級数を掛ける。"
    ),
    "e to the power x, minus 1, also where x is small.": "e の x 乗から 1 を引いた値。x が小さくても正確。",
    "The natural logarithm: with x = m times 2 to the power n, n log 2 + the series of log m.": (
        "自然対数：x = m × 2 の n 乗とおき、n log 2 に log m の級数を足す。"
    ),
    "The logarithm of 1 + x, also where x is small.": "1 + x の対数。x が小さくても正確。",
    "The hyperbolic tangent.": "双曲線正接。",
    "The hyperbolic sine.": "双曲線正弦。",
    "The hyperbolic cosine.": "双曲線余弦。",
    "Sine and cosine: x less the nearest multiple of a quarter turn, then the series.": (
        "正弦と余弦：x から最も近い4分の1回転の倍数を引き、級数で求める。"
    ),
    "The angle whose tangent is x: beyond 1 its complement's, then twice the half angle, then the series.": (
        "正接が x になる角：1 を超えれば余角、次に半角の2倍、そして級数。"
    ),
    "The error function: a series of positive terms, and 1 - erfc far out.": (
        "誤差関数：正の項の級数。遠くでは 1 - erfc。"
    ),
    "1 - erf(x), by a continued fraction where that difference would lose its digits.": (
        "1 - erf(x)。引き算で桁が落ちる所では連分数で求める。"
    ),
}
_DOCS |= {
    "Nothing is done.": "何もしない。",
    "max(v, 0).  The derivative at 0 is taken as 0.": "max(v, 0)。0 での微分は 0 とする。",
    "v above 0, a small part of it below.": "0 より上では v、下ではその何分の1か。",
    "v above 0, bending to a limit below.": "0 より上では v、下では極限値に近づく。",
    "v times the probability that a normal number is below v.": "v × 正規分布の値が v より小さい確率。",
    "log(1 + e to the power v), a smooth max(v, 0).": "log(1 + e の v 乗)。なめらかな max(v, 0)。",
    "1 / (1 + e to the power -v).": "1 / (1 + e の -v 乗)。",
    "e to the power of each, divided by their sum.  Taking off the largest first changes nothing.": (
        "それぞれの e の累乗を、その和で割る。先に最大値を引いても結果は変わらない。"
    ),
    "How output m changes with input i, from the outputs p.": "出力 m が入力 i でどう変わるかを、出力 p から求める。",
}
_RULES = [(re.compile(pattern), words) for pattern, words in _LINES]
_DOC = re.compile(r'(\s*""")(.*)(""")')


def in_japanese(program: str, notation: Notation | None = None) -> str:
    """The program with its comments and docstrings in Japanese; what runs is the same, character for character."""
    lines: list[str] = []
    letters = False
    for line in program.split("\n"):
        if line.startswith("# Letters: ") and notation is not None:
            lines.append(f"# 記号：{notation.title.ja}")
            letters = True
        elif not (letters and line.startswith("# ")):
            letters = False
            lines.append(_line(line))
    return "\n".join(lines)


def _line(line: str) -> str:
    doc = _DOC.fullmatch(line)
    if doc:
        return f"{doc[1]}{_DOCS.get(doc[2], doc[2])}{doc[3]}"
    end = '"""' if line.endswith('."""') else ""
    for pattern, words in _RULES:
        found = pattern.fullmatch(line.removesuffix(end) if end else line)
        if found:
            return found.expand(words) + end
    return line
