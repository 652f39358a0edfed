"""Augmentation of what the discriminator sees, by name: `AUGMENTATIONS[config.name](config)(images, p)`."""

from gan.registry import table
from training.augment.diffaugment import DiffAugment
from training.augment.pipe import Pipe

AUGMENTATIONS = table("augmentation", ada=Pipe, diffaugment=DiffAugment)
