"""Two apples at 100 yen and 10 % tax: values go forward, gradients come back (seed 000, §5.1)."""

import denpa as dp

apple, n_apple, tax = dp.inputs(apple=100.0, n_apple=2.0, tax=1.1)
total = apple * n_apple * tax
gradients = dp.backward(total)

print(f"支払金額 total = {total.value:g} yen")
for name in ("apple", "n_apple", "tax"):
    print(f"∂total/∂{name} = {gradients[name]:g}")
