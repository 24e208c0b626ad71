"""The architectures that the course names, by those names: ``vision_learner(dls, resnet34)``.

Any other timm name works just as well as text.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "mobilenetv3_large_100",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "squeezenet1_0",
    "vgg16_bn",
    "vgg19_bn",
]

alexnet: Final = "torchvision/alexnet"
convnext_tiny: Final = "convnext_tiny"
densenet121: Final = "densenet121"
efficientnet_b0: Final = "efficientnet_b0"
mobilenetv3_large_100: Final = "mobilenetv3_large_100"
resnet18: Final = "resnet18"
resnet34: Final = "resnet34"
resnet50: Final = "resnet50"
resnet101: Final = "resnet101"
resnet152: Final = "resnet152"
squeezenet1_0: Final = "torchvision/squeezenet1_0"
vgg16_bn: Final = "vgg16_bn"
vgg19_bn: Final = "vgg19_bn"
