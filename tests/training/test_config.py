"""Run configuration: presets, the fit to a data set, refusals."""

from dataclasses import dataclass

import pytest

from gan.config import dumps_yaml, from_dict, override
from gan.errors import UsageError
from gan.networks import ARCHITECTURES, Architecture
from training.config import LossConfig, RunConfig
from training.recipes import fit, load_preset, preset_names


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_and_survives_yaml(name, tmp_path):
    config = fit(load_preset(name), shape=(3, 32, 32), c_dim=0)
    assert config.preset == name and config.generator.resolution == 32
    path = tmp_path / "copy.yaml"
    path.write_text(dumps_yaml(config))
    assert load_preset(str(path)) == config


def test_fit_shapes_both_networks_and_fills_gamma():
    config = fit(RunConfig(batch=32), shape=(1, 64, 64), c_dim=7)
    for network in (config.generator, config.discriminator):
        assert (network.resolution, network.channels, network.c_dim) == (64, 1, 7)
    assert config.loss.r1_gamma == pytest.approx(0.0002 * 64**2 / 32)
    whole = override(RunConfig(batch=48), ["discriminator.mbstd_group=null"])
    assert fit(whole, shape=(3, 8, 8), c_dim=0).discriminator.mbstd_group == 48
    given = override(RunConfig(), ["loss.r1_gamma=5"])
    assert fit(given, shape=(3, 64, 64), c_dim=0).loss.r1_gamma == 5


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("loss.name=logstic", "logistic"),
        ("loss.r1_gama=1", "r1_gamma"),
        ("batch=eight", "batch"),
        ("kimg=0", "kimg"),
        ("loss.style_mixing=2", "style_mixing must be between 0 and 1; got 2"),
        ("loss.r1_gamma=-1", "r1_gamma must be >= 0; got -1"),
        ("loss.r1_gamma={start: 1, end: -2, kimg: 3}", "r1_gamma must be >= 0; got -2"),
        ("loss.r1_interval=0", "r1_interval must be >= 1"),
        ("loss={r2: true, r1_gamma: 0}", "set r1_gamma, or r2 to false"),
        ("loss.gradient_penalty_weight=10", "set r1_gamma to 0"),
        ("loss={blur_sigma: 10, blur_fade_kimg: 0}", "blur_fade_kimg"),
        ("loss.lecam_decay=1.5", "lecam_decay must be between 0 and 1; got 1.5"),
        ("optimizer_g.beta2={start: 0.9, end: 1, kimg: 5}", "below 1"),
        ("optimizer_d.lr=-0.1", "optimizer_d: lr must be >= 0"),
        ("ema.kimg=-1", "ema: kimg must be >= 0"),
        ("generator.c_dim=10", "differ: leave them out"),
        ("generator.type=stylegan9", "stylegan2"),
        ("generator.activation=lrelux", "generator: unknown activation 'lrelux'; did you mean 'lrelu'"),
        (
            "augment.name=adda",
            r"unknown augmentation 'adda'; .* known: ada, diffaugment, none",
        ),
        ("generator.mapping.activation=eval", "generator.mapping: unknown activation 'eval'"),
        ("generator.mapping.layers=0", "generator.mapping: layers must be >= 1"),
        ("generator.z_dim=0", "generator: z_dim must be >= 1"),
        ("generator.channel_max=0", "generator: channel_max must be >= 1"),
        ("generator.resample_filter=[]", "generator: resample_filter needs taps"),
        ("discriminator.mbstd_group=0", "discriminator: mbstd_group must be >= 1"),
    ],
)
def test_mistakes_name_key_and_remedy(assignment, message):
    with pytest.raises(UsageError, match=message):
        override(RunConfig(), [assignment])


@pytest.mark.parametrize("size", [8, 32])
@pytest.mark.parametrize("architecture", ["resnet", "skip", "orig"])
def test_no_more_layers_are_frozen_than_there_are(architecture, size):
    """As many as can be leave the head alone in training; one more is refused."""
    more = [f"discriminator.{key}=4" for key in ("channel_base", "channel_max")]
    config = override(RunConfig(), [*more, f"discriminator.architecture={architecture}"])
    most = fit(config, shape=(3, size, size), c_dim=0).discriminator.most_frozen
    frozen = [
        fit(override(config, [f"discriminator.freeze_layers={n}"]), shape=(3, size, size), c_dim=0)
        for n in (most - 1, most)
    ]
    trained = [{n.split(".")[0] for n, _ in c.discriminator.build().named_parameters()} for c in frozen]
    assert trained == [{"b8", "b4"}, {"b4"}]
    for n in (most + 1, -1):
        typed = override(config, [f"discriminator.freeze_layers={n}"])
        with pytest.raises(UsageError, match=rf"freeze_layers {n} \(--freeze-d\).* {most} convolutions"):
            fit(typed, shape=(3, size, size), c_dim=0)


@dataclass(frozen=True, kw_only=True)
class Plain:
    """Either network, without a style space and without minibatch statistics."""

    type: str = "plain"
    resolution: int = 32
    channels: int = 3
    c_dim: int = 0


def test_networks_without_styles_or_minibatch_statistics(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "plain", Architecture(Plain, Plain))
    config = RunConfig(batch=6, generator=Plain(), discriminator=Plain())
    config = fit(config, shape=(1, 16, 16), c_dim=2)
    assert config.generator == config.discriminator == Plain(resolution=16, channels=1, c_dim=2)


@pytest.mark.parametrize("setting", ["path_length_weight", "style_mixing"])
def test_style_settings_without_a_style_space_are_refused(setting):
    with pytest.raises(ValueError, match=f"loss.{setting} needs a style space.*plain.*set it to 0"):
        RunConfig(generator=Plain(), loss=LossConfig(**{setting: 0.5}))


def test_unknown_preset_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'demo'"):
        load_preset("dmeo")


def test_unknown_key_in_a_file_is_refused():
    with pytest.raises(UsageError, match="batch"):
        from_dict(RunConfig, {"bacth": 3})


@pytest.mark.parametrize(
    ("batch", "group", "resolved"),
    [(1, 4, 1), (2, 4, 2), (3, 4, 3), (6, 4, 3), (8, 4, 4), (6, None, 6), (7, 4, 1)],
)
def test_groups_of_minibatch_statistics_divide_the_batch(batch, group, resolved):
    config = override(RunConfig(), [f"batch={batch}", f"discriminator.mbstd_group={group or 'null'}"])
    assert fit(config, shape=(3, 16, 16), c_dim=0).discriminator.mbstd_group == resolved


def test_gamma_counts_the_pixels_of_wide_images():
    config = fit(RunConfig(batch=32), shape=(3, 16, 32), c_dim=0)
    assert config.loss.r1_gamma == pytest.approx(0.0002 * 512 / 32)
