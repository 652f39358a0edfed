"""Styles and demodulation of all layers at once: the definition's values, and derivatives of both orders."""

import pytest
import torch

from ops.modulation import Layer, _Modulations, demodulation, modulation_ref, modulations

SHAPES = {  # channels in, channels out of each layer, None of one that is not demodulated; their places in w
    "alike": [(4, 3, 0), (4, 3, 1), (4, 3, 1), (4, None, 2), (4, 3, 2)],
    "mixed": [(4, 3, 0), (3, None, 1), (3, 5, 1), (4, 3, 2)],
    "without weights": [(4, None, 0), (4, None, 1)],
}


def layers(shapes, dtype=torch.float64, kernel=(3, 3)):
    """Layers of those shapes, and their tensors that a gradient is asked of."""
    ws = [torch.randn(2, 6, dtype=dtype, requires_grad=True) for _ in range(3)]
    found = []
    for fan_in, fan_out, place in shapes:
        affine = torch.randn(fan_in, 6, dtype=dtype, requires_grad=True)
        bias = torch.ones(fan_in, dtype=dtype, requires_grad=True)
        weight = None if fan_out is None else torch.randn(fan_out, fan_in, *kernel, dtype=dtype)
        found.append(Layer(ws[place], affine, bias, weight if weight is None else weight.requires_grad_()))
    return found


def flat(found):
    return [tensor for column in zip(*found, strict=True) for tensor in column]


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_each_layer_is_that_of_the_paper(shapes, close):
    """Equation 1 and 3, sample by sample."""
    given = layers(shapes)
    for layer, found in zip(given, modulations(given), strict=True):
        styles = layer.w @ layer.affine.T + layer.bias
        close(found.styles, styles)
        if layer.weight is None:
            assert found.scale is None and found.weight is None
            continue
        scaled = layer.weight * styles[:, None, :, None, None]
        close(found.scale, 1 / (scaled.square().sum(dim=(2, 3, 4)) + 1e-8).sqrt())
        close(found.scale, demodulation(layer.weight, styles))
        assert torch.equal(found.weight, layer.weight)


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_derivatives_of_both_orders(shapes):
    found = layers(shapes, kernel=(2, 1))
    tensors = [t for t in flat(found) if t is not None]
    count = len(found)

    def compute(*given):
        rest = iter(given)
        return _Modulations.apply(count, *(None if t is None else next(rest) for t in flat(found)))

    assert torch.autograd.gradcheck(compute, tensors, rtol=1e-6)
    assert torch.autograd.gradgradcheck(compute, tensors, rtol=1e-6)


@pytest.mark.parametrize("asked", ["ws", "affine", "weights"])
def test_only_what_is_asked_for(asked, close):
    """Gradients of some arguments alone are those of the definition."""
    found = layers(SHAPES["mixed"])
    for layer in found:
        for name, tensor in layer._asdict().items():
            if tensor is not None:
                tensor.requires_grad_({"w": "ws", "weight": "weights"}.get(name, "affine") == asked)
    leaves = list({id(t): t for t in flat(found) if t is not None and t.requires_grad}.values())
    grads = []
    for compute in (_Modulations.apply, modulation_ref):
        torch.manual_seed(1)
        pulled = sum((r * torch.randn_like(r)).sum() for r in compute(len(found), *flat(found)))
        grads.append(torch.autograd.grad(pulled, leaves))
    for got, want in zip(*grads, strict=True):
        close(got, want)


def test_gradients_of_weights_have_the_layout_of_weights(close):
    """A convolution in channels_last hands back one in its own, which would be copied later."""
    [layer] = layers([(4, 3, 0)], torch.float32)
    [found] = modulations([layer])
    dweight = torch.randn(3, 4, 3, 3).contiguous(memory_format=torch.channels_last)
    want = torch.autograd.grad(modulation_ref(1, *layer)[1].sum(), layer.weight)[0] + dweight
    (got,) = torch.autograd.grad([found.scale, found.weight], layer.weight, [torch.ones(2, 3), dweight])
    close(got, want)
    assert got.is_contiguous()


def test_other_ways_to_differentiate_take_the_definition(monkeypatch, close):
    found = layers(SHAPES["mixed"], torch.float32)
    want = modulations(found)
    monkeypatch.setattr(_Modulations, "apply", None)
    with torch.autocast("cpu", torch.bfloat16):
        assert modulations(found)[0].styles.dtype == torch.bfloat16
    first = found[0]

    def scale(w):
        return modulations([first._replace(w=w), *found[1:]])[0].scale

    close(torch.func.vmap(scale)(first.w[:, None])[:, 0], want[0].scale)
