"""Snapshots in the layouts that `gan convert` reads, written byte for byte as other programs write them.

Their pickles name functions and classes (`Name`) that need not exist here, and call them (`Call`).
"""

import io
import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
SYSTEM = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}


@dataclass(frozen=True)
class Name:
    """A global: never imported."""

    module: str
    name: str


@dataclass(eq=False)
class Call:
    """A call of a global, then its items as a mapping, then its state. new: by NEWOBJ instead of REDUCE."""

    function: Name
    args: tuple
    items: dict = field(default_factory=dict)
    state: Any = None
    new: bool = False


@dataclass(eq=False)
class Persistent:
    """A persistent id."""

    id: Any


class Writer(pickle._Pickler):
    """The standard pickler, in Python, for the two kinds of objects above as well."""

    dispatch: ClassVar[dict] = dict(pickle._Pickler.dispatch)

    def save_name(self, obj: Name) -> None:
        if self.proto >= 4:
            self.save(obj.module)
            self.save(obj.name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        self.memoize(obj)

    def save_call(self, obj: Call) -> None:
        self.save(obj.function)
        self.save(obj.args)
        self.write(pickle.NEWOBJ if obj.new else pickle.REDUCE)
        self.memoize(obj)
        if obj.items:
            self._batch_setitems(iter(obj.items.items()))
        if obj.state is not None:
            self.save(obj.state)
            self.write(pickle.BUILD)

    def save_persistent(self, obj: Persistent) -> None:
        self.save(obj.id)
        self.write(pickle.BINPERSID)

    dispatch[Name], dispatch[Call], dispatch[Persistent] = save_name, save_call, save_persistent


def dumps(obj: Any, protocol: int) -> bytes:
    """One pickle."""
    file = io.BytesIO()
    Writer(file, protocol).dump(obj)
    return file.getvalue()


REBUILD = Name("torch._utils", "_rebuild_tensor_v2")
PARAMETER = Name("torch._utils", "_rebuild_parameter")
FLOATS = Name("torch", "FloatStorage")


def legacy_stream(obj: Any, storages: Mapping[str, bytes], width: int = 4) -> bytes:
    """What torch wrote before its zip archives: obj refers to storages by persistent ids."""
    parts = [dumps(part, 2) for part in (MAGIC, VERSION, SYSTEM, obj, list(storages))]
    parts += [struct.pack("<q", len(data) // width) + data for data in storages.values()]
    return b"".join(parts)


def tensor(array: np.ndarray, trainable: bool | None = None, key: str = "94012345") -> Call:
    """A tensor as snapshots hold it; trainable None: a buffer. Strides are kept as they are in memory."""
    flat = array.ravel("K")  # order of memory
    strides = tuple(stride // array.itemsize for stride in array.strides)
    identity = ("storage", FLOATS, key, "cpu", flat.size, None)
    stream = legacy_stream(Persistent(identity), {key: flat.tobytes()})
    storage = Call(Name("torch.storage", "_load_from_bytes"), (stream,))
    plain = Call(REBUILD, (storage, 0, array.shape, strides, False, OrderedDict()))
    return plain if trainable is None else Call(PARAMETER, (plain, trainable, OrderedDict()))


def easy_dict(content: dict) -> Call:
    """dnnlib.util.EasyDict."""
    return Call(Name("dnnlib.util", "EasyDict"), (), items=content, new=True)


def module(class_name: str, state: dict, source: str = "raise SystemExit('module_src was executed')") -> Call:
    """A persistent object."""
    meta = {"type": "class", "version": 6, "module_src": source, "class_name": class_name, "state": state}
    return Call(Name("torch_utils.persistence", "_reconstruct_persistent_obj"), (meta,))


HOOKS = ("_backward_hooks", "_forward_hooks", "_forward_pre_hooks", "_state_dict_hooks")


def tree(
    tensors: Mapping[str, np.ndarray],
    kinds: Mapping[str, str],
    attributes: Mapping[str, dict],
    init_kwargs: Any,
    class_name: str,
    prefix: str = "",
) -> Call:
    """A network as nested modules, from its state dict.

    kinds: name -> "parameter" or "buffer".  attributes: dotted path of a module -> its plain attributes.
    """
    own = {name: value for name, value in tensors.items() if name.startswith(prefix)}
    parts = OrderedDict()
    parameters, buffers = OrderedDict(), OrderedDict()
    for name, value in own.items():
        head, dot, _ = name.removeprefix(prefix).partition(".")
        if dot:
            path = f"{prefix}{head}."
            if head not in parts:
                parts[head] = tree(tensors, kinds, attributes, {}, head, path)
        elif kinds[name] == "parameter":
            parameters[head] = tensor(value, False)
        else:
            buffers[head] = tensor(value)
    for path in attributes:  # parts without tensors, such as the minibatch statistics
        parent, _, last = path.rpartition(".")
        if parent == prefix.rstrip(".") and path != parent and last not in parts:
            parts[last] = tree({}, {}, {"": attributes[path]}, {}, last)
    state = {
        "training": False,
        "_parameters": parameters,
        "_buffers": OrderedDict(buffers, none_filter=None),
        "_non_persistent_buffers_set": set(),
        **{hook: OrderedDict() for hook in HOOKS},
        "_is_full_backward_hook": None,
        "_modules": OrderedDict(parts, none_part=None),
        "_init_args": (),
        "_init_kwargs": init_kwargs,
        **attributes.get(prefix.rstrip("."), {}),
    }
    return module(class_name, state)


def snapshot(networks: Mapping[str, Call], protocol: int, ada: bool = False) -> bytes:
    """The whole file."""
    settings = {"training_set_kwargs": {"class_name": "training.dataset.ImageFolderDataset", "path": "x.zip"}}
    rest = {"augment_pipe": None}
    return dumps({**settings, **networks, **rest} if ada else {**networks, **rest, **settings}, protocol)
