from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn

from redstart.errors import WeightsError
from redstart.rng import forked
from redstart.vision import weights
from redstart.vision.models import build_classifier
from redstart.vision.weights import load_pretrained

SHARED = Path(__file__).resolve().parents[4] / "shared" / "weights"


def body_of(arch: str, **arguments: Any) -> nn.Module:
    with forked(0):
        return build_classifier(arch, 2, **arguments)[0].eval()


def classifier(arch: str, **arguments: Any) -> dict[str, Tensor]:
    """The state of a whole classifier, unlike any that `body_of` makes."""
    with forked(1):
        if arch.startswith("torchvision/"):
            model = torchvision.models.get_model(arch.removeprefix("torchvision/"), **arguments)
        else:
            model = timm.create_model(arch, **arguments)
    return dict(model.state_dict())


def loaded(body: nn.Module, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(v, state[k]) for k, v in body.state_dict().items())


def point_hub_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what HF_ENDPOINT does, which is read only once in a process."""
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


class Hub(SimpleHTTPRequestHandler):
    """Serves a folder as the Hugging Face hub serves its files."""

    def end_headers(self) -> None:
        self.send_header("ETag", '"0123456789abcdef"')
        self.send_header("X-Repo-Commit", "0" * 40)
        super().end_headers()

    def log_message(self, *args: Any) -> None:
        self.server.seen.append((self.command, self.path))


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str, list]]:
    """A folder, the address it is served at, and the requests that came; caches are empty."""
    root = tmp_path / "served"
    root.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, directory=str(root)))
    server.seen = []
    url = f"http://127.0.0.1:{server.server_address[1]}"
    for name in ("REDSTART_OFFLINE", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    point_hub_at(url, monkeypatch)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield root, url, server.seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_false_loads_nothing() -> None:
    body = body_of("test_vit")
    before = {k: v.clone() for k, v in body.state_dict().items()}
    assert load_pretrained(body, "test_vit", False).source == "random"
    assert loaded(body, before)


@pytest.mark.parametrize("arch", ["mobilenetv2_035", "torchvision/squeezenet1_1", "test_vit"])
def test_a_file_of_the_whole_classifier(arch: str, tmp_path: Path) -> None:
    state, path = classifier(arch), tmp_path / "w.safetensors"
    save_file(state, path)
    body = body_of(arch)
    report = load_pretrained(body, arch, str(path))
    assert loaded(body, state)
    assert (report.source, report.missing, report.unexpected) == (str(path), (), ())


def test_a_file_of_the_body_alone_and_of_a_wrapped_model(tmp_path: Path) -> None:
    state = classifier("resnet10t")
    body = {k: v for k, v in state.items() if not k.startswith("fc.")}
    save_file(body, tmp_path / "body.safetensors")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "w.pth")
    for name in ("body.safetensors", "w.pth"):
        fresh = body_of("resnet10t")
        load_pretrained(fresh, "resnet10t", tmp_path / name)
        assert loaded(fresh, state)


@pytest.mark.parametrize(
    "arch", ["test_vit", pytest.param("torchvision/vit_b_32", marks=pytest.mark.slow)]
)
def test_positions_are_resampled_for_another_size(arch: str, tmp_path: Path) -> None:
    state = classifier(arch)
    save_file(state, tmp_path / "w.safetensors")
    body = body_of(arch, size=(96, 96))
    load_pretrained(body, arch, tmp_path / "w.safetensors", size=(96, 96))
    key = "pos_embed" if arch == "test_vit" else "encoder.pos_embedding"
    now, then = body.state_dict()[key], state[key]
    assert torch.equal(now[:, 0], then[:, 0])  # the class token has no position
    side = 6 if arch == "test_vit" else 3
    assert now.shape[1] == side**2 + 1
    if arch == "test_vit":
        torch.testing.assert_close(now, resample_abs_pos_embed(then, [6, 6], num_prefix_tokens=1))
    else:
        corner = then[0, 1:].reshape(7, 7, -1)[::6, ::6]
        torch.testing.assert_close(now[0, 1:].reshape(3, 3, -1)[::2, ::2], corner)


@pytest.mark.parametrize("arch", ["resnet18", "torchvision/resnet18"])
def test_the_first_layer_is_adapted_to_the_channels(arch: str, tmp_path: Path) -> None:
    key = "conv1.weight"
    state = classifier(arch)
    save_file(state, tmp_path / "w.safetensors")
    grey, five = (body_of(arch, n_in=n, size=(64, 64)) for n in (1, 5))
    load_pretrained(grey, arch, tmp_path / "w.safetensors", n_in=1)
    load_pretrained(five, arch, tmp_path / "w.safetensors", n_in=5)
    torch.testing.assert_close(grey.state_dict()[key], state[key].sum(1, keepdim=True))
    torch.testing.assert_close(five.state_dict()[key][:, 3:], state[key][:, :2] * 3 / 5)
    assert torch.equal(grey.state_dict()["layer4.1.bn2.weight"], state["layer4.1.bn2.weight"])


@pytest.mark.parametrize(
    ("arch", "file"),
    [
        ("mobilenetv2_100", "mobilenetv2_100.timm.in1k.safetensors"),
        ("torchvision/squeezenet1_0", "squeezenet1_0.torchvision.in1k.safetensors"),
    ],
)
def test_real_weights(arch: str, file: str) -> None:
    path = SHARED / file
    if not path.exists():
        pytest.skip("the shared weights are not here")
    body = body_of(arch)
    report = load_pretrained(body, arch, path)
    assert not report.missing
    assert not report.unexpected
    with pytest.raises(WeightsError, match=r"weights of test_vit.*missing.*seems to be of"):
        load_pretrained(body_of("test_vit"), "test_vit", path)


def test_weights_of_another_architecture_are_refused_and_guessed(tmp_path: Path) -> None:
    for arch, name in (("resnet34", "w"), ("resnet18", "w18"), ("test_vit", "w-test_vit")):
        save_file(classifier(arch), tmp_path / f"{name}.safetensors")
    body = body_of("resnet18")
    before = {k: v.clone() for k, v in body.state_dict().items()}
    with pytest.raises(WeightsError, match=r"96 unknown \(layer1.2.* ResNet-18 or ResNet-34"):
        load_pretrained(body, "resnet18", tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"tensors missing.*seems to be of test_vit\."):
        load_pretrained(body, "resnet18", tmp_path / "w-test_vit.safetensors")
    assert loaded(body, before)
    with pytest.raises(WeightsError, match=r"of another shape \(layer1.0.conv1.weight: file \(64"):
        load_pretrained(body_of("resnet50"), "resnet50", tmp_path / "w18.safetensors")
    with pytest.raises(WeightsError, match=r"weights of test_vit"):
        load_pretrained(body_of("test_vit"), "test_vit", tmp_path / "w18.safetensors")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    body = body_of("test_vit")

    def check(name: str, match: str) -> None:
        with pytest.raises(WeightsError, match=match):
            load_pretrained(body, "test_vit", tmp_path / name)

    check("none.safetensors", r"Expected a file of weights.*none.safetensors.*spelling")
    for name in ("bad.safetensors", "bad.pth"):
        (tmp_path / name).write_bytes(b"not weights at all")
        check(name, f"readable file of weights.*{name}.*18 bytes.*damaged")
    (tmp_path / "w.txt").write_text("")
    check("w.txt", r"ends in none of \.safetensors")
    torch.save([1, 2], tmp_path / "list.pt")
    check("list.pt", r"named tensors.*holds a list.*state_dict")
    torch.save(nn.Linear(1, 1), tmp_path / "model.pth")
    check("model.pth", "readable file of weights.*model.pth")


def test_timm_weights_from_the_hub_come_into_its_cache(
    served: tuple[Path, str, list], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, url, seen = served
    state = classifier("test_vit")
    place = root / "timm" / "test_vit.r160_in1k" / "resolve" / "main"
    place.mkdir(parents=True)
    save_file(state, place / "model.safetensors")
    body = body_of("test_vit")
    report = load_pretrained(body, "test_vit", True)
    assert report.source == "timm/test_vit.r160_in1k/model.safetensors"
    assert loaded(body, state)
    assert ("GET", "/timm/test_vit.r160_in1k/resolve/main/model.safetensors") in [
        (c, p.removeprefix(url)) for c, p in seen
    ]
    seen.clear()
    monkeypatch.setenv("REDSTART_OFFLINE", "1")
    small = body_of("test_vit", n_in=1, size=(96, 96))
    load_pretrained(small, "test_vit", True, n_in=1, size=(96, 96))
    assert not seen  # the cache served it
    conv = state["patch_embed.proj.weight"].sum(1, keepdim=True)
    torch.testing.assert_close(small.patch_embed.proj.weight.detach(), conv)


def test_a_hub_repository_with_only_an_old_file(served: tuple[Path, str, list]) -> None:
    root, _, _ = served
    state = classifier("test_vit")
    place = root / "timm" / "test_vit.r160_in1k" / "resolve" / "main"
    place.mkdir(parents=True)
    torch.save(state, place / "pytorch_model.bin")
    body = body_of("test_vit")
    assert load_pretrained(body, "test_vit", True).source.endswith("/pytorch_model.bin")
    assert loaded(body, state)


def test_timm_and_torchvision_weights_from_a_url(
    served: tuple[Path, str, list], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root, url, _ = served
    state = classifier("torchvision/squeezenet1_1")
    torch.save(state, root / "squeezenet1_1-none.pth")
    enum = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1
    monkeypatch.setattr(
        enum, "_value_", dataclasses.replace(enum.value, url=f"{url}/squeezenet1_1-none.pth")
    )
    body = body_of("torchvision/squeezenet1_1")
    load_pretrained(body, "torchvision/squeezenet1_1", True)
    assert loaded(body, state)
    assert (tmp_path / "hub" / "checkpoints" / "squeezenet1_1-none.pth").exists()

    state = classifier("test_vit")
    torch.save(state, root / "vit.pth")
    cfg = dataclasses.replace(weights.timm_config("test_vit"), hf_hub_id=None, url=f"{url}/vit.pth")
    monkeypatch.setitem(timm.models._registry._model_pretrained_cfgs, "test_vit", cfg)
    body = body_of("test_vit")
    assert load_pretrained(body, "test_vit", True).source == f"{url}/vit.pth"
    assert loaded(body, state)


def test_a_cached_file_that_is_damaged_is_named(
    served: tuple[Path, str, list], tmp_path: Path
) -> None:
    root, _, _ = served
    place = root / "timm" / "test_vit.r160_in1k" / "resolve" / "main"
    place.mkdir(parents=True)
    (place / "model.safetensors").write_bytes(b"<html>captive portal</html>")
    with pytest.raises(WeightsError, match=r"readable file.*model.safetensors.*delete it"):
        load_pretrained(body_of("test_vit"), "test_vit", True)


@pytest.mark.parametrize("arch", ["test_vit", "torchvision/squeezenet1_1"])
def test_offline_without_a_cache_names_the_file_and_three_ways_on(
    arch: str, served: tuple[Path, str, list], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = body_of(arch)
    monkeypatch.setenv("REDSTART_OFFLINE", "1")
    with pytest.raises(WeightsError) as caught:
        load_pretrained(body, arch, True)
    text = str(caught.value)
    file, place, fetch = {
        "test_vit": (
            "timm/test_vit.r160_in1k/model.safetensors",
            "hf",
            "hf download timm/test_vit",
        ),
        "torchvision/squeezenet1_1": ("squeezenet1_1-b8a52dc0.pth", "checkpoints", "curl -L -o"),
    }[arch]
    for part in (file, place, fetch, "REDSTART_OFFLINE", "safetensors'", "pretrained=False"):
        assert part in text
    assert not served[2]


@pytest.mark.parametrize("arch", ["test_vit", "torchvision/squeezenet1_1"])
def test_a_server_out_of_reach_is_asked_once(
    arch: str, served: tuple[Path, str, list], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = "http://127.0.0.1:9"  # nothing listens on the discard port
    point_hub_at(closed, monkeypatch)
    enum = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1
    monkeypatch.setattr(enum, "_value_", dataclasses.replace(enum.value, url=closed + "/w.pth"))
    asked: list[str] = []
    exists = weights._exists
    monkeypatch.setattr(weights, "_exists", lambda url: (asked.append(url), exists(url))[1])
    with pytest.raises(WeightsError, match=r"[Rr]efused.*\(1\).*\(2\).*\(3\)"):
        load_pretrained(body_of(arch), arch, True)
    assert len(asked) == 1


def test_a_file_the_server_does_not_have(served: tuple[Path, str, list]) -> None:
    with pytest.raises(WeightsError, match="server does not have it"):
        load_pretrained(body_of("test_vit"), "test_vit", True)


def test_an_architecture_nobody_published_weights_for() -> None:
    arch = next(n for n in timm.list_models("resnet*") if not timm.is_model_pretrained(n))
    with pytest.raises(WeightsError, match=rf"published weights, which {arch}.*list_pretrained"):
        load_pretrained(nn.Identity(), arch, True)
