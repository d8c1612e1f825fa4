"""Stop a training in the middle and go on later: the parameters come out equal to the last bit."""

import numpy as np

import denpa as dp
from denpa.train import Config, resume, train

data = dp.data.read("digits")
config = Config(source="digits", hidden=(32,), dropout=0.2, optimizer="adam", batch_size=64, epochs=8, seed=3)

whole = train(config, data, "runs/whole")

epochs_done = []
stopped = train(
    config,
    data,
    "runs/stopped",
    on_progress=lambda p: epochs_done.append(p.epoch) if p.row else None,
    should_stop=lambda: len(epochs_done) >= 3,  # the command line asks here whether Ctrl-C was pressed
)
print(f"stopped after {stopped.run.info['epoch']} of {config.epochs} epochs, status {stopped.run.status}")

resumed = resume("runs/stopped")
print(f"resumed to epoch {resumed.run.info['epoch']}, status {resumed.run.status}")

a, b = whole.model.network.parameters(), resumed.model.network.parameters()
for name in a:
    print(f"{name:<9} equal to the last bit: {a[name].value.tobytes() == b[name].value.tobytes()}")
    assert np.array_equal(a[name].value, b[name].value)
metrics = [(run.run.path / "metrics.jsonl").read_bytes() for run in (whole, resumed)]
print(f"metrics.jsonl equal to the last byte: {metrics[0] == metrics[1]}")
