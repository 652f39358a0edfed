"""Feature networks that discriminators of a model saw: found in what a checkpoint tells, and marked."""

import pytest

from gan.models.seen import by, mark, of_config, united

LITE0 = {"network": "efficientnet-lite0", "sha256": "a0"}
LITE1 = {"network": "efficientnet-lite1", "sha256": "b1"}
PROJECTED = {"type": "projected", "backbone": "efficientnet-lite1", "weights_sha256": "b1"}


def test_none_the_present_one_and_nothing_known():
    assert of_config({"discriminator": {"type": "stylegan2"}}) == []
    assert of_config({"discriminator": PROJECTED}) == [LITE1]
    assert of_config({"generator": {}}) is None


def test_earlier_phases_and_models_count():
    """Two phases back it was another file of another network; the model that it started from had a third."""
    changes = [
        {"field": "discriminator.backbone", "old": "efficientnet-lite0", "new": "efficientnet-lite1"},
        {"field": "discriminator.weights_sha256", "old": "a0", "new": "b1"},
    ]
    phases = [
        {"kimg": 1, "changes": changes},
        {"kimg": 2, "changes": [{"field": "batch", "old": 4, "new": 8}]},
    ]
    third = {"network": "torchvision:resnet18", "sha256": "c2"}
    config = {"discriminator": PROJECTED, "phases": phases, "features_seen": [third, LITE0]}
    assert of_config(config) == [LITE1, LITE0, third]
    assert united([LITE0], None, [LITE1, LITE0]) == [LITE0, LITE1]


@pytest.mark.parametrize(
    ("detector", "digest", "want"),
    [
        ("another", "b1", True),  # the same weights under another name
        ("efficientnet-lite1", "ff", True),  # the same network from another file
        ("efficientnet-lite1-bf16", "ff", True),
        ("efficientnet-lite0", "a0", False),
        (None, None, False),  # of no network
    ],
)
def test_the_same_weights_or_the_same_name(detector, digest, want):
    record = {"detector": detector, "detector_sha256": digest}
    assert by(record, [LITE1]) is want and by(record, []) is False and by(record, None) is None


def test_names_of_libraries():
    seen = [{"network": "timm:tf_efficientnet_lite1", "sha256": "x"}]
    assert by({"detector": "efficientnet-lite1", "detector_sha256": "y"}, seen)
    assert not by({"detector": "efficientnet-lite0", "detector_sha256": "y"}, seen)


def test_every_record_names_what_was_seen():
    records = [{"detector": "efficientnet-lite1", "detector_sha256": "b1"}, {"detector": None}]
    mark(records, [LITE1])
    assert [r["seen_by_d"] for r in records] == [True, False]
    assert [r["d_features"] for r in records] == [[LITE1]] * 2
    mark(records, None)
    assert records[0]["seen_by_d"] is None and records[0]["d_features"] is None
