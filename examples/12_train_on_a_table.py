"""Train on a table of one's own: a CSV file with a header line in, a model file that predicts out."""

import csv
from pathlib import Path

import numpy as np

import denpa as dp
from denpa.train import Config, train

rng = np.random.default_rng(0)
with Path("flats.csv").open("w", newline="", encoding="utf-8") as file:
    table = csv.writer(file)
    table.writerow(["area", "age", "floor", "rent"])  # m², years, –, 10,000 yen a month
    for _ in range(600):
        area, age, floor = rng.uniform(15, 90), rng.uniform(0, 40), rng.integers(1, 15)
        rent = 3 + 0.16 * area - 0.05 * age - 0.001 * age * area + 0.1 * floor + rng.normal(0, 0.4)
        table.writerow([f"{area:.1f}", f"{age:.0f}", floor, f"{rent:.2f}"])

data = dp.data.read("flats.csv", target="rent")
print(data.task_reason)
config = Config(
    source="flats.csv", target="rent", hidden=(20,), activation="tanh", learning_rate=0.05, batch_size=20, epochs=100
)
result = train(config, data, "runs/flats").evaluation
for name in ("root_mean_squared_error", "r2"):
    guess = result.baseline[name]
    print(f"{name}: {result.values[name]:.3f} (always guessing the mean: {guess:.3f})")

model = dp.load_model("runs/flats")  # takes rows in the table's own units, and answers in them
print("columns scaled by", dict(zip(model.inputs.names, np.round(model.inputs.std, 2).tolist(), strict=True)))
old, new = model.predict(np.array([[40.0, 35.0, 3.0], [40.0, 2.0, 3.0]]))
print(f"40 m² on the third floor: {old:.1f} when old, {new:.1f} when new")

# How much does one year more change the rent?  The derivative of the model's answer, in the units of the table.
mean, std = np.array(model.inputs.mean), np.array(model.inputs.std)
rent = lambda row: (model.network(((row - mean) / std)[None, :])[0, 0]) * model.targets.std[0] + model.targets.mean[0]
slopes = dp.grad(rent)(np.array([40.0, 20.0, 3.0]))
print(", ".join(f"∂rent/∂{name} = {slope:+.3f}" for name, slope in zip(model.inputs.names, slopes, strict=True)))
