"""The report's vocabulary in every language: tasks, parts of the data, metrics, verdicts."""

from __future__ import annotations

from denpa.explain.words import Number, T, Words

TASKS = {
    "classification": T(en="classification", ja="分類"),
    "regression": T(en="regression", ja="回帰"),
    "multilabel": T(en="classification with several labels a row", ja="複数ラベル分類"),
}
ROWS = {
    "train": T(en="training", ja="訓練"),
    "valid": T(en="validation", ja="検証"),
    "test": T(en="test", ja="テスト"),
}
METRICS = {
    "loss": T(en="loss", ja="損失"),
    "accuracy": T(en="accuracy", ja="正解率"),
    "subset_accuracy": T(en="subset accuracy (all labels right)", ja="全ラベル正解率"),
    "f1_micro": T(en="F1 score (micro)", ja="F1 スコア（マイクロ平均）"),
    "balanced_accuracy": T(en="balanced accuracy", ja="クラス平均正解率"),
    "f1": T(en="F1 score", ja="F1 スコア"),
    "roc_auc": T(en="ROC AUC", ja="ROC AUC"),
    "log_loss": T(en="log loss", ja="対数損失"),
    "brier": T(en="Brier score", ja="ブライアスコア"),
    "mean_squared_error": T(en="mean squared error", ja="平均二乗誤差"),
    "root_mean_squared_error": T(en="root mean squared error", ja="二乗平均平方根誤差"),
    "mean_absolute_error": T(en="mean absolute error", ja="平均絶対誤差"),
    "r2": T(en="R²", ja="決定係数 R²"),
}
SHARES = frozenset({"accuracy", "balanced_accuracy", "subset_accuracy"})
VERDICTS = {
    "agrees": T(en="agrees", ja="一致"),
    "differs": T(en="DIFFERS", ja="不一致"),
    "kink": T(en="at a kink", ja="折れ点"),
    "cannot tell": T(en="cannot tell", ja="判定不能"),
}


def rows_name(part: str) -> T:
    """ "test" -> test, テスト."""
    return ROWS.get(part, T(en=part, ja=part))


def metric_name(key: str) -> Words:
    return METRICS.get(key, key)


def metric_number(key: str, value: float) -> Number:
    """A share as a percentage, everything else as it is."""
    return Number(value, style="percent") if key in SHARES else Number(value)


def because(reason_en: str, reason_ja: str) -> T:
    """The sentence of a section that is left out."""
    return T(en=f"Not shown: {reason_en}.", ja=f"表示なし：{reason_ja}。")
