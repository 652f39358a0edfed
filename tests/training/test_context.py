"""What a loss sees: the whole batch, what it remembers, features; the same however the batch is split."""

import pytest
import torch

from gan.randomness import Draws
from tests.training.test_parts import assert_same, held, stepped
from tests.training.tiny import configured, files, learned, run_training, tiny_state
from training.context import Context
from training.losses import LOSSES
from training.losses.base import Loss, Term
from training.parts import Part


class Own(Loss):
    """Feature matching over the batch, a running mean of it, and a draw of its own for each sample."""

    def generator(self, context):
        with torch.no_grad():
            real = context.features(context.real, context.c)["b8"].mean(dim=(2, 3))
        fake = context.features(context.fake, context.c_fake)["b8"].mean(dim=(2, 3))
        real, fake = context.whole(real, fake)
        gap = (real.mean(0) - fake.mean(0)).square().sum()
        mean = context.recall("gap", gap.new_zeros([])).lerp(gap, 0.5)
        context.remember("gap", mean)
        noise = context.normal() + context.uniform((2,)).sum(1)
        return {
            **LOSSES["logistic"].generator(context),
            "gap": Term((gap - mean.detach() / 2).square(), weight=3),
            "noise": noise * context.fake.mean(dim=(1, 2, 3)),
        }

    def discriminator(self, context):
        return LOSSES["logistic"].discriminator(context)


@pytest.mark.parametrize("size", [2, 4])
def test_an_own_loss_is_the_same_in_micro_batches(size):
    (whole, terms), (parts, found) = stepped(loss=Own()), stepped(f"micro_batch={size}", loss=Own())
    assert "gap" in whole.memory and set(terms[0]) >= {"gap", "noise", "loss/g", "loss/d"}
    assert_same(held(parts), held(whole))
    for one, other in zip(terms, found, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-6)


def test_an_own_loss_is_the_same_in_two_processes(ranks):
    said = ranks("training/two_own_losses.py")
    assert "as in one process" in said


def test_an_own_loss_goes_on_bit_for_bit(tiny_zip, tmp_path):
    straight = run_training(configured(tiny_zip, "kimg=0.016"), out=tmp_path / "a", loss=Own())
    half = run_training(configured(tiny_zip, "kimg=0.008"), out=tmp_path / "b", loss=Own())
    rest = run_training(configured(tiny_zip, "kimg=0.016"), out=tmp_path / "b", resume=half, loss=Own())
    assert files(straight, "000000.016") == files(rest, "000000.016")
    assert b"memory.gap" in files(rest, "000000.016")["training.safetensors"]


def test_the_mean_of_the_batch_is_no_mean_of_a_part():
    """Where every part matched its own mean alone, the gap would be larger."""

    class Naive(Own):
        def generator(self, context):
            context.whole = lambda *values: values
            context._asked = 1
            return super().generator(context)

    right, wrong = (stepped("micro_batch=2", loss=loss)[1][0]["gap"] for loss in (Own(), Naive()))
    assert wrong > 1.01 * right


WHOLE = Part(0, 1, 4)


def context(state, part=WHOLE, **options):
    arguments = {"role": "generator", "real": torch.rand(len(part), 3, 8, 8), "c": None, "c_fake": None}
    return Context(state, part, draws=Draws(0, 0, part.samples), **{**arguments, **options})


def test_one_number_of_a_part_is_refused():
    one = context(tiny_state())
    with pytest.raises(ValueError, match=r"the term gap has shape \[\]: return one value per sample \[4\]"):
        one.objective({"gap": torch.tensor(1.0)})
    with pytest.raises(ValueError, match=r"shape \[3\]"):
        one.objective({"gap": torch.ones(3)})
    (values,) = one.whole(torch.arange(4.0))
    assert one.objective({"gap": Term(values.sum(), 2), "seen": Term(torch.ones(7), 0)}) == 12


def test_weights_of_terms_by_what_they_cover():
    part = Part(1, 4, 8)  # two of eight samples
    one = context(tiny_state("batch=8"), part, wholes=[(torch.arange(8.0),)])
    (whole,) = one.whole(torch.tensor([1.0, 5.0]))
    assert one.objective({"per sample": torch.tensor([2.0, 4.0])}) == 3 / 4
    assert one.objective({"of all": whole}) == 3.5


def test_features_are_what_the_blocks_make_and_leave_no_hook():
    state = tiny_state()
    state.generator.requires_grad_(True)
    one = context(state)
    found = one.features(one.fake, None)
    assert list(found) == ["b8"] and found["b8"].shape[0] == 4 and found["b8"].requires_grad
    assert torch.equal(one.features(one.real, None)["b8"], one.features(one.real, None)["b8"])
    assert not any(m._forward_hooks for m in state.discriminator.modules())


def test_what_is_not_finite_is_not_remembered():
    class Breaking(Loss):
        def generator(self, context):
            return LOSSES["logistic"].generator(context)

        def discriminator(self, context):
            context.remember("good", torch.tensor(1.0))
            context.remember("bad", torch.tensor([1.0, torch.nan]))
            return LOSSES["logistic"].discriminator(context)

    state = tiny_state()
    state.loss, state.memory = Breaking(), {"bad": torch.zeros(2)}
    learned(state, "d", torch.rand(4, 3, 8, 8))
    assert state.memory["good"] == 1 and torch.equal(state.memory["bad"], torch.zeros(2))


def test_a_generator_step_leaves_the_discriminator_alone_and_the_other_way_round():
    state = tiny_state()
    for role, network, other in (
        ("generator", state.generator, state.discriminator),
        ("discriminator", state.discriminator, state.generator),
    ):
        network.requires_grad_(True)
        one = context(state, role=role)
        (one.fake_logits.sum() + one.real_logits.sum()).backward()
        assert any(p.grad is not None for p in network.parameters())
        assert all(p.grad is None for p in other.parameters())
        network.requires_grad_(False)
        network.zero_grad(set_to_none=True)
