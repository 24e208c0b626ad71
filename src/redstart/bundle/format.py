"""The file format: a zip of ``bundle.json`` and ``weights.safetensors``, with their hashes."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from redstart.config import JSON
from redstart.errors import BundleError, problem

__all__ = ["FORMAT", "read", "write"]

FORMAT = 1
HEAD, WEIGHTS = "bundle.json", "weights.safetensors"
_NEEDED = ("recipe", "codec", "target", "facts")
_PICKLES = {".pkl", ".pickle", ".pt", ".pth"}
# A fixed date makes equal bundles equal files.
_DATE = (1980, 1, 1, 0, 0, 0)


def write(path: Path, head: Mapping[str, JSON], tensors: Mapping[str, Tensor]) -> Path:
    """Write a bundle; an older file of that name is replaced only once the new one is whole.

    Args:
        path: The file; its folder is made if needed.
        head: Everything but the weights.
        tensors: The weights, by name.

    Raises:
        BundleError: If the file cannot be written, or ``head`` holds other than JSON values.
    """
    weights = save_tensors({k: t.detach().cpu().contiguous() for k, t in tensors.items()})
    full = _as_read(head, path)
    full["format"] = FORMAT
    full["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    full["sha256"] = _digest(full)
    scratch = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(scratch, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr(zipfile.ZipInfo(HEAD, _DATE), json.dumps(full, indent=1))
                archive.writestr(zipfile.ZipInfo(WEIGHTS, _DATE), weights)
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise BundleError(
            problem(
                f"Expected to write {path}", f"{error.strerror or error}", "Choose another place."
            )
        ) from error
    return path


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a bundle back and check that nobody changed it.

    Returns:
        The head, and the weights by name.

    Raises:
        BundleError: If there is no such file, it is no bundle, it is damaged or was
            tampered with, or a newer redstart wrote it.
    """
    raw_head, weights = _members(path)
    try:
        head = json.loads(raw_head)
        said = head.pop("sha256")
        format_, weights_said = head["format"], head["weights_sha256"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_a_bundle(path, f"a {HEAD} that does not read ({error})") from error
    if isinstance(format_, int) and format_ > FORMAT:
        raise BundleError(
            problem(
                f"Expected a bundle of format {FORMAT} or older",
                f"{path} has format {format_}",
                "A newer redstart wrote it: upgrade with `pip install -U redstart`.",
            )
        )
    if said != _digest(head) or weights_said != hashlib.sha256(weights).hexdigest():
        raise _changed(path)
    if missing := [key for key in _NEEDED if key not in head]:
        raise _not_a_bundle(path, f"a {HEAD} without {', '.join(missing)}")
    try:
        return head, load_tensors(weights)
    except SafetensorError as error:
        raise _not_a_bundle(path, f"weights that do not read ({error})") from error


def _as_read(head: Mapping[str, JSON], path: Path) -> dict[str, JSON]:
    """The head as it will be read back: names are text and tuples are lists."""
    try:
        plain: dict[str, JSON] = json.loads(json.dumps(head))
    except (TypeError, ValueError) as error:
        raise BundleError(
            problem(
                f"Expected facts and arguments that {path} can hold as JSON",
                str(error),
                "Make them text, numbers, lists or dictionaries.",
            )
        ) from error
    return plain


def _digest(head: Mapping[str, JSON]) -> str:
    return hashlib.sha256(json.dumps(head, sort_keys=True).encode()).hexdigest()


def _members(path: Path) -> tuple[bytes, bytes]:
    if not path.exists():
        raise BundleError(
            problem(
                "Expected a bundle that exists",
                f"path={path}",
                "Pass the file that `learn.export(...)` returned.",
            )
        )
    if path.is_dir():
        raise _not_a_bundle(path, "a folder")
    try:
        with path.open("rb") as file:
            start = file.read(1)
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if HEAD in names and WEIGHTS in names:
                return _read(archive, path, HEAD), _read(archive, path, WEIGHTS)
    except OSError as error:
        raise _not_a_bundle(path, f"not readable ({error.strerror or error})") from error
    except (zipfile.BadZipFile, NotImplementedError) as error:
        if start == b"\x80" or path.suffix.lower() in _PICKLES:
            raise _pickle(path) from error
        raise _not_a_bundle(path, "another kind of file, or a damaged one") from error
    pickled = any(name.endswith("data.pkl") for name in names)
    raise _pickle(path) if pickled else _not_a_bundle(path, f"a zip of {', '.join(names[:5])}")


def _read(archive: zipfile.ZipFile, path: Path, name: str) -> bytes:
    try:
        return archive.read(name)
    # Its own checksum, a header that moved, or a method or a password it never had.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _changed(path) from error


def _changed(path: Path) -> BundleError:
    return BundleError(
        problem(
            f"Expected {path} as it was written",
            "contents that do not match their SHA-256",
            "It was damaged or changed: take the original again.",
        )
    )


def _not_a_bundle(path: Path, got: str) -> BundleError:
    return BundleError(
        problem(
            "Expected a redstart bundle (a `.redstart` file)",
            f"{path} is {got}",
            "Pass the file that `learn.export(...)` returned.",
        )
    )


def _pickle(path: Path) -> BundleError:
    return BundleError(
        problem(
            "Expected a redstart bundle (a `.redstart` file)",
            f"{path} is a Python pickle, which can run any code when opened, so redstart never "
            "opens one",
            "Where it was trained, save the weights with `safetensors.torch.save_file("
            "model.state_dict(), 'weights.safetensors')`, build the learner here with "
            "`vision_learner(dls, arch, pretrained='weights.safetensors')` and export that.",
        )
    )
