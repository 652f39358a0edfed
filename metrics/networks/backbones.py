"""Transformers as feature networks: DINOv2 ViT-L/14 (Oquab et al. 2023), CLIP ViT-B/32 (Radford et al. 2021).

Their structure comes from timm and open_clip, which the extra `metrics` installs; their weights are files.
"""

import importlib
from collections.abc import Mapping
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan.errors import UserError, install
from metrics.networks.weights import WeightFile

SIZE = 224  # pixels of a side
DINOV2_FEATURES, CLIP_FEATURES = 1024, 512

# Neither publisher states a digest. What was read is recorded beside every number.
DINOV2_FILE = WeightFile(
    name="dinov2_vitl14_pretrain.pth",
    url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
    sha256="",
    what="dinov2 (1.2 GB)",
)
CLIP_FILE = WeightFile(
    name="open_clip_model.safetensors",
    url="https://huggingface.co/timm/vit_base_patch32_clip_224.openai/resolve/main/open_clip_model.safetensors",
    sha256="",
    what="clip (605 MB)",
)


def installed(package: str, network: str) -> ModuleType:
    """A package of the extra `metrics`, imported. Raises UserError, saying how to install it, if absent."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UserError(f"{network} needs {package}, which is not installed; {install('metrics')}") from error


class Backbone(nn.Module):
    """A frozen network whose output is one vector per image: [N, 3, 224, 224] -> {"pool": [N, D]}."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """[N, 3, 224, 224] -> {"pool": [N, D]}."""
        return {"pool": self.net(x)}


def dinov2(weights: Mapping[str, Tensor]) -> Backbone:
    """The class token after the last norm, 1024 features. weights: the publisher's state dict.

    Raises UserError where timm is absent, RuntimeError for a missing, surplus or misshapen tensor.
    """
    net = installed("timm", "dinov2").create_model(
        "vit_large_patch14_dinov2", pretrained=False, num_classes=0, global_pool="token", img_size=SIZE
    )
    state = {name: tensor for name, tensor in weights.items() if name != "mask_token"}  # for training only
    if "pos_embed" in state:
        state["pos_embed"] = resized_positions(state["pos_embed"], SIZE // 14)
    net.load_state_dict(state)
    return Backbone(net)


def resized_positions(embedding: Tensor, side: int) -> Tensor:
    """Position embeddings [1, 1 + K * K, D] -> [1, 1 + side * side, D], the class token's first.

    Bicubic without antialiasing at the scale (side + 0.1) / K, as DINOv2's published models do at other sizes
    than the one they were trained at.
    """
    grid = round((embedding.shape[1] - 1) ** 0.5)
    token, places = embedding[:, :1], embedding[:, 1:].float()
    if grid != side:
        places = places.reshape(1, grid, grid, -1).permute(0, 3, 1, 2)
        places = F.interpolate(places, scale_factor=(side + 0.1) / grid, mode="bicubic")
        places = places.permute(0, 2, 3, 1).flatten(1, 2)
    return torch.cat([token, places.to(token.dtype)], dim=1)


def clip(weights: Mapping[str, Tensor]) -> Backbone:
    """The image half of OpenAI's ViT-B/32, 512 features, not normalised. weights: in open_clip's names.

    Raises UserError where open_clip is absent, RuntimeError for a missing, surplus or misshapen tensor.
    """
    net = installed("open_clip", "clip").create_model("ViT-B-32-quickgelu", load_weights=False).visual
    prefix = "visual."
    net.load_state_dict({k.removeprefix(prefix): t for k, t in weights.items() if k.startswith(prefix)})
    return Backbone(net.float())
