"""The kernels on a GPU: networks' own sizes against float64 definitions, streams, graphs."""

import pytest
import torch

from ops import bench, library
from ops.bias_act import bias_act
from ops.upfirdn2d import setup_filter, upsample2d

pytestmark = pytest.mark.needs_gpu
# Largest relative error of a whole tensor, in its norm.
ERROR = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1.5e-2}
ERROR_OF_SAMPLES = 1e-4  # a coordinate among 524 pixels in float32 is known to 3e-5 of a pixel
CASES = bench.cases(2)


@pytest.fixture
def gpu(monkeypatch) -> torch.device:
    """The current GPU, served by kernels or by an error."""
    monkeypatch.setenv("GAN_OPS", "fused")
    return torch.device("cuda")


def relative(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """Norm of the difference over that of `expected`; not finite is infinite."""
    error = float((actual.double() - expected).norm() / expected.norm())
    return error if error == error else float("inf")


@pytest.mark.parametrize("dtype", ERROR, ids=str)
@pytest.mark.parametrize("index", range(len(CASES)), ids=[f"{i}-{case.name}" for i, case in enumerate(CASES)])
def test_value_and_gradients_at_the_networks_sizes(gpu, index, dtype):
    case = bench.cases(2, gpu)[index]
    if case.name == "grid_sample" and dtype != torch.float32:
        pytest.skip("16 bits do not hold the coordinates of a sample")
    inputs = case.inputs(gpu, dtype)
    doubles = [t.detach().double().requires_grad_() for t in inputs]
    y = case.function(*inputs)
    upstream = torch.randn_like(y) / 64  # or sums over an image overflow float16
    gradients = torch.autograd.grad(y, inputs, upstream)
    with bench.using("reference"):
        expected = case.function(*doubles)
        wanted = torch.autograd.grad(expected, doubles, upstream.double())
    for result in (y, gradients[0]):
        assert result.dtype == dtype and result.is_contiguous(memory_format=case.layout)
    bound = ERROR_OF_SAMPLES if case.name == "grid_sample" else ERROR[dtype]
    for actual, truth in zip((y, *gradients), (expected, *wanted), strict=True):
        assert relative(actual.detach(), truth.detach()) < bound


def test_kernels_run_on_the_current_stream(gpu):
    x, f = torch.zeros(1, 3, 64, 64, device=gpu), setup_filter((1, 3, 3, 1)).to(gpu)
    upsample2d(x, f)
    stream = torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)  # some 50 ms: another stream would read x before it is filled
        x.fill_(1)
        y = upsample2d(x, f)
        assert not stream.query()
    stream.synchronize()
    assert float(y[:, :, 8:-8, 8:-8].min()) == 1


def test_kernels_can_be_captured_in_a_graph(gpu):
    x, b = torch.randn(2, 8, 16, 16, device=gpu), torch.randn(8, device=gpu)
    bias_act(x, b, act="lrelu")
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = bias_act(x, b, act="lrelu")
    x.copy_(torch.randn_like(x))
    graph.replay()
    torch.testing.assert_close(y, bias_act(x, b, act="lrelu"), rtol=0, atol=0)


def test_the_library_is_the_one_for_cuda(gpu):
    bias_act(torch.zeros(1, 1, device=gpu), torch.zeros(1, device=gpu))
    assert "cuda" in library.loaded()
