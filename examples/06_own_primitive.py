"""A new operation in a few lines: value, derivative, contract checked, differentiable twice."""

import denpa as dp


@dp.primitive(
    shape=dp.same,
    scalar="x / (1.0 + exp(-x))",
    latex=r"{0}\,\sigma({0})",
    samples=lambda rng: [((rng.normal(size=shape),), {}) for shape in ((), (3,), (2, 4))],
    analytic=True,
)
def silu(xp, x):
    return x / (1 + xp.exp(-x))


@silu.vjp
def _(g, out, x):
    s = dp.sigmoid(x)
    return (g * (s + out * (1 - s)),)


print(dp.check_primitive(silu))
print(f"silu'(1) = {dp.grad(silu)(1.0):.6f}, silu''(1) = {dp.grad(dp.grad(silu))(1.0):.6f}")
