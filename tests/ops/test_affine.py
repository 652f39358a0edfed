"""Rows times a matrix: as torch has it, and where images are drawn the same bits in any place and company."""

import pytest
import torch
import torch.nn.functional as F

from ops import affine

SHAPES = [(2, 3), (3, 8), (8, 17), (11, 128), (64, 3), (128, 128), (512, 64)]


@pytest.mark.parametrize("drawing", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_as_torch_has_it(drawing, biased):
    x, weight = torch.randn(5, 7, dtype=torch.float64), torch.randn(4, 7, dtype=torch.float64)
    bias = torch.randn(4, dtype=torch.float64) if biased else None
    with torch.inference_mode(drawing):
        found = affine(x, weight, bias)
    assert torch.allclose(found, F.linear(x, weight, bias), rtol=1e-12, atol=1e-12)
    assert found.is_inference() is drawing


def test_its_derivatives_are_those_of_the_product():
    tensors = [
        torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in ((3, 4), (2, 4), (2,))
    ]
    assert torch.autograd.gradcheck(affine, tensors)
    assert torch.autograd.gradgradcheck(affine, tensors)


@torch.inference_mode()
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("inputs, outputs", SHAPES)
def test_a_row_is_the_same_in_any_place_and_company(inputs, outputs, biased):
    row, weight = torch.randn(inputs), torch.randn(outputs, inputs)
    bias = torch.randn(outputs) if biased else None
    alone = affine(row[None], weight, bias)[0]
    for count in (2, 8, 13):
        for place in range(count):
            x = torch.randn(count, inputs)
            x[place] = row
            assert torch.equal(affine(x, weight, bias)[place], alone), (count, place)
