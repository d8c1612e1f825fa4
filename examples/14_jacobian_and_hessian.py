"""Derivatives beyond the gradient: Jacobian, Hessian, and the products with them that never build the matrix (001)."""

import numpy as np

import denpa as dp

rng = np.random.default_rng(0)
W1, W2 = rng.normal(size=(4, 3)), rng.normal(size=(2, 4))
x = np.array([0.5, -1.0, 2.0])


def network(x):
    return W2 @ np.tanh(W1 @ x)


# The Jacobian of a network is the product of its layers' Jacobians: ∂y/∂x = W2 · diag(1 − z²) · W1.
z = np.tanh(W1 @ x)
J = dp.jacobian(network)(x)
by_hand = W2 @ np.diag(1 - z**2) @ W1
print(f"Jacobian {J.shape}, largest difference from the product by hand: {np.abs(J - by_hand).max():.0e}")

# Backpropagation multiplies from the left, vector by matrix, and never forms J: one pass for all inputs.
y, pull_back = dp.vjp(network, x)
print("vᵀJ =", np.round(pull_back(np.array([1.0, 0.0]))[0], 4), "  row 0 of J =", np.round(J[0], 4))
_, tangent = dp.jvp(network, (x,), (np.array([0.0, 1.0, 0.0]),))
print("J·v =", np.round(tangent, 4), "  column 1 of J =", np.round(J[:, 1], 4))


def rosenbrock(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


p = np.array([-1.2, 1.0])  # the usual start
H = dp.hessian(rosenbrock)(p)
print("Hessian:", H.tolist(), " eigenvalues:", np.round(np.linalg.eigvalsh(H), 2).tolist())
print("H·v without H:", dp.hvp(rosenbrock, p, np.array([1.0, 2.0])).tolist())

# Newton's method uses the curvature: p ← p − H⁻¹∇f.
for step in range(7):
    gradient, H = dp.grad(rosenbrock)(p), dp.hessian(rosenbrock)(p)
    print(f"step {step}: f = {rosenbrock(p):.3e}  at ({p[0]:+.6f}, {p[1]:+.6f})")
    p = p - np.linalg.solve(H, gradient)
