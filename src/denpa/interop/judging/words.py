"""What each kind of error looks like and what to write instead, in every language of the project.

{of}: the gradient's name, {name}: what it is a gradient of, {factor}, {g}: the name of the cotangent; others as named.
"""

from __future__ import annotations

from denpa.explain.words import T

SAYS: dict[str, T] = {
    "raises": T("{of} raises {text}", "{of} で例外が起きます: {text}"),
    "loops": T("{of} does not end: {text}", "{of} が終わりません: {text}"),
    "missing": T(
        "there is no {of}: backward leaves or returns nothing for {name}",
        "{of} がありません: backward が {name} の勾配を返していない(または残していない)ようです",
    ),
    "count": T("{text}", "backward の返す勾配の数が入力の数と合いません: {text}"),
    "shape": T(
        "{of} has shape {got}, {name} has {want}; the numbers in it are right",
        "{of} の形状は {got} ですが、{name} は {want} です。数値そのものは合っています",
    ),
    "shape_other": T(
        "{of} has shape {got}, but {name} has {want}", "{of} の形状は {got} ですが、{name} は {want} です"
    ),
    "missing_batch_sum": T(
        "{of} has shape {got} instead of {want}: the sum over the batch is missing",
        "{of} の形状は {got} で、{want} ではありません: バッチについての和が抜けています",
    ),
    "wrong_axis": T(
        "{of} is summed along the wrong axis (shape {got} instead of {want})",
        "{of} の和をとる軸が違います(形状 {got}、正しくは {want})",
    ),
    "first_row": T(
        "{of} takes only one row of the batch instead of the sum over all",
        "{of} がバッチの全行の和ではなく 1 行だけになっています",
    ),
    "transposed": T("{of} is the transpose of the right gradient", "{of} が正しい勾配の転置になっています"),
    "operand_transposed": T(
        "{of} is computed with {other} where its transpose belongs, or the other way round",
        "{of} の計算で {other} の転置が抜けているか、余分です",
    ),
    "sign": T("{of} has the wrong sign", "{of} の符号が逆です"),
    "factor": T("{of} is {factor} times the right gradient", "{of} が正しい勾配の {factor} 倍です"),
    "missing_1_over_n": T(
        "{of} is {factor} times too large, and that is the {what}: the factor 1/{letter} is missing",
        "{of} が {factor} 倍大きく、これは{what_ja}です: 1/{letter} が抜けています",
    ),
    "extra_1_over_n": T(
        "{of} is {factor} times too small, and that is the {what}:"
        " a factor 1/{letter} too much (a mean in place of a sum)",
        "{of} が 1/{factor} になっていて、{factor} は{what_ja}です: 余分な 1/{letter}(和のかわりに平均)",
    ),
    "zero": T("{of} is zero, the right gradient is not", "{of} が 0 です。正しい勾配は 0 ではありません"),
    "not_finite": T(
        "{of} is NaN or infinite where the derivative is finite", "微分が有限なところで {of} が NaN または無限大です"
    ),
    "dout_ignored": T(
        "backward ignores {g}: it gives the same for every {g}, and is right for {g} = 1 only",
        "backward が {g} を使っていません: どんな {g} でも同じ値で、{g} = 1 のときだけ正しくなります",
    ),
    "dout_ignored_wrong": T(
        "backward ignores {g}: it gives the same for every {g}",
        "backward が {g} を使っていません: どんな {g} でも同じ値です",
    ),
    "swapped": T("{of} and {other} are swapped", "{of} と {other} が入れ替わっています"),
    "at_output": T(
        "{of} is the derivative taken at the output instead of the input",
        "{of} の微分が入力ではなく出力のところで計算されています",
    ),
    "at_input": T(
        "{of} uses the formula for the output (like y·(1 − y)) with the input x in it",
        "{of} は出力についての式(y·(1 − y) など)に入力 x を入れています",
    ),
    "diagonal": T(
        "{of} takes the outputs as independent: only the diagonal of the Jacobian is used",
        "{of} は出力どうしを独立とみなし、ヤコビ行列の対角成分だけを使っています",
    ),
    "mask_inverted": T(
        "{of} is turned round: it passes the gradient where it should be 0, and is 0 where it should pass",
        "{of} のマスクが逆です: 0 にすべきところを通し、通すべきところを 0 にしています",
    ),
    "twice": T("{of} contains the local derivative twice", "{of} に局所的な微分が 2 回かかっています"),
    "no_local": T(
        "{of} is just {g}: the local derivative is missing", "{of} が {g} のままです: 局所的な微分がかかっていません"
    ),
    "missing_path": T(
        "{of} lacks the {g} of the direct path: one of two branches is not added",
        "{of} に直接の経路の {g} が足されていません: 枝分かれの片方が抜けています",
    ),
    "extra_path": T("{of} has a {g} too much", "{of} に {g} が余分に足されています"),
    "one_side": T("{of} is wrong only where x is {where}", "{of} は x が{where_ja}のところだけ間違っています"),
    "sign_dependent": T(
        "{of} has the right size and in places the wrong sign",
        "{of} は大きさは合っていますが、ところどころ符号が逆です",
    ),
    "one_row": T(
        "{of} is right for one row and wrong for a batch: rows are mixed or scaled wrongly",
        "{of} は 1 行なら正しく、バッチでは間違っています: 行どうしが混ざるか、割り方が違います",
    ),
    "slightly_off": T(
        "{of} is off by {factor} of its size: a rounded constant, "
        "or an epsilon that only one of forward and backward has",
        "{of} が相対的に {factor} だけずれています: 丸めた定数か、forward "
        "か backward の片方にだけある小さな定数(epsilon)のようです",
    ),
    "epsilon": T(
        "{of} is right at ordinary values and off at saturation (inputs near ±{size}): an "
        "epsilon inside log, or a clip, changes forward, and backward does not know it",
        "{of} は普通の値では正しく、飽和した値(±{size} 付近)でずれます: log の中の "
        "epsilon や clip が forward を変え、backward がそれを知りません",
    ),
    "saturation": T(
        "{of} is wrong at saturated values (inputs near ±{size})", "{of} は飽和した値(±{size} 付近)で間違っています"
    ),
    "other": T("{of} is not the derivative of forward", "{of} は forward の微分になっていません"),
    "accumulated": T(
        "{of} is added to the old one instead of replacing it: a second backward gives the sum of both",
        "{of} が前の値を置き換えずに足しこまれます: 2 回目の backward では和になります",
    ),
    "second_backward": T(
        "backward, called twice, gives something else the second time ({of}): it destroys what forward kept",
        "backward を 2 回呼ぶと 2 回目の値({of})が変わります: forward の残した値を壊しています",
    ),
    "stale": T(
        "after a second forward, {of} still belongs to the first input: backward uses an old state",
        "2 回目の forward のあとも {of} が最初の入力のままです: backward が古い状態を使っています",
    ),
    "stale_other": T(
        "after a second forward, {of} is wrong: something of the first call is left",
        "2 回目の forward のあと {of} が間違います: 1 回目の呼び出しの値が残っています",
    ),
    "stale_forward": T(
        "forward gives something else for the same input after it was called with another",
        "別の入力で呼んだあと、同じ入力でも forward の値が変わります",
    ),
    "shared": T(
        "two objects share their state: a forward of one changes the {of} of the other (a class attribute or a global)",
        "2 つのオブジェクトが状態を共有しています: 片方の forward "
        "がもう片方の {of} を変えます(クラス変数かグローバル変数)",
    ),
    "stale_parameter": T(
        "{of} does not follow a changed parameter: an old copy of it is kept",
        "パラメータを変えても {of} が変わりません: 古い写しを使っています",
    ),
    "changes_input": T("{of} changes its input {name} in place", "{of} が入力 {name} をその場で書き換えます"),
    "changes_dout": T(
        "backward changes its argument {g} in place; another branch of the graph reads the same array",
        "backward が引数 {g} をその場で書き換えます。グラフの別の枝も同じ配列を読みます",
    ),
    "changes_parameter": T(
        "{of} changes the parameter {name}; only an update step should",
        "{of} がパラメータ {name} を書き換えます。書き換えるのは更新のときだけです",
    ),
    "dtype": T("{of} is {got} for float32 inputs", "入力が float32 のとき {of} が {got} になります"),
    "float32": T(
        "{of} is off by {factor} in float32, where {want} is what rounding explains",
        "float32 で {of} が {factor} ずれます。丸めで説明できるのは {want} までです",
    ),
    "unused": T(
        "forward does not depend on {name}, but {of} is not 0",
        "forward は {name} によらないのに {of} が 0 ではありません",
    ),
    "over_summed": T(
        "{of} is summed over all axes, to one number", "{of} がすべての軸について足され、1 つの数になっています"
    ),
    "statistics": T(
        "{of} takes the mean and the variance as constants; they depend on x as well",
        "{of} は平均と分散を定数とみなしていますが、どちらも x によります",
    ),
    "extra_factor": T("{of} has a factor {expression} too much", "{of} に {expression} が余分に掛かっています"),
    "missing_factor": T("{of} lacks the factor {expression}", "{of} に {expression} が掛かっていません"),
    "formula": T(
        "{of} is {expression}, which is not the derivative of forward",
        "{of} は {expression} になっていますが、forward の微分と違います",
    ),
    "random_backward": T(
        "backward draws new random numbers: {of} does not belong to what forward did",
        "backward が乱数を引き直しています: {of} は forward の結果に対応しません",
    ),
    "vectors_only": T(
        "it is right for one vector only: it mixes the rows of a batch",
        "1 本のベクトルにだけ正しく使えます: バッチでは行どうしが混ざります",
    ),
    "overflow": T(
        "{of} is NaN for inputs of ±{size}: an exp overflows",
        "入力が ±{size} のとき {of} が NaN です: exp があふれています",
    ),
    "kink": T(
        "{of} lies outside the one-sided derivatives at a kink", "折れ曲がった点で {of} が左右の微分の間にありません"
    ),
    "convention": T(
        "at the kink {name} = 0, {of} takes {got} (left {left}, right {right})",
        "折れ曲がった点 {name} = 0 では {of} が {got} です(左 {left}、右 {right})",
    ),
    "random": T(
        "forward gives something else each time, even with all random generators reset: it cannot be judged",
        "乱数をそろえても forward の値が毎回変わるため、判定できません",
    ),
    "unsure": T("{of} cannot be told at this precision", "この精度では {of} を判定できません"),
    "forward": T(
        "forward is not {claim}, whose name it has", "名前は {claim} ですが、forward の値が {claim} と違います"
    ),
    "mixes_rows": T(
        "forward is {claim} for one row, but mixes the rows of a batch",
        "forward は 1 行なら {claim} ですが、バッチでは行どうしを混ぜています",
    ),
    "contract": T("{text}", "プリミティブの契約に反します: {text}"),
    "nothing": T("it cannot be judged: {text}", "判定できません: {text}"),
    "of_input": T("{twin} takes the input x", "{twin} は入力 x をとります"),
    "of_output": T(
        "{twin} takes the output y = {f}(x), not x: call it with y",
        "{twin} は x ではなく出力 y = {f}(x) をとります: y を渡して使います",
    ),
}

ADVICE: dict[str, T] = {
    "over_summed": T("sum over the batch only: axis=0", "バッチの軸だけで足してください: axis=0"),
    "random_backward": T("keep the mask of forward and use it again", "forward のマスクを残して、それを使ってください"),
    "statistics": T(
        "let the gradient flow through the mean and the variance too", "平均と分散を通る勾配も足してください"
    ),
    "sign": T("change the sign of {of}", "{of} の符号を変えてください"),
    "factor": T("multiply {of} by {inverse}", "{of} に {inverse} を掛けてください"),
    "missing_1_over_n": T("divide by {letter}, as forward does", "forward と同じく {letter} で割ってください"),
    "extra_1_over_n": T(
        "sum over the batch, do not average: the 1/N of a mean belongs to the loss alone",
        "平均ではなく和をとってください。平均の 1/N は損失だけのものです",
    ),
    "missing_batch_sum": T(
        "sum over the batch: np.sum({g}, axis=0)", "バッチについて和をとってください: np.sum({g}, axis=0)"
    ),
    "wrong_axis": T("sum over the batch, which is axis 0", "バッチの軸(axis 0)について和をとってください"),
    "first_row": T("sum over all rows: axis=0", "すべての行について和をとってください: axis=0"),
    "transposed": T(
        "transpose the result, or swap the two factors and transpose each",
        "結果を転置するか、2 つの因子を入れ替えてそれぞれ転置してください",
    ),
    "operand_transposed": T(
        "use {other}.T where {other} stands in that product, or {other} where {other}.T does",
        "その積の {other} を {other}.T に({other}.T なら {other} に)してください",
    ),
    "shape": T(
        "give it the shape of {name}: .reshape({name}.shape)", "{name} と同じ形状にしてください: .reshape({name}.shape)"
    ),
    "dout_ignored": T("multiply by {g}", "{g} を掛けてください"),
    "dout_ignored_wrong": T("multiply by {g}", "{g} を掛けてください"),
    "swapped": T(
        "the derivative of x·y with respect to x is y, and with respect to y it is x",
        "x·y を x で微分すると y、y で微分すると x です",
    ),
    "at_output": T(
        "keep x in forward and take the derivative at x", "forward で x を残し、x のところで微分してください"
    ),
    "at_input": T("keep y in forward and use y in the formula", "forward で y を残し、式には y を使ってください"),
    "diagonal": T(
        "every output depends on every input of its row: dx = y · ({g} − Σ {g}·y) for softmax",
        "どの出力も同じ行のすべての入力に依存します: softmax なら dx = y · ({g} − Σ {g}·y)",
    ),
    "mask_inverted": T("use the opposite mask", "逆のマスクを使ってください"),
    "twice": T("multiply by the local derivative once", "局所的な微分を掛けるのは 1 回だけです"),
    "no_local": T("multiply {g} by the derivative of forward", "{g} に forward の微分を掛けてください"),
    "missing_path": T("add the gradients of all branches", "すべての枝の勾配を足してください"),
    "zero": T("return the gradient that was computed", "計算した勾配を返してください"),
    "missing": T("compute it in backward, and store or return it", "backward で計算して、保存するか返してください"),
    "accumulated": T(
        "write self.{of} = …, not self.{of} += …", "self.{of} += … ではなく self.{of} = … と書いてください"
    ),
    "stale": T("overwrite what is kept on every forward", "forward のたびに残す値を上書きしてください"),
    "shared": T("keep the state in self, set in forward", "状態は forward の中で self に入れてください"),
    "changes_dout": T("work on a copy: dx = {g}.copy()", "コピーに対して計算してください: dx = {g}.copy()"),
    "changes_input": T("work on a copy: out = {name}.copy()", "コピーに対して計算してください: out = {name}.copy()"),
    "changes_parameter": T(
        "only compute gradients in backward; update the parameter afterwards",
        "backward では勾配だけを計算し、更新はそのあとで行ってください",
    ),
    "epsilon": T(
        "compute the loss without the epsilon: logsumexp(x) − x[t]",
        "epsilon を使わずに損失を計算してください: logsumexp(x) − x[t]",
    ),
    "overflow": T(
        "subtract the largest input first: exp(x − max(x)) gives the same ratio",
        "先に最大値を引いてください: exp(x − max(x)) でも比は同じです",
    ),
    "mixes_rows": T(
        "sum along the last axis, with keepdims=True", "最後の軸について keepdims=True で和をとってください"
    ),
    "stale_parameter": T(
        "read the parameter in forward and backward, not in the constructor",
        "パラメータはコンストラクタではなく forward と backward で読んでください",
    ),
    "second_backward": T(
        "do not overwrite in backward what forward kept", "forward の残した値を backward で書き換えないでください"
    ),
    "dtype": T(
        "write constants as Python numbers and arrays with dtype=x.dtype",
        "定数は Python の数で、配列は dtype=x.dtype で作ってください",
    ),
}


def say(kind: str, **words: object) -> T:
    return _filled(SAYS[kind], words)


def advise(kind: str, **words: object) -> T | None:
    return _filled(ADVICE[kind], words) if kind in ADVICE else None


def _filled(text: T, words: dict[str, object]) -> T:
    return T(text.en.format_map(words), text.ja.format_map(words))
