"""Equivariance: operators against closed forms, and generators that are or are not equivariant."""

import math

import pytest
import torch

from gan.errors import UserError
from gan.networks.stylegan2 import MappingConfig
from gan.networks.stylegan3 import Generator, GeneratorConfig
from metrics import equivariance as eq
from metrics import evaluate

WAVES = torch.tensor([[2.0, 1.0], [-1.0, 3.0], [0.5, -2.5], [4.0, 0.0]], dtype=torch.float64)  # per width


def waves(z, matrix, size=64):
    """An equivariant generator: a sum of low waves with phases z [N, 4], looked up through the matrix."""
    steps = (torch.arange(size, dtype=torch.float64) + 0.5) / size - 0.5
    places = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)  # (x, y)
    matrix = matrix.double()
    places = places @ matrix[:2, :2].T + matrix[:2, 2]
    phases = places @ WAVES.T + z.double()[:, None, None]  # [N, H, W, 4]
    return (2 * math.pi * phases).sin().mean(-1)[:, None]


def sticky(z, matrix):
    """Its picture moves, but half of it is a texture that stays with the pixels."""
    texture = torch.randn(64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (waves(z, matrix) + texture.clamp(-1, 1)) / 2


def batches(count):
    return [torch.rand(2, 4) for _ in range(count)]


def test_a_generator_of_waves_is_equivariant():
    scores = eq.equivariance(waves, batches(3))
    assert list(scores) == ["eq-t", "eq-t-frac", "eq-r"]
    assert scores["eq-t"] > 120  # exact but for the float32 matrix
    assert scores["eq-t-frac"] > 45 and scores["eq-r"] > 40


def test_sticking_texture_and_ignored_transforms_score_low():
    z = batches(3)
    good, stuck = eq.equivariance(waves, z), eq.equivariance(sticky, z)
    deaf = eq.equivariance(lambda z, matrix: waves(z, torch.eye(3)), z)
    for name in good:
        assert deaf[name] < 20 < good[name] and stuck[name] < 20


def test_the_wrong_direction_is_noticed():
    wrong = eq.equivariance(lambda z, matrix: waves(z, torch.linalg.inv(matrix)), batches(3))
    assert max(wrong.values()) < 25


def test_seeded_and_sums_add_up():
    z = batches(4)
    assert eq.equivariance(sticky, z, seed=1) == eq.equivariance(sticky, z, seed=1)
    assert eq.equivariance(sticky, z, ["eq-t"], seed=1) != eq.equivariance(sticky, z, ["eq-t"], seed=2)
    parts = [
        eq.squared_errors(sticky, x, sticky(x, torch.eye(3)), "eq-t-frac", 0.125, [0, i])
        for i, x in enumerate(z)
    ]
    whole = eq.SquaredErrors(sum(p.total for p in parts), sum(p.count for p in parts))
    assert eq.equivariance(sticky, z, ["eq-t-frac"]) == {"eq-t-frac": whole.decibels}


def stylegan3(c_dim: int = 0, **options) -> Generator:
    """A tiny generator of 16 pixels; configuration T unless `options` say otherwise."""
    torch.manual_seed(0)
    config = GeneratorConfig(
        resolution=16,
        z_dim=8,
        w_dim=8,
        c_dim=c_dim,
        channel_base=256,
        channel_max=16,
        layers=6,
        mapping=MappingConfig(layers=2),
        **options,
    )
    return config.build().eval()


CONFIGURATIONS = {"t": {}, "r": {"conv_kernel": 1, "radial_filters": True}}


def of_model(generator, measure, **options):
    return eq.decibels_of(eq.errors_of_model(generator, measure, **options))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_an_untrained_stylegan3_is_equivariant(name):
    """Both to shifts; only R, whose convolutions see no neighbours, to turns."""
    generator = stylegan3(**CONFIGURATIONS[name])
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    counts = []
    found = {
        measure: of_model(generator, measure, samples=5, batch=2, progress=counts.append)
        for measure in ("eq-t", "eq-t-frac", "eq-r")
    }
    assert found["eq-t"] > 60 and found["eq-t-frac"] > 50 and (found["eq-r"] > 50) == (name == "r")
    assert counts == [2, 2, 1] * 3
    assert all(torch.equal(before[key], value) for key, value in generator.state_dict().items())


def test_aliasing_inside_the_network_shows():
    """Without the low-pass filters of its layers the same network scores less."""
    generator = stylegan3()
    good = of_model(generator, "eq-t-frac", samples=4)
    for name, f in generator.synthesis.named_buffers():
        if name.endswith("down_filter"):
            f.copy_(torch.zeros_like(f).index_fill_(0, torch.tensor(len(f) // 2), 1))
    assert of_model(generator, "eq-t-frac", samples=4) < good - 8


def test_named_metrics_and_models_that_cannot_be_moved(tiny_generator):
    generator = stylegan3(c_dim=3)
    options = {"num_fakes": 4, "seed": 2}
    found = evaluate([], [], ["eq-t", "eq-r"], generator=generator, variant="psi0.5", **options)
    assert [record["label"] for record in found] == ["eq-t[4]", "eq-r[4]"]
    assert found[0]["value"] == of_model(generator, "eq-t", samples=4, seed=2)
    assert found[0]["convention"] == "karras-2021" and found[0]["detector"] is None
    with pytest.raises(UserError, match="eq-t-frac needs a model whose input can be moved"):
        evaluate([], [], ["eq-t-frac"], generator=tiny_generator)
    with pytest.raises(UserError, match="eq-t needs a model, not only its images"):
        evaluate([], [], ["eq-t"])


def test_a_constant_picture_has_no_score():
    generator = stylegan3()
    generator.synthesis.output_scale = 0.0
    with pytest.raises(UserError, match="eq-t: images without a difference"):
        evaluate([], [], ["eq-t"], generator=generator, num_fakes=4)


def test_only_square_images():
    with pytest.raises(ValueError, match="8x16 pixels: square"):
        eq.equivariance(lambda z, matrix: torch.zeros(len(z), 3, 8, 16), batches(1))


def test_decibels():
    assert eq.SquaredErrors(4.0, 1).decibels == 0 and eq.SquaredErrors(0.04, 1).decibels == pytest.approx(20)
    assert eq.SquaredErrors(0.0, 5).decibels == math.inf and math.isnan(eq.SquaredErrors(0.0, 0).decibels)


def test_unknown_measure():
    with pytest.raises(KeyError, match="eq-x"):
        eq.equivariance(waves, batches(1), ["eq-x"])


@pytest.mark.parametrize(("tx", "ty"), [(0.25, 0.0), (-0.25, 0.5), (0.0, -1.0), (2.0, 0.0)])
def test_whole_pixels_move_the_same_either_way(tx, ty):
    x = torch.randn(2, 3, 8, 8)
    whole, mask = eq.translate_integer(x, tx, ty)
    fractional, inner = eq.translate_fractional(x, tx, ty)
    torch.testing.assert_close(fractional, whole)
    assert (inner <= mask).all()
    dx, dy = int(8 * tx), int(8 * ty)
    for row in range(8):
        for column in range(8):
            inside = 0 <= row - dy < 8 and 0 <= column - dx < 8
            assert mask[0, 0, row, column] == inside
            want = x[:, :, row - dy, column - dx] if inside else torch.zeros(2, 3)
            assert torch.equal(whole[:, :, row, column], want)


def test_fractional_shift_of_a_low_wave():
    z = torch.rand(1, 4)
    moved, mask = eq.translate_fractional(waves(z, torch.eye(3)), 0.11, -0.07)
    want = waves(z, eq.shift(-0.11, 0.07))
    assert ((moved - want) * mask).abs().max() < 1e-2 and mask.mean() > 0.6


@pytest.mark.parametrize("angle", [0.0, math.pi / 2, -math.pi / 2, math.pi])
def test_quarter_turns_are_anticlockwise_and_nearly_exact(angle):
    x = waves(torch.rand(1, 4), torch.eye(3))
    turned, mask = eq.rotate(x, angle)
    want = torch.rot90(x, round(angle / (math.pi / 2)), dims=(2, 3))
    assert ((turned - want) * mask).abs().max() < 2e-2 and mask.mean() > 0.4


def test_the_band_limit_filter_keeps_constants():
    f = eq.band_limit(0.7, 4, 6).double()
    phases = torch.nn.functional.pad(f, (0, 1, 0, 1)).view(12, 4, 12, 4).sum((0, 2))
    torch.testing.assert_close(phases, torch.full((4, 4), 1 / 16, dtype=torch.float64), rtol=1e-6, atol=0)
    assert f.shape == (47, 47) and eq.band_limit(0.7, 1, 12).shape == (23, 23)
    middle, mask = eq.pseudo_rotate(torch.ones(1, 1, 40, 40), 0.7)
    assert middle[0, 0, 20, 20] == pytest.approx(1, abs=1e-6) and mask.sum() == 30 * 30
