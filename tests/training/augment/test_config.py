"""AugmentConfig: policies, refusals."""

import pytest

from gan.config import from_dict
from gan.errors import UsageError
from training.augment.config import TRANSFORMS, AugmentConfig


def test_policies():
    assert AugmentConfig().transforms == {}
    assert len(AugmentConfig(name="ada").transforms) == 12  # bgc
    assert set(AugmentConfig(name="ada", policy="bgcfnc").transforms) == set(TRANSFORMS)
    assert AugmentConfig(name="ada", policy="blit, hue=0.5,xint=2").transforms == {
        "xflip": 1,
        "rotate90": 1,
        "xint": 2,
        "hue": 0.5,
    }
    assert set(AugmentConfig(name="diffaugment").transforms) == {"color", "translation", "cutout"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "ada", "policy": "bgc,xflp"}, "did you mean 'xflip'"),
        ({"name": "diffaugment", "policy": "translate"}, "did you mean 'translation'"),
        ({"name": "ada", "policy": "hue=big"}, "factor >= 0"),
        ({"name": "ada", "policy": "hue=-1"}, "factor >= 0"),
        ({"name": "ada", "p": 1.5}, "p is a probability"),
        ({"name": "ada", "p": "adaptve"}, "p"),
        ({"name": "diffaugment", "p": 0.5}, "p is for ada"),
        ({"name": "ada", "interval": 0}, "interval >= 1"),
        ({"name": "ada", "max": 1.2}, "max in"),
        ({"strengths": {"hue_max": -0.1}}, "augment.strengths: hue_max must be >= 0; got -0.1"),
        ({"strengths": {"imgfilter_bands": [1, 1, -1, 1]}}, "imgfilter_bands must be >= 0"),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(UsageError, match=message):
        from_dict(AugmentConfig, settings, "augment")


def test_p():
    assert from_dict(AugmentConfig, {"name": "ada", "p": 0.25}).p == 0.25
    assert AugmentConfig(name="ada").adaptive
    assert not AugmentConfig(name="ada", p=0.25).adaptive
    assert not AugmentConfig(name="diffaugment").adaptive


@pytest.mark.parametrize(
    ("policy", "shape", "message"),
    [
        ("bgcf", (3, 22, 21), "22x21; choose a policy without it"),
        ("bgc", (2, 64, 64), "brightness, contrast, hue, lumaflip, saturation need images of 1 channel"),
    ],
)
def test_images_that_a_policy_cannot_take(policy, shape, message):
    with pytest.raises(ValueError, match=message):
        AugmentConfig(name="ada", policy=policy).check(*shape)


def test_images_that_a_policy_can_take():
    AugmentConfig(name="ada", policy="bgcfnc").check(1, 22, 30)
    AugmentConfig(name="ada", policy="bgc").check(4, 4, 8)
    AugmentConfig(name="ada", policy="bg").check(2, 4, 4)
    with pytest.raises(ValueError, match="color need"):
        AugmentConfig(name="diffaugment").check(2, 4, 4)
