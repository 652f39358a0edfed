"""Augmentation of what the discriminator sees: `AUGMENTATIONS[config.name](config)(images, p, draws)`.

p: probability.  draws: random numbers of the images, see `gan.randomness.Draws`.
"""

from gan.registry import table
from training.augment.diffaugment import DiffAugment
from training.augment.pipe import Pipe

AUGMENTATIONS = table("augmentation", ada=Pipe, diffaugment=DiffAugment)
