"""The same training by others: NumPy by hand, PyTorch, JAX, scikit-learn.

Each takes a workload and gives a function that trains: it takes row numbers (steps, batch), does that many updates on
parameters it keeps, and returns the last loss.  All begin with the parameters of the workload's denpa network and
gather their batches from the same arrays.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from workloads import Workload

Train = Callable[[np.ndarray], float]


def parameters(w: Workload) -> list[tuple[np.ndarray, np.ndarray]]:
    """(weight (n_out, n_in), bias (n_out,)) of each layer."""
    values = [np.array(p.value) for p in w.network().parameters().values()]
    return list(zip(values[::2], values[1::2], strict=True))


def denpa_with(engine_name: str) -> Callable[[Workload], Train]:
    def make(w: Workload) -> Train:
        from denpa.engine import engine
        from denpa.train.step import training_step

        network, optimizer = w.network(), w.make_optimizer()
        x, t = w.data()
        step = training_step(network, optimizer, x[: w.batch], t[: w.batch], classify=False)
        program = engine(engine_name).compile(step)
        state = {name: np.array(p.value) for name, p in network.parameters().items()}
        state.update({name: np.asarray(v) for name, v in optimizer.init(state).items()})

        def train(rows: np.ndarray) -> float:
            rates = np.full(len(rows), w.learning_rate)
            return float(program.run(state, {"x": x, "t": t}, rows, {"learning_rate": rates})["loss"][-1])

        return train

    return make


def numpy_by_hand(w: Workload) -> Train:
    layers = parameters(w)
    x, t = w.data()
    memory = [[np.zeros_like(p) for p in pair] for pair in layers]
    squares = [[np.zeros_like(p) for p in pair] for pair in layers]
    done = 0

    def update(l: int, k: int, g: np.ndarray) -> None:
        p = layers[l][k]
        if w.optimizer == "sgd":
            p -= w.learning_rate * g
        elif w.optimizer == "momentum":
            m = memory[l][k]
            m *= np.float32(0.9)
            m += g
            p -= np.float32(w.learning_rate) * m
        else:
            m, v = memory[l][k], squares[l][k]
            m += np.float32(0.1) * (g - m)
            v += np.float32(0.001) * (g * g - v)
            scale = w.learning_rate / (1 - 0.9**done)
            p -= np.float32(scale) * m / (np.sqrt(v / np.float32(1 - 0.999**done)) + np.float32(1e-8))

    def train(rows: np.ndarray) -> float:
        nonlocal done
        loss = 0.0
        for batch in rows:
            done += 1
            z = [x[batch]]
            for l, (W, b) in enumerate(layers):
                a = z[-1] @ W.T + b
                if l == len(layers) - 1:
                    break
                z.append(1 / (1 + np.exp(-a)) if w.hidden == "sigmoid" else np.maximum(a, 0))
            loss, delta = output_delta(a, t[batch])
            for l in range(len(layers) - 1, -1, -1):
                W = layers[l][0]
                below = delta @ W if l else None
                update(l, 0, delta.T @ z[l])
                update(l, 1, delta.sum(axis=0))
                if below is not None:
                    delta = below * (z[l] * (1 - z[l]) if w.hidden == "sigmoid" else z[l] > 0)
        return loss

    def output_delta(a: np.ndarray, t: np.ndarray) -> tuple[float, np.ndarray]:
        if w.loss == "squared":
            y = 1 / (1 + np.exp(-a))
            return float(0.5 * ((y - t) ** 2).sum()), (y - t) * y * (1 - y)
        a = a - a.max(axis=1, keepdims=True)
        e = np.exp(a)
        total = e.sum(axis=1, keepdims=True)
        picked = np.arange(len(t)), t
        loss = float((np.log(total[:, 0]) - a[picked]).mean())
        delta = e / total
        delta[picked] -= 1
        delta /= np.float32(len(t))
        return loss, delta

    return train


def _torch_step(w: Workload):
    import torch
    from torch import nn

    activation = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}[w.hidden]
    parts: list[nn.Module] = []
    for W, b in parameters(w):
        linear = nn.Linear(W.shape[1], W.shape[0])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W))
            linear.bias.copy_(torch.from_numpy(b))
        parts += [linear, activation()]
    parts.pop()
    if w.loss == "squared":
        parts.append(nn.Sigmoid())
    model = nn.Sequential(*parts)
    lr = w.learning_rate
    make = {
        "sgd": lambda p: torch.optim.SGD(p, lr),
        "momentum": lambda p: torch.optim.SGD(p, lr, momentum=0.9),
        "adam": lambda p: torch.optim.Adam(p, lr),
    }
    optimizer = make[w.optimizer](model.parameters())

    def loss_of(x, t):
        y = model(x)
        return 0.5 * ((y - t) ** 2).sum() if w.loss == "squared" else nn.functional.cross_entropy(y, t)

    return loss_of, optimizer


def pytorch(w: Workload, compiled: bool = False) -> Train:
    import torch

    loss_of, optimizer = _torch_step(w)
    if compiled:
        loss_of = torch.compile(loss_of)
    x, t = (torch.from_numpy(a) for a in w.data())

    def train(rows: np.ndarray) -> float:
        for batch in torch.from_numpy(rows):
            optimizer.zero_grad()
            loss = loss_of(x[batch], t[batch])
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    return train


def pytorch_compiled(w: Workload) -> Train:
    return pytorch(w, compiled=True)


def _jax_step(w: Workload):
    import jax
    import jax.numpy as jnp

    act = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu}[w.hidden]

    def loss_of(layers, x, t):
        z = x
        for W, b in layers[:-1]:
            z = act(z @ W.T + b)
        a = z @ layers[-1][0].T + layers[-1][1]
        if w.loss == "squared":
            return 0.5 * jnp.sum((jax.nn.sigmoid(a) - t) ** 2)
        return jnp.mean(jax.nn.logsumexp(a, axis=1) - jnp.take_along_axis(a, t[:, None], axis=1)[:, 0])

    def update(p, g, m, v, n):
        if w.optimizer == "sgd":
            return p - w.learning_rate * g, m, v
        if w.optimizer == "momentum":
            m = 0.9 * m + g
            return p - w.learning_rate * m, m, v
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        return p - w.learning_rate * (m / (1 - 0.9**n)) / (jnp.sqrt(v / (1 - 0.999**n)) + 1e-8), m, v

    def step(state, x, t):
        layers, m, v, n = state
        loss, grads = jax.value_and_grad(loss_of)(layers, x, t)
        flat, tree = jax.tree.flatten(layers)
        new = [
            update(p, g, a, b, n + 1.0)
            for p, g, a, b in zip(flat, jax.tree.leaves(grads), jax.tree.leaves(m), jax.tree.leaves(v), strict=True)
        ]
        return (*(jax.tree.unflatten(tree, part) for part in zip(*new, strict=True)), n + 1.0), loss

    layers = [(jnp.asarray(W), jnp.asarray(b)) for W, b in parameters(w)]
    like = jnp.zeros_like if w.optimizer != "sgd" else lambda p: jnp.zeros(())
    return step, (layers, jax.tree.map(like, layers), jax.tree.map(like, layers), jnp.zeros(()))


def jax_jit(w: Workload) -> Train:
    import jax
    import jax.numpy as jnp

    step, state = _jax_step(w)
    x, t = (jnp.asarray(a) for a in w.data())
    one = jax.jit(lambda state, batch: step(state, x[batch], t[batch]), donate_argnums=0)

    def train(rows: np.ndarray) -> float:
        nonlocal state
        for batch in rows:
            state, loss = one(state, batch)
        return float(loss)

    return train


def jax_scan(w: Workload) -> Train:
    import jax
    import jax.numpy as jnp

    step, state = _jax_step(w)
    x, t = (jnp.asarray(a) for a in w.data())
    many = jax.jit(
        lambda state, rows: jax.lax.scan(lambda s, batch: step(s, x[batch], t[batch]), state, rows), donate_argnums=0
    )

    def train(rows: np.ndarray) -> float:
        nonlocal state
        state, losses = many(state, rows)
        return float(losses[-1])

    return train


def scikit_learn(w: Workload) -> Train:
    """MLPClassifier.partial_fit with shuffle off: one call takes the given rows in order, batch by batch."""
    from sklearn.neural_network import MLPClassifier

    x, t = w.data()
    model = MLPClassifier(
        w.units[1:-1],
        activation={"sigmoid": "logistic", "relu": "relu"}[w.hidden],
        solver="adam" if w.optimizer == "adam" else "sgd",
        alpha=0,
        batch_size=w.batch,
        learning_rate_init=w.learning_rate,
        momentum=0.9 if w.optimizer == "momentum" else 0,
        nesterovs_momentum=False,
        shuffle=False,
    )
    model.partial_fit(x[: w.batch], t[: w.batch], classes=np.arange(w.units[-1]))
    for (W, b), coefs, intercepts in zip(parameters(w), model.coefs_, model.intercepts_, strict=True):
        coefs[...], intercepts[...] = W.T, b
    del model._optimizer  # its memory of the first batch; partial_fit makes a new one

    def train(rows: np.ndarray) -> float:
        """The loss of the last batch needs a forward pass of its own here: partial_fit keeps the mean of them all."""
        before, last = rows[:-1].ravel(), rows[-1]
        if len(before):
            model.partial_fit(x[before], t[before])
        p = model.predict_proba(x[last])[np.arange(len(last)), t[last]]
        model.partial_fit(x[last], t[last])
        return float(-np.log(p).mean())

    return train


RIVALS: dict[str, tuple[str | None, Callable[[Workload], Train]]] = {  # name → (package it needs, maker)
    "denpa native": ("numba", denpa_with("native")),
    "denpa eager": (None, denpa_with("eager")),
    "NumPy by hand": (None, numpy_by_hand),
    "PyTorch": ("torch", pytorch),
    "PyTorch compiled": ("torch", pytorch_compiled),
    "JAX jit": ("jax", jax_jit),
    "JAX jit + scan": ("jax", jax_scan),
    "scikit-learn": ("sklearn", scikit_learn),
}
CANNOT = {  # (candidate, loss or optimiser): why it is left out
    ("scikit-learn", "squared"): "its classifier has no squared error",
    ("scikit-learn", "adam"): "its Adam adds epsilon elsewhere and reaches another loss",
}
