"""A run opened again with its own data: for whoever looks at it after the training, or goes on with it."""

from __future__ import annotations

from pathlib import Path

from denpa.data import Dataset, read
from denpa.errors import DataError
from denpa.nn import Network
from denpa.train import checkpoint
from denpa.train.model_file import load_model
from denpa.train.parts import Parts, build_network, encodings, parts
from denpa.train.run import Run


def data_of(run: Run, data: Dataset | None = None) -> Dataset:
    """The source of a run, read again unless it is in memory already.

    DataError when it is gone, or not what the run was trained on.
    """
    config = run.config
    if data is None:
        data = read(config.source, config.target, config.task, config.options(run.path), stream=config.stream)
    told = run.info.get("data")
    before = told if isinstance(told, dict) else {}
    if before.get("sha256") != data.sha256:
        rows = f"{before['rows']:,} rows, " if isinstance(before.get("rows"), int) else ""
        raise DataError(
            "the data changed since the run began",
            where=data.source,
            got=f"{len(data):,} rows, sha256 {data.sha256[:16]}…",
            want=f"{rows}sha256 {str(before.get('sha256'))[:16]}…",
            fix="put the old file back, name another source with the same columns (--file), or start a new run",
        )
    return data


def opened(path: str | Path, data: Dataset | None = None) -> tuple[Run, Network, Parts]:
    """A run, its network as far as it was trained, and its rows, encoded.

    Errors as `data_of`; ModelFileError when the folder is no run, or its model is damaged.
    """
    run = Run(path)
    config, data = run.config, data_of(run, data)
    inputs, targets, rows = encodings(config, data)
    network = _with_values(run, build_network(config, inputs, targets))
    return run, network, parts(config, network, data, inputs, targets, rows)


def _with_values(run: Run, network: Network) -> Network:
    """The model's parameters, else those of the last good checkpoint, else the initial ones.

    A run that went on after its model was written, and did not end well, has a checkpoint newer than the model.
    """
    if run.status in ("finished", "stopped") and run.model_path.exists():
        return load_model(run.path).network
    last = checkpoint.latest(run.path, lambda _: None)  # a damaged one is passed over, as a resume does
    return network if last is None else network.with_parameters(last.parameters)
