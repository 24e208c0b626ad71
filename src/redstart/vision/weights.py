"""Pretrained weights: from timm, from torchvision, or from a file of the user's."""

from __future__ import annotations

import inspect
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from redstart.errors import WeightsError, problem
from redstart.rng import forked
from redstart.vision.models import TORCHVISION, timm_config, timm_model, torchvision_weights

__all__ = ["LoadedWeights", "load_pretrained"]

_TIMEOUT = 5.0  # seconds until a server that does not answer counts as out of reach
_MISFIT = 0.05  # share of tensors that may be missing or left over
_HEADS = {"fc", "classifier", "head", "heads", "head_dist", "last_linear"}
_HEADS |= {"aux_head", "AuxLogits", "aux1", "aux2"}
_WRAPPERS = ("", "module.", "_orig_mod.", "model.", "backbone.", "encoder.", "body.", "0.")
# What the names in a file betray, where they name no architecture: (a name in it, family).
_FAMILIES = (
    (r"^conv_stem\.", "an EfficientNet or MobileNet of timm"),
    (r"^layer1\.0\.conv3\.", "a ResNet-50 or deeper"),
    (r"^layer1\.0\.conv2\.", "a ResNet-18 or ResNet-34"),
    (r"^blocks\.0\.attn\.qkv\.", "a vision transformer of timm"),
    (r"^layers\.\d\.blocks\.\d\.attn\.", "a Swin transformer of timm"),
    (r"^stages\.\d\.blocks\.\d\.conv_dw\.", "a ConvNeXt of timm"),
    (r"^encoder\.layers\.encoder_layer_0\.", "a vision transformer of torchvision"),
    (r"^features\.denseblock1\.", "a DenseNet"),
    (r"^features\.\d+\.squeeze\.", "a SqueezeNet of torchvision"),
    (r"^features\.\d+\.conv\.", "a MobileNetV2 of torchvision"),
    (r"^features\.\d+\.", "a model of torchvision with `features`"),
    (r"^(vision_model|vit|embeddings|bert)\.", "a model of the transformers library"),
)


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """What was loaded into a body.

    Attributes:
        source: A hub id, URL or path with the file's name; ``"random"`` if nothing was loaded.
        missing: Tensors of the body that keep their random start.
        unexpected: Tensors of the file that were left out, other than its classifier's.
    """

    source: str
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()


def load_pretrained(
    body: nn.Module,
    arch: str,
    pretrained: bool | str | Path,
    n_in: int = 3,
    size: tuple[int, int] | None = None,
) -> LoadedWeights:
    """Load pretrained weights into the body that ``build_classifier`` made, in place.

    True looks in the usual caches (Hugging Face's for timm, torch.hub's for torchvision) and
    downloads what is not there, unless ``REDSTART_OFFLINE`` or ``HF_HUB_OFFLINE`` is 1. The
    first convolution is adapted to ``n_in`` channels, position embeddings to ``size``.

    Args:
        body: ``model[0]``.
        arch: The name it was built by.
        pretrained: True, False for nothing, or the path of a ``.safetensors``, ``.pth``, ``.pt``
            or ``.bin`` file with the weights of the whole classifier or of the body alone.
        n_in: Channels of the input the body was built for.
        size: ``(H, W)`` in pixels the body was built for; the architecture's own if None.

    Raises:
        WeightsError: If the weights cannot be had, cannot be read, or are of another
            architecture.
    """
    if pretrained is False:
        return LoadedWeights("random")
    note = ""
    if pretrained is True:
        if arch.startswith(TORCHVISION):
            state, source = _torchvision_state(arch)
        else:
            state, source = _timm_state(arch, n_in, size)
    else:
        path = Path(pretrained).expanduser()
        source = str(path)
        state, note = _read(path)
    state = _unwrapped(state, set(body.state_dict()))
    try:
        state = _adapted(body, arch, state, n_in)
    except (RuntimeError, ValueError, KeyError, AssertionError, NotImplementedError) as error:
        raise _misfit(arch, source, f"{_brief(error)}", _guess(source, note, state)) from error
    return _apply(body, arch, state, source, note)


def _apply(
    body: nn.Module, arch: str, state: Mapping[str, Tensor], source: str, note: str
) -> LoadedWeights:
    own = body.state_dict()
    wrong = [k for k in own if k in state and own[k].shape != state[k].shape]
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    extra = [k for k in state if k not in own and not _of_classifier(body, k)]
    if wrong or len(missing) > _MISFIT * len(own) or len(extra) > _MISFIT * len(state):
        parts = []
        if missing:
            parts.append(f"{len(missing)} of {len(own)} tensors missing ({_some(missing)})")
        if wrong:
            k = wrong[0]
            parts.append(
                f"{len(wrong)} of another shape ({k}: file {tuple(state[k].shape)}, "
                f"model {tuple(own[k].shape)})"
            )
        if extra:
            parts.append(f"{len(extra)} unknown ({_some(extra)})")
        raise _misfit(arch, source, "; ".join(parts), _guess(source, note, state))
    body.load_state_dict({k: v for k, v in state.items() if k in own}, strict=False)
    return LoadedWeights(source, tuple(missing), tuple(extra))


def _adapted(body: nn.Module, arch: str, state: dict[str, Tensor], n_in: int) -> dict[str, Tensor]:
    """Fit the names to the body's, position embeddings to its size, and the first layer to n_in."""
    from timm.models import adapt_input_conv

    own = body.state_dict()
    if arch.startswith(TORCHVISION):
        first = next(k for k, m in body.named_modules() if isinstance(m, nn.Conv2d))
        stems = [first]
        if "encoder.pos_embedding" in state and "encoder.pos_embedding" in own:
            from torchvision.models.vision_transformer import interpolate_embeddings

            vit = cast(Any, body)
            state = interpolate_embeddings(vit.image_size, vit.patch_size, dict(state))
    else:
        stem = cast(Any, body).pretrained_cfg.get("first_conv") or ()
        stems = [stem] if isinstance(stem, str) else list(stem)
        if any(k not in state or state[k].shape != own[k].shape for k in own):
            state = _timm_filtered(body, state)
    for key in (f"{name}.weight" for name in stems):
        if key in state and key in own and state[key].shape[1] != own[key].shape[1]:
            state[key] = adapt_input_conv(n_in, state[key])
    return state


def _timm_filtered(body: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Apply the conversion timm has for the body's family, which also resamples positions."""
    module = sys.modules[type(body).__module__]
    names = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained")
    convert = next((getattr(module, n) for n in names if hasattr(module, n)), None)
    if convert is None:
        return state
    takes_model = len(inspect.signature(convert).parameters) > 1
    converted = convert(dict(state), body) if takes_model else convert(dict(state))
    return dict(converted)


def _torchvision_state(arch: str) -> tuple[dict[str, Tensor], str]:
    import torchvision

    name = arch.removeprefix(TORCHVISION)
    weights = torchvision_weights(name)
    path = _download(arch, weights.url)
    with _readable(path), forked(0):
        model = torchvision.models.get_model(name, weights=weights, progress=False)
    return model.state_dict(), weights.url


def _timm_state(
    arch: str, n_in: int, size: tuple[int, int] | None
) -> tuple[dict[str, Tensor], str]:
    cfg = timm_config(arch)
    if cfg.hf_hub_id:
        path, source = _download_from_hub(arch, cfg)
        custom = cfg.custom_load == "hf"
    elif cfg.url:
        url = cfg.url if isinstance(cfg.url, str) else cfg.url[0]
        path, source, custom = _download(arch, url), url, bool(cfg.custom_load)
    else:
        raise WeightsError(
            problem(
                f"Expected an architecture with published weights, which {arch} has not",
                "pretrained=True",
                "Pass pretrained=False, a file of your own, or an architecture that "
                "`timm.list_pretrained()` lists.",
            )
        )
    overlay = {"file": str(path), "custom_load": custom}
    with _readable(path), forked(0):
        try:
            model = timm_model(arch, n_in, size, pretrained=True, pretrained_cfg_overlay=overlay)
        except RuntimeError as error:
            if "loading state_dict" not in str(error):
                raise
            raise _misfit(arch, source, f"does not fit {size=}, {n_in=}", "") from error
    return model.state_dict(), source


def _download_from_hub(arch: str, cfg: Any) -> tuple[Path, str]:
    """Return the file in Hugging Face's cache, downloading it if it is not there."""
    import huggingface_hub as hub
    from huggingface_hub import constants

    repo, _, revision = cfg.hf_hub_id.partition("@")
    wanted = cfg.hf_hub_filename or "pytorch_model.bin"
    safe = wanted.removesuffix(".bin").removesuffix(".safetensors") + ".safetensors"
    names = dict.fromkeys([safe.replace("pytorch_model.", "model."), wanted])  # timm's own order
    for name in names:
        cached = hub.try_to_load_from_cache(repo, name, revision=revision or None)
        if isinstance(cached, str):
            return Path(cached), f"{repo}/{name}"
    place, fetch = Path(constants.HF_HUB_CACHE), f"hf download {repo} {next(iter(names))}"
    file = f"{repo}/{next(iter(names))}"
    _refuse_offline(arch, file, place, fetch)
    try:
        for name in names:
            if _exists(hub.hf_hub_url(repo, name, revision=revision or None)):
                path = hub.hf_hub_download(repo, name, revision=revision or None)
                return Path(path), f"{repo}/{name}"
    except Exception as error:  # the hub's client lets errors of its HTTP library through
        raise _unavailable(arch, file, place, _brief(error), fetch) from error
    raise _unavailable(arch, file, place, "the server does not have it", fetch)


def _download(arch: str, url: str) -> Path:
    """Return the file in torch.hub's cache, downloading it if it is not there."""
    name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.exists():
        return path
    fetch = f"curl -L -o {path} {url}"
    _refuse_offline(arch, url, path.parent, fetch)
    digest = re.search(r"-([a-f0-9]{8,})\.", name)
    try:
        if not _exists(url):
            raise FileNotFoundError("the server does not have it")
        path.parent.mkdir(parents=True, exist_ok=True)
        progress = sys.stderr.isatty()
        torch.hub.download_url_to_file(
            url, str(path), digest.group(1) if digest else None, progress=progress
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise _unavailable(arch, url, path.parent, _brief(error), fetch) from error
    return path


def _exists(url: str) -> bool:
    """Ask once, briefly. The hub and torch would retry, or wait, for minutes."""
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310  (urls of timm, torchvision)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return error.code != 404


def _refuse_offline(arch: str, file: str, place: Path, fetch: str) -> None:
    for name in ("REDSTART_OFFLINE", "HF_HUB_OFFLINE"):
        if os.environ.get(name, "").lower() in {"1", "true", "yes", "on"}:
            raise _unavailable(arch, file, place, f"{name} is set", fetch)


def _read(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read the tensors of a file, and the architecture it names, if it does."""
    note = ""
    if not path.is_file():
        raise WeightsError(
            problem(
                "Expected a file of weights",
                f"pretrained={str(path)!r}",
                "Check the path's spelling.",
            )
        )
    with _readable(path):
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, framework="pt") as file:
                note = (file.metadata() or {}).get("arch", "")
                content: Any = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        elif path.suffix in {".pth", ".pt", ".bin"}:
            # Foreign files come in this format. `weights_only` runs no code of theirs.
            content = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251
        else:
            raise ValueError("the name ends in none of .safetensors, .pth, .pt, .bin")
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = content if isinstance(content, Mapping) else {}
    state = {k: v for k, v in tensors.items() if isinstance(v, Tensor)}
    if not state:
        raise WeightsError(
            problem(
                "Expected a file with named tensors (a state dict)",
                f"pretrained={str(path)!r}, which holds a {type(content).__name__}",
                "Save `model.state_dict()`, not the model, best with safetensors.",
            )
        )
    return state, note


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except WeightsError:
        raise
    except Exception as error:  # each format has errors of its own, some of them bare `Exception`
        raise WeightsError(
            problem(
                "Expected a readable file of weights",
                f"file={str(path)!r} ({path.stat().st_size:,} bytes; {_brief(error)})",
                "It is damaged or of another kind: delete it and get it again.",
            )
        ) from error


def _unwrapped(state: Mapping[str, Tensor], own: set[str]) -> dict[str, Tensor]:
    """Take off the prefix that a wrapper put before every name, if that makes more names fit."""

    def stripped(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}

    return max((stripped(p) for p in _WRAPPERS), key=lambda names: len(own & set(names)))


def _of_classifier(body: nn.Module, name: str) -> bool:
    named = getattr(body, "pretrained_cfg", {}).get("classifier") or ()
    prefixes = (named,) if isinstance(named, str) else tuple(named)
    return name.partition(".")[0] in _HEADS or name.startswith(tuple(f"{p}." for p in prefixes))


def _guess(source: str, note: str, state: Mapping[str, Tensor]) -> str:
    """Say what the weights seem to be of."""
    if note:
        return note
    import timm

    stem = Path(source).name
    names = [n for n in timm.list_models() if re.search(rf"(?<![a-z0-9]){n}(?![a-z0-9])", stem)]
    if names:
        return str(max(names, key=len))
    for pattern, family in _FAMILIES:
        if any(re.search(pattern, key) for key in state):
            return family
    return ""


def _misfit(arch: str, source: str, what: str, guess: str) -> WeightsError:
    hint = f"The file seems to be of {guess}. " if guess else ""
    return WeightsError(
        problem(
            f"Expected weights of {arch}",
            f"file={source!r}: {what}",
            f"{hint}Pass the file of the architecture you train, or the architecture of the file.",
        )
    )


def _unavailable(arch: str, file: str, place: Path, why: str, fetch: str) -> WeightsError:
    return WeightsError(
        problem(
            f"Expected the pretrained weights of {arch} on this machine or a way to download them",
            f"file={file} (looked for in {place}; {why})",
            f"Either (1) go online once, or run `{fetch}` where you are and bring that folder; or "
            "(2) pass pretrained='path/to/weights.safetensors'; or (3) pass pretrained=False "
            "(random weights: needs far more data).",
        )
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _brief(error: BaseException) -> str:
    text = str(getattr(error, "reason", error)).strip() or type(error).__name__
    return text.splitlines()[0][:160]
