"""Pictures: a formula, steps in a browser, and a network at three zooms (seed 000, 5.1; seed 002, part 2)."""

from pathlib import Path

import numpy as np

import denpa as dp

folder = Path("pictures")
folder.mkdir(exist_ok=True)

shop = dp.draw(
    "(apple*n_apple + orange*n_orange)*tax",
    values={"apple": 100, "n_apple": 2, "orange": 150, "n_orange": 3, "tax": 1.1},
    local=True,  # also the local derivative at each edge
)
print(shop.text())
shop.save(folder / "shop.svg")
shop.save(folder / "shop.html")  # one page: arrow keys go through the steps
shop.step(6).save(folder / "shop-step-6.svg")  # or all of them: shop.save_steps(...)
print(f"{shop.scene.steps} steps; after step 6 the gradient has passed the last multiplication")

# Any Tensor of your own can be drawn.
w, x, b = dp.inputs(w=np.array([0.5, -0.3]), x=np.array([1.0, 2.0]), b=0.1)
dp.draw(dp.sigmoid(w @ x + b), theme="dark").save(folder / "unit.svg")

rng = np.random.default_rng(0)
network = dp.nn.Network([12, 3, 2], hidden="sigmoid", output="sigmoid", loss="squared_error", seed=0, dtype="float64")
image, target = rng.integers(0, 2, (1, 12)).astype(float), np.array([[1.0, 0.0]])
for zoom in ("layers", "units", "operations"):
    picture = dp.draw(network, image, target, zoom=zoom, notation="002")
    print(f"{picture.save(folder / f'network-{zoom}.svg')}: {len(picture.scene.boxes)} boxes")
