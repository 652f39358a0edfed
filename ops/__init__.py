"""Operators of StyleGAN networks; each is defined in the file of its name."""

from ops import random
from ops.affine import affine
from ops.bias_act import bias_act
from ops.conv2d_resample import conv2d_resample
from ops.filtered_lrelu import filtered_lrelu
from ops.grid_sample import grid_sample
from ops.modulated_conv2d import modulated_conv2d, prenormalized_modulated_conv2d
from ops.scale_bias_act import scale_bias_act
from ops.spectral_norm import sigma, spectral_norm
from ops.upfirdn2d import downsample2d, filter2d, setup_filter, upfirdn2d, upsample2d

__all__ = [
    "affine",
    "bias_act",
    "conv2d_resample",
    "downsample2d",
    "filter2d",
    "filtered_lrelu",
    "grid_sample",
    "modulated_conv2d",
    "prenormalized_modulated_conv2d",
    "random",
    "scale_bias_act",
    "setup_filter",
    "sigma",
    "spectral_norm",
    "upfirdn2d",
    "upsample2d",
]
