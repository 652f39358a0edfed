"""When kernels serve, what is said when they cannot, what compilers and several threads see."""

import subprocess
import sys
import threading
import time

import pytest
import torch

from ops import bias_act, build, library, registration
from ops.library import ModeError
from ops.toolchain import KernelError

X = torch.linspace(-2, 2, 48).reshape(2, 3, 2, 4)
B = torch.tensor([0.5, -1.0, 2.0])
OPTIONS = (1, 2, 0.2, 1.4, -1.0)  # dim, act (leaky ReLU), alpha, gain, clamp
FAILS = "echo 'toy.cpp:1: error: planted'; exit 1"


def shifted(x, b):
    """An operator of the library, as its Python function calls it."""
    return torch.ops.gan.bias_act(x, b, *OPTIONS) if library.fused(x) else x + 1


def test_modes(monkeypatch):
    for value in library.MODES:
        monkeypatch.setenv("GAN_OPS", value)
        assert library.mode() == value
    for value in ("", None):
        monkeypatch.setenv("GAN_OPS", value) if value is not None else monkeypatch.delenv("GAN_OPS")
        assert library.mode() == "auto"
    monkeypatch.setenv("GAN_OPS", "fast")
    with pytest.raises(ModeError, match="one of auto, fused, reference; got 'fast'"):
        library.fused(X)


def test_no_compiler_is_said_once_and_plain_torch_goes_on(machine, capfd):
    assert not library.fused(X) and not library.fused(X)
    assert torch.equal(bias_act(X, B), X + B.view(-1, 1, 1))
    said = capfd.readouterr().err
    assert said.startswith("gan: warning: plain PyTorch serves on cpu: no C++ compiler")
    assert said.count("\n") == 1 and "gan ops build" in said


def test_compiler_error_is_said_once_a_process_and_tried_once(machine, monkeypatch, capfd):
    machine.tools(ninja=FAILS)
    for process in range(2):
        monkeypatch.setattr(library, "_refused", {})  # as in a new process
        assert not library.fused(X) and not library.fused(X)
        said = capfd.readouterr().err
        assert said.count("error: planted") == 1 and said.count("building") == 1 - process
    assert machine.count() == 1


def test_broken_library(machine, capfd):
    machine.tools()  # this library is an empty file
    assert not library.fused(X)
    assert "gan_ops_cpu.so does not load" in capfd.readouterr().err
    with pytest.raises(KernelError, match="gan ops build --force"):
        library.load("cpu")


def test_prebuilt_library_is_preferred_if_it_loads(machine, monkeypatch, tmp_path):
    opened = []

    def open_library(path):
        opened.append(path)
        if path == tmp_path / "broken.so":
            raise OSError("planted")

    machine.tools()
    monkeypatch.setattr(torch.ops, "load_library", open_library)
    monkeypatch.setattr(build, "prebuilt", lambda target: tmp_path / "whole.so")
    assert library.load("cpu") == tmp_path / "whole.so"
    assert machine.count() == 0
    monkeypatch.setattr(library, "_loaded", {})
    monkeypatch.setattr(build, "prebuilt", lambda target: tmp_path / "broken.so")
    path = library.load("cpu")
    assert path.name == "gan_ops_cpu.so" and machine.count() == 1
    assert opened == [tmp_path / "whole.so", tmp_path / "broken.so", path]
    monkeypatch.setattr(library, "_loaded", {})
    monkeypatch.setattr(build, "prebuilt", lambda target: tmp_path / "whole.so")
    assert library.load("cpu") == path  # `gan ops build` made it, for this very machine


def test_fused_or_an_error(machine, monkeypatch):
    monkeypatch.setenv("GAN_OPS", "fused")
    for _ in range(2):
        with pytest.raises(KernelError, match="no C\\+\\+ compiler"):
            library.fused(X)


def test_reference_touches_nothing(machine, monkeypatch):
    monkeypatch.setenv("GAN_OPS", "reference")
    monkeypatch.setattr(library, "load", None)
    assert not library.fused(X)


def test_without_compiling(machine):
    machine.tools()
    with pytest.raises(KernelError, match="not built; gan ops build"):
        library.load("cpu", compiling=False)
    assert machine.count() == 0


def test_what_kernels_serve(kernels):
    assert all(library.fused(X.to(dtype)) for dtype in library._DTYPES)
    for x in (X.int(), X.to(torch.complex64), X.to("meta"), X.to(torch.float8_e5m2)):
        assert not library.fused(x)


def test_every_operator_has_its_derivative_and_every_derivative_its_operator(kernels):
    names = {
        name.removeprefix("gan::").partition(".")[0]
        for name in torch._C._dispatch_get_all_op_names()
        if name.startswith("gan::")
    }
    assert names == set(registration._recorded) == set(registration._registered)


PUBLIC = """
import sys, types
import torch
from torch.autograd import forward_ad
from ops import bias_act, library
sys.modules["torch._library.autograd"] = types.ModuleType("empty")  # imports from it fail
x, b = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True), torch.randn(3, dtype=torch.float64)
library.load("cpu")
assert torch.autograd.gradgradcheck(lambda x: bias_act(x, b, act="swish"), x)
with forward_ad.dual_level():
    y = torch.ops.gan.bias_act(x, forward_ad.make_dual(b, b), 1, 0, 0.0, 1.0, -1.0)
    assert torch.equal(forward_ad.unpack_dual(y).tangent, b[:, None].expand_as(x))
print("whole")
"""


@pytest.mark.slow
def test_derivatives_need_nothing_private_of_torch(kernels):
    done = subprocess.run([sys.executable, "-c", PUBLIC], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr


def test_second_library_is_refused(kernels):
    with pytest.raises(KernelError, match="loaded already"):
        library.use("other.so")


def test_compile_has_no_graph_break(kernels):
    compiled = torch.compile(shifted, fullgraph=True, backend="aot_eager")
    x = X.clone().requires_grad_()
    y = compiled(x, B)
    torch.testing.assert_close(y, shifted(X, B))
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.where(X + B.view(-1, 1, 1) > 0, 1.4, 0.28))


@pytest.mark.parametrize("strict", [False, True])
def test_export(strict, kernels):
    class Module(torch.nn.Module):
        def forward(self, x, b):
            return shifted(x, b)

    exported = torch.export.export(Module(), (X, B), strict=strict)
    assert "gan.bias_act" in str(exported.graph)
    torch.testing.assert_close(exported.module()(X, B), shifted(X, B))


def test_no_thread_sees_operators_that_are_not_registered_yet(kernels, monkeypatch):
    """The second thread at first use waits for the first one."""
    begun, whole, registered = threading.Event(), registration.register, dict(registration._kernels)

    def slowly():
        begun.set()
        time.sleep(0.3)
        registration._kernels.update(registered)
        whole()

    path = library.load("cpu")
    monkeypatch.setattr(build, "built", lambda target: path)
    monkeypatch.setattr(library, "_loaded", {})
    monkeypatch.setattr(registration, "_kernels", {})
    monkeypatch.setattr(registration, "register", slowly)
    found = []
    first = threading.Thread(target=lambda: found.append(bias_act(X, B, act="relu")))
    first.start()
    assert begun.wait(10)
    found.append(bias_act(X, B, act="relu"))
    first.join(10)
    assert len(found) == 2 and torch.equal(*found)


def test_the_compiler_takes_what_is_ready_for_a_constant():
    """By the mark that torch sets, without loading its compiler when operators are imported."""

    def constant():
        return 0

    marked = torch.compiler.assume_constant_result(constant)
    assert vars(marked).items() <= vars(library._ready).items()
