from __future__ import annotations

import json
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from redstart.errors import ConfigError
from redstart.nn.init import body_and_head, norm_or_bias
from redstart.rng import forked
from redstart.vision.models import arch_name, backbone_config, build_classifier, fixed_size

SLOW = pytest.mark.slow


def build(arch: str, n_out: int = 3, **arguments: Any) -> nn.Sequential:
    with forked(0):
        return build_classifier(arch, n_out, **arguments).eval()


def zeros(n_in: int, *size: int) -> Tensor:
    return torch.zeros(2, n_in, *size)


@pytest.mark.parametrize(
    ("arch", "n_in", "size", "features"),
    [
        ("resnet18", 3, (64, 64), (512, 2, 2)),
        ("mobilenetv2_100", 4, (64, 96), (1280, 2, 3)),
        ("mobilenetv3_small_050", 1, (64, 64), (1024,)),  # its classifier expects pooled input
        ("convnext_atto", 3, (64, 64), (320, 2, 2)),
        ("test_vit", 1, (96, 96), (64,)),
        pytest.param("vit_tiny_patch16_224", 3, (64, 64), (192,), marks=SLOW),
        pytest.param("swin_tiny_patch4_window7_224", 3, (64, 64), (768,), marks=SLOW),
        pytest.param("edgenext_xx_small", 3, (64, 64), (168, 2, 2), marks=SLOW),
        pytest.param("levit_128s", 3, (96, 96), (384,), marks=SLOW),
        pytest.param("repvgg_a0", 2, (64, 64), (1280, 2, 2), marks=SLOW),
        pytest.param("densenet121", 3, (64, 64), (1024, 2, 2), marks=SLOW),
        pytest.param("efficientnet_b0", 3, (64, 64), (1280, 2, 2), marks=SLOW),
        pytest.param("regnetx_002", 3, (64, 64), (368, 2, 2), marks=SLOW),
        pytest.param("deit_tiny_distilled_patch16_224", 3, (64, 64), (192,), marks=SLOW),
        pytest.param("mixer_s32_224", 3, (64, 64), (512,), marks=SLOW),
        pytest.param("xcit_nano_12_p16_224", 3, (64, 64), (128,), marks=SLOW),
        pytest.param("maxvit_rmlp_pico_rw_256", 3, (64, 64), (256, 2, 2), marks=SLOW),
        pytest.param("ghostnet_050", 3, (64, 64), (1280,), marks=SLOW),
        pytest.param("hgnet_tiny", 3, (64, 64), (2048,), marks=SLOW),
        pytest.param("vgg11", 3, (64, 64), (4096,), marks=SLOW),
        pytest.param("eca_nfnet_l0", 3, (64, 64), (2304, 2, 2), marks=SLOW),
        ("torchvision/resnet18", 1, (64, 64), (512, 2, 2)),
        pytest.param("torchvision/densenet121", 3, (64, 64), (1024, 2, 2), marks=SLOW),
        ("torchvision/squeezenet1_0", 3, (64, 64), (512, 3, 3)),
        pytest.param("torchvision/mobilenet_v3_small", 5, (64, 64), (576, 2, 2), marks=SLOW),
        pytest.param("torchvision/vit_b_32", 1, (64, 64), (768,), marks=SLOW),
    ],
)
def test_a_body_gives_a_map_or_a_vector_and_the_head_fits(
    arch: str, n_in: int, size: tuple[int, int], features: tuple[int, ...]
) -> None:
    model = build(arch, n_in=n_in, size=size)
    with torch.no_grad():
        out = model[0](zeros(n_in, *size))
        assert model(zeros(n_in, *size)).shape == (2, 3)
    assert tuple(out.shape[1:]) == features
    assert isinstance(model[1][-1], nn.Linear)
    groups = body_and_head(model)
    assert sum(len(g) for g in groups) == len(list(model.parameters()))
    assert len(groups) == 3


SEQUENCES = ["googlenet", "regnet_y_400mf", "mobilenet_v2", "densenet121", "mnasnet0_5"]


@pytest.mark.parametrize(
    "name",
    ["resnet18", "shufflenet_v2_x0_5", *(pytest.param(n, marks=SLOW) for n in SEQUENCES)],
)
def test_a_cut_torchvision_body_computes_what_the_whole_model_pools(name: str) -> None:
    extra = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with forked(1):
        whole = torchvision.models.get_model(name, **extra).eval()
    body = build("torchvision/" + name)[0]
    body.load_state_dict(whole.state_dict(), strict=False)
    linear = [m for m in whole.modules() if isinstance(m, nn.Linear)][-1]
    seen: list[Tensor] = []
    linear.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole(x)
        torch.testing.assert_close(body(x).mean((2, 3)), seen[0])


def test_json_arguments_rebuild_the_same_structure() -> None:
    arguments = {"arch": "test_vit", "n_out": 4, "n_in": 1, "size": [96, 96], "head": {"ps": 0.1}}
    a, b = (build(**json.loads(json.dumps(arguments))) for _ in range(2))
    assert repr(a) == repr(b)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_building_measures_without_drawing_random_numbers_for_it() -> None:
    with forked(3):
        body = timm.create_model("resnet18", num_classes=0, global_pool="")
    with forked(3):
        ours = build_classifier("resnet18", 2)[0]
    assert torch.equal(body.layer1[0].conv1.weight, ours.layer1[0].conv1.weight)


def test_head_arguments_reach_the_head() -> None:
    head = build("resnet18", head={"lin_ftrs": [16], "ps": 0.5, "pool": "concat"})[1]
    assert [m.in_features for m in head if isinstance(m, nn.Linear)] == [1024, 16]


def test_class_tokens_and_positions_are_not_decayed() -> None:
    model = build("test_vit")
    found = norm_or_bias(model)
    assert {id(model[0].pos_embed), id(model[0].cls_token)} <= found
    assert id(model[0].blocks[0].attn.qkv.weight) not in found


def test_resnet18_is_cut_between_its_second_and_third_stage() -> None:
    model = build("resnet18")
    early, late, _ = body_and_head(model)
    assert late[0] is model[0].layer3[0].conv1.weight
    assert early[-1] is model[0].layer2[1].bn2.bias


def test_names_of_constructors() -> None:
    assert arch_name("resnet18.a1_in1k") == "resnet18.a1_in1k"
    assert arch_name(torchvision.models.resnet34) == "torchvision/resnet34"
    assert arch_name(timm.models.resnet34) == "resnet34"
    with pytest.raises(ConfigError, match=r"classifier's constructor.*ResNet.*'resnet34'"):
        arch_name(torchvision.models.ResNet)
    with pytest.raises(ConfigError, match="segmentation"):
        arch_name(torchvision.models.segmentation.fcn_resnet50)


@pytest.mark.parametrize(
    ("arch", "match"),
    [
        ("resnet1", r"arch='resnet1'.*Did you mean resnet18"),
        ("mobilenet_v2", "Did you mean torchvision/mobilenet_v2"),
        ("torchvision/resnet35", "torchvision/resnet34"),
        ("resnet18.nope", "Did you mean .*resnet18.a1_in1k"),
        ("xyzzy", r"'xyzzy'. `timm.list_models"),
    ],
)
def test_unknown_names_get_close_matches(arch: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        build(arch)


def test_sizes_an_architecture_cannot_take() -> None:
    with pytest.raises(ConfigError, match=r"efficientformer_l1.*size=\(160, 160\).*224 by 224"):
        build("efficientformer_l1", size=(160, 160))
    with pytest.raises(ConfigError, match=r"vit_b_32.*size=\(64, 96\).*square"):
        build("torchvision/vit_b_32", size=(64, 96))


def test_head_arguments_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match=r"head=\['dropout'\]"):
        build("resnet18", head={"dropout": 0.1})
    with pytest.raises(ConfigError, match=r"pooling that fits.*test_vit.*pool='avg'"):
        build("test_vit", head={"pool": "avg"})


def test_which_architectures_take_one_size() -> None:
    assert fixed_size("vit_tiny_patch16_224") == (224, 224)
    assert fixed_size("test_vit") == (160, 160)
    assert fixed_size("torchvision/vit_b_16") == (224, 224)
    assert fixed_size("resnet18") is None
    assert fixed_size("torchvision/resnet34") is None


def test_preprocessing_is_the_backbones_own() -> None:
    vit, resnet = backbone_config("vit_tiny_patch16_224"), backbone_config("torchvision/resnet34")
    assert (vit.mean, vit.crop_pct, vit.interpolation) == ((0.5, 0.5, 0.5), 0.9, "bicubic")
    assert (resnet.mean, resnet.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert (resnet.input_size, resnet.crop_pct, resnet.interpolation) == (
        (224, 224), 0.875, "bilinear",
    )  # fmt: skip
    assert backbone_config("torchvision/inception_v3").mean == (0.5, 0.5, 0.5)
    with pytest.raises(ConfigError, match="resnet1"):
        backbone_config("resnet1")
