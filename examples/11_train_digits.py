"""Train on the 1,797 handwritten digits, watch the loss, look at one mistake, and open one step of the training."""

from pathlib import Path

import numpy as np

import denpa as dp
from denpa.train import Config, train

data = dp.data.read("digits")
config = Config(source="digits", hidden=(50,), optimizer="adam", batch_size=32, epochs=15, valid=0.2, seed=0)


def show(progress):
    if progress.row and progress.epoch % 5 == 0:
        row = progress.row
        print(f"epoch {row['epoch']:2d}: loss {row['train_loss']:.3f}, validation {row['valid_accuracy']:.1%}")


trained = train(config, data, Path("runs/digits"), on_progress=show)
print(f"{trained.evaluation.values['accuracy']:.1%} of {trained.evaluation.rows} rows nobody trained on are right")

model = dp.load_model("runs/digits")  # the network together with its scaling
predicted = model.predict(data.inputs)
wrong = int(np.flatnonzero(predicted != data.targets.astype(str))[0])
print(f"row {wrong} is a {data.targets[wrong]}, read as {predicted[wrong]}:")
for line in data.inputs[wrong]:
    print("  " + "".join(" .:oO#"[pixel // 3] for pixel in line))

# The same network, one batch, by hand: every value and every gradient of the step is there to be looked at.
x, t = model.inputs.encode(data.inputs[wrong : wrong + 1]), data.targets[wrong : wrong + 1]
loss = model.network.loss(x, t)
gradients = dp.backward(loss)
print(f"loss of this row {loss.value:.3f}")
for name, gradient in gradients.items():
    if isinstance(name, str):
        print(f"  ∂L/∂{name:<9} shape {gradient.shape!s:<9} norm {np.linalg.norm(gradient):.3f}")
