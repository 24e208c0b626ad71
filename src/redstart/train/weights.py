"""Weights of a model as a safetensors file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_model
from torch import nn

from redstart.errors import WeightsError, problem

__all__ = ["digest", "load", "place", "save"]


def place(folder: Path, file: str | Path) -> Path:
    """Where weights of that name are kept."""
    file = Path(file)
    name = file if file.suffix == ".safetensors" else file.with_name(f"{file.name}.safetensors")
    return folder / "models" / name


def save(model: nn.Module, path: Path) -> Path:
    """Write the weights; an older file is replaced only once the new one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.part")
    save_model(model, str(scratch))
    scratch.replace(path)
    return path


def load(model: nn.Module, path: Path) -> None:
    """Read weights back into a model of the same shape.

    Raises:
        WeightsError: If there is no such file, or it does not fit the model.
    """
    if not path.exists():
        raise WeightsError(
            problem("Expected weights that exist", f"path={path}", "`learn.save` writes them.")
        )
    try:
        missing, unexpected = model.load_state_dict(load_file(path), strict=False)
    except (RuntimeError, SafetensorError) as error:
        raise WeightsError(
            problem(
                "Expected weights of this model",
                f"{path}: {str(error).splitlines()[-1].strip()}",
                "Build the learner with the architecture and classes they were saved from.",
            )
        ) from error
    # Tied weights are stored once: a name is missing only if nothing else holds its values.
    shared = {p.data_ptr() for n, p in model.state_dict().items() if n not in missing}
    absent = [n for n in missing if model.state_dict()[n].data_ptr() not in shared]
    if absent or unexpected:
        raise WeightsError(
            problem(
                "Expected weights of this model",
                f"{path} lacks {absent[:3]} and has {list(unexpected)[:3]}",
                "Build the learner with the architecture and classes they were saved from.",
            )
        )


def digest(model: nn.Module) -> str:
    """SHA-256 of all weights and buffers."""
    found = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
