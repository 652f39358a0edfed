"""A recorder that stands for CUDA graphs: keeps every operator with its very tensors, and calls it again.

Like a graph it knows no Python between operators: a number of the host that differs in the next step is the
old one, and a value that is looked at while recording is an error.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

UNDECLARED = ("running_mean", "running_var")  # of batch normalisation, which writes to them
LOOKS = torch.ops.aten._local_scalar_dense.default


class Tape(TorchDispatchMode):
    """Keeps operators while they run, and first copies of what they write to that was there before."""

    def __init__(self):
        super().__init__()
        self.calls, self.before, self._made = [], {}, set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func is not LOOKS, "a graph cannot look at a value"
        kwargs = kwargs or {}
        for argument, value in zip(func._schema.arguments, args, strict=False):
            declared = argument.alias_info is not None and argument.alias_info.is_write
            if declared or argument.name in UNDECLARED:
                for tensor in tensors(value):
                    self._keep(tensor)
        out = func(*args, **kwargs)
        inputs = {place(tensor) for tensor in tensors([args, kwargs])}
        self._made |= {place(tensor) for tensor in tensors(out)} - inputs
        self.calls.append((func, args, kwargs, out))
        return out

    def _keep(self, tensor):
        if place(tensor) not in self._made:
            self.before.setdefault(place(tensor), (tensor, tensor.clone()))

    @torch.no_grad()
    def undo(self):
        """What was there before has the values of then."""
        for tensor, value in self.before.values():
            tensor.copy_(value)

    @torch.no_grad()
    def replay(self):
        """Every operator again; its results are written to where those of the first time are."""
        for func, args, kwargs, out in self.calls:
            inputs = {place(tensor) for tensor in tensors([args, kwargs])}
            for old, new in zip(tensors(out), tensors(func(*args, **kwargs)), strict=True):
                if place(old) not in inputs:  # else it is a view of an argument, or the argument
                    old.copy_(new)


class Taped:
    """A `training.graphs.Recorder` of any device."""

    def __init__(self):
        self.recorded = 0

    def warm(self, work):
        return work()

    def record(self, work):
        with Tape() as tape:
            found = work()
        tape.undo()
        self.recorded += 1
        return found, tape.replay


def tensors(values):
    return [value for value in tree_flatten(values)[0] if isinstance(value, torch.Tensor)]


def place(tensor):
    return tensor.untyped_storage().data_ptr() if tensor.numel() else id(tensor)
