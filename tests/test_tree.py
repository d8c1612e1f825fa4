from __future__ import annotations

from collections import namedtuple

import numpy as np
from hypothesis import given, strategies as st

from denpa.tree import flatten, gradient_like

Pair = namedtuple("Pair", "a b")
trees = st.recursive(
    st.floats(-9, 9),
    lambda sub: (
        st.lists(sub, max_size=3)
        | st.tuples(sub, sub)
        | st.dictionaries(st.text(max_size=3), sub, max_size=3)
        | st.builds(Pair, sub, sub)
    ),
    max_leaves=12,
)


@given(trees)
def test_flatten_and_rebuild_is_the_identity_and_keeps_types(tree: object) -> None:
    leaves, rebuild = flatten(tree)
    again = rebuild([leaf for _, leaf in leaves])
    assert again == tree
    assert type(again) is type(tree)


@given(trees)
def test_rebuild_puts_leaves_back_in_their_own_places(tree: object) -> None:
    leaves, rebuild = flatten(tree)
    assert [x for _, x in flatten(rebuild(list(range(len(leaves)))))[0]] == list(range(len(leaves)))


def test_paths_say_where_a_leaf_is() -> None:
    leaves, _ = flatten({"W": [1.0, np.ones(2)], "b": (2.0,)})
    assert [path for path, _ in leaves] == ["['W'][0]", "['W'][1]", "['b'][0]"]


def test_a_model_is_its_parameters_and_its_gradient_a_dict() -> None:
    class Model:
        def __init__(self, w: float) -> None:
            self.w = w

        def parameters(self) -> dict[str, float]:
            return {"w": self.w}

        def with_parameters(self, new: dict[str, float]) -> Model:
            return Model(new["w"])

    leaves, rebuild = flatten([Model(3.0), 4.0])
    assert leaves == [("[0].w", 3.0), ("[1]", 4.0)]
    assert rebuild([5.0, 6.0])[0].w == 5.0
    assert gradient_like([Model(3.0), 4.0], [7.0, 8.0]) == [{"w": 7.0}, 8.0]
