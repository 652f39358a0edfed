"""Mapping network: z and class label -> w (Karras et al. 2019, section 2), with truncation."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan.config import positive
from gan.networks.blocks import exact
from gan.networks.layers import Linear, check_activation, normalize_2nd_moment


@dataclass(frozen=True, kw_only=True)
class MappingConfig:
    """Shape and learning rate of a mapping network.

    layers: fully connected layers.  embed_features: width of the label's embedding (None: w_dim).
    layer_features: hidden width (None: w_dim).  lr_multiplier: their relative learning rate.
    w_avg_beta: decay per batch of the running mean of w, used by truncation.
    """

    layers: int = 8
    embed_features: int | None = None
    layer_features: int | None = None
    activation: str = "lrelu"
    lr_multiplier: float = 0.01
    w_avg_beta: float = 0.998

    def __post_init__(self) -> None:
        check_activation(self.activation)
        positive(self, "layers", "embed_features", "layer_features")


class MappingNetwork(nn.Module):
    """z [N, z_dim], c [N, c_dim] -> ws [N, num_ws, w_dim], or [N, w_dim] where num_ws is None.

    z_dim or c_dim may be 0; the input is then not used and may be None. With num_ws None there is no
    running mean and no truncation (the discriminator's label network).
    """

    w_avg: Tensor

    def __init__(self, config: MappingConfig, *, z_dim: int, c_dim: int, w_dim: int, num_ws: int | None):
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim, self.num_ws = z_dim, c_dim, w_dim, num_ws
        self.w_avg_beta = config.w_avg_beta
        embed = (config.embed_features or w_dim) if c_dim else 0
        hidden = config.layer_features or w_dim
        if c_dim:
            self.embed = Linear(c_dim, embed)
        widths = [z_dim + embed] + [hidden] * (config.layers - 1) + [w_dim]
        self.layers: list[str] = [f"fc{i}" for i in range(config.layers)]
        for name, fan_in, fan_out in zip(self.layers, widths[:-1], widths[1:], strict=True):
            layer = Linear(fan_in, fan_out, activation=config.activation, lr_multiplier=config.lr_multiplier)
            self.add_module(name, layer)
        if num_ws is not None:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def w(self, z: Tensor | None, c: Tensor | None = None) -> Tensor:
        """[N, w_dim], one per sample, not truncated. ValueError when a label is missing."""
        parts = [normalize_2nd_moment(z)] if self.z_dim else []
        if self.c_dim:
            if c is None:
                raise ValueError(f"this network is conditional: give c, one-hot labels [N, {self.c_dim}]")
            parts.append(normalize_2nd_moment(self.embed(c.to(self.embed.bias.dtype))))
        x = torch.cat(parts, dim=1)
        for name in self.layers:
            x = getattr(self, name)(x)
        return x

    def forward(
        self, z: Tensor | None, c: Tensor | None = None, psi: float = 1.0, psi_cutoff: int | None = None
    ) -> Tensor:
        """One w per layer; layers before `psi_cutoff` (None: all) become w_avg + psi * (w - w_avg)."""
        w = self.w(z, c)
        if self.num_ws is None:
            return w
        ws = w[:, None].repeat(1, self.num_ws, 1)  # [N, num_ws, w_dim]
        if psi != 1:
            ws[:, :psi_cutoff] = self.w_avg.lerp(ws[:, :psi_cutoff], psi)
        return ws

    @torch.no_grad()
    def update_w_avg(self, w: Tensor) -> None:
        """Move the running mean towards this batch: w [N, w_dim]."""
        self.w_avg.copy_(exact(w.detach()).mean(dim=0).lerp(self.w_avg, self.w_avg_beta))
