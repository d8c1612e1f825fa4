"""Apples and oranges: every input's gradient in one backward pass, and every value in between (seed 000, §5.1)."""

import denpa as dp

apple, n_apple, orange, n_orange, tax = dp.inputs(apple=100.0, n_apple=2.0, orange=150.0, n_orange=3.0, tax=1.1)
total = (apple * n_apple + orange * n_orange) * tax
gradients = dp.backward(total)

for node in dp.Graph(total):  # in the order of the forward pass; each node has its value and its gradient
    print(f"{node.label:<9} value {node.value:6g}   gradient {gradients[dp.Tensor(node)]:6g}")
