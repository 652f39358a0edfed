"""`gan convert` on damaged and hostile files: one clear line, nothing executed, bounded time and memory."""

import random
import struct
import sys
import tracemalloc
from collections import OrderedDict
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from gan.cli.main import main
from gan.errors import UserError
from gan.models.importing import snapshot
from gan.networks.stylegan2 import GeneratorConfig, MappingConfig
from tests.snapshots import (
    FLOATS,
    REBUILD,
    Call,
    Name,
    Persistent,
    dumps,
    legacy_stream,
    module,
    tensor,
    tree,
)

EVENTS = (
    "os.system",
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "pickle.find_class",
    "compile",
    "exec",
)
_seen: list[str] | None = None


def _hook(event: str, args: tuple) -> None:
    if _seen is not None and event in EVENTS:
        _seen.append(event)


@pytest.fixture(scope="module", autouse=True)
def watched() -> None:
    """Audit events of whatever executes something are recorded while a file is converted."""
    sys.addaudithook(_hook)  # stays for good; idle outside of `executed`


def executed(work: Callable[[], object]) -> list[str]:
    """Events while `work` ran."""
    global _seen
    _seen = []
    try:
        work()
        return _seen
    finally:
        _seen = None


CONFIG = GeneratorConfig(
    resolution=8, channel_base=16, channel_max=2, z_dim=2, w_dim=2, mapping=MappingConfig(layers=1)
)
KWARGS = {"z_dim": 2, "w_dim": 2, "c_dim": 0, "img_resolution": 8, "img_channels": 3}
KWARGS |= {"channel_base": 16, "channel_max": 2, "mapping_kwargs": {"num_layers": 1}}


def network(kwargs: dict | None = None, **changed: object) -> Call:
    """A tiny generator; `kwargs` are added to its constructor arguments, `changed` to its attributes."""
    built = CONFIG.build()
    tensors = {name: value.numpy() for name, value in built.state_dict().items()}
    trained = {name for name, _ in built.named_parameters()}
    kinds = {name: "parameter" if name in trained else "buffer" for name in tensors}
    return tree(tensors, kinds, {"": changed}, KWARGS | (kwargs or {}), "Generator")


def file(generator: object, protocol: int = 4) -> bytes:
    return dumps({"G_ema": generator}, protocol)


@pytest.fixture(scope="module")
def good() -> bytes:
    return file(network())


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory, good) -> None:
    """Everything is imported before events are recorded."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "a.pkl").write_bytes(good)
    with pytest.raises(SystemExit):
        main(["convert", str(folder / "a.pkl"), "--out", str(folder / "b")])


def refused(tmp_path, capsys, data: bytes, name: str = "a.pkl") -> str:
    """The one line that the command says of a file that it refuses without executing anything."""
    path = tmp_path / name
    path.write_bytes(data)
    codes = []

    def work() -> None:
        with pytest.raises(SystemExit) as stopped:
            main(["convert", str(path), "--out", str(tmp_path / "out")])
        codes.append(stopped.value.code)

    assert executed(work) == []
    said = capsys.readouterr().err
    assert codes == [1], said
    assert len(said.splitlines()) == 1, said
    assert "Traceback" not in said and "internal error" not in said, said
    assert str(path) in said, said
    assert len(said) < 600
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [name]  # no canary, nothing half-written
    return said


def outcomes(tmp_path, files: Iterator[bytes]) -> dict[str, int]:
    """How many files were converted and refused; any other error is raised."""
    counts = {"converted": 0, "refused": 0}
    for number, data in enumerate(files):
        path = tmp_path / f"{number}.pkl"
        path.write_bytes(data)
        try:
            assert executed(lambda p=path: snapshot.convert(p, p.with_suffix(""))) == []
            counts["converted"] += 1
        except UserError as error:
            assert len(str(error).splitlines()) == 1
            counts["refused"] += 1
        path.unlink()
    return counts


def test_the_tiny_snapshot_is_good(tmp_path, good):
    assert outcomes(tmp_path, iter([good])) == {"converted": 1, "refused": 0}


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_truncated_anywhere(tmp_path, protocol):
    data = file(network(), protocol)
    places = {*range(40), *range(len(data) - 40, len(data)), *range(0, len(data), len(data) // 60)}
    found = outcomes(tmp_path, (data[:place] for place in sorted(places)))
    assert found["converted"] == 0


def flipped(data: bytes, seed: int) -> bytes:
    rng, changed = random.Random(seed), bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def test_flipped_bits(tmp_path, good):
    found = outcomes(tmp_path, (flipped(good, seed) for seed in range(300)))
    assert found["refused"] > 100


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_many_flipped_bits(tmp_path, protocol):
    data = file(network(), protocol)
    found = outcomes(tmp_path, (flipped(data, seed) for seed in range(1000, 3000)))
    assert found["refused"] > 500


GLOBALS = [
    ("os", "system"),
    ("posix", "system"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "getattr"),
    ("__builtin__", "apply"),
    ("builtins", "__import__"),
    ("subprocess", "Popen"),
    ("torch", "load"),
    ("torch", "serialization.load"),
    ("torch.storage", "_load_from_bytes.__globals__"),
    ("torch_utils.persistence", "_reconstruct_persistent_obj.__class__"),
    ("torch_utils.persistence.x", "_reconstruct_persistent_obj"),
    ("collections", "OrderedDict.fromkeys"),
    ("numpy", "load"),
    ("numpy.core.multiarray", "frombuffer"),
    ("torch", "DoubleStorage"),
    ("", ""),
    ("os\x1b[2J", "system"),
]


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("pair", GLOBALS, ids=".".join)
def test_unknown_globals(tmp_path, capsys, protocol, pair):
    call = Call(Name(*pair), (f"touch {tmp_path / 'canary'}",))
    said = refused(tmp_path, capsys, file(network(kwargs={"extra": call}), protocol))
    assert "not part of a known layout" in said
    assert "\x1b" not in said


def test_inner_streams_know_one_name_only(tmp_path, capsys):
    touch = Call(Name("os", "system"), (f"touch {tmp_path / 'canary'}",))
    stream = legacy_stream(touch, {})
    storage = Call(Name("torch.storage", "_load_from_bytes"), (stream,))
    assert "os.system" in refused(tmp_path, capsys, file(network(kwargs={"extra": storage})))


def test_the_source_text_is_never_run(tmp_path):
    text = f"import os; os.system('touch {tmp_path / 'canary'}'); open({str(tmp_path / 'canary')!r}, 'w')"
    generator = network()
    generator.args[0]["module_src"] = text
    assert outcomes(tmp_path, iter([file(generator)])) == {"converted": 1, "refused": 0}
    assert not (tmp_path / "canary").exists()


def test_tensorflow_files(tmp_path, capsys):
    network_class = Name("dnnlib.tflib.network", "Network")
    old = tuple(Call(network_class, (), state={"version": 4}, new=True) for _ in range(3))
    said = refused(tmp_path, capsys, dumps(old, 3))
    assert "TensorFlow era" in said
    assert "legacy.py" in said


def laughs() -> list:
    """Nested lists whose text would be 2^200 words long."""
    value: list = ["ha"]
    for _ in range(200):
        value = [value, value]
    return value


def chain(length: int) -> bytes:
    """A tuple within a tuple, and so on."""
    return b"\x80\x04}" + b"X\x05\x00\x00\x00G_ema" + b"N" + b"\x85" * length + b"s."


def crowd() -> Call:
    """A module with 40^11 parts."""
    one = module("Layer", {"_parameters": {}, "_buffers": {}, "_modules": {}})
    for _ in range(12):
        one = module(
            "Layer", {"_parameters": {}, "_buffers": {}, "_modules": {str(i): one for i in range(40)}}
        )
    return one


def flock() -> Call:
    """1,600 parts that share 4,000 tensors, under long names."""
    one = tensor(np.zeros(1, "f4"))
    names = [f"{'x' * 190}{i}" for i in range(4000)]
    leaf = module("Layer", {"_parameters": dict.fromkeys(names, one), "_buffers": {}, "_modules": {}})
    for _ in range(2):
        parts = {f"{'y' * 190}{i}": leaf for i in range(40)}
        leaf = module("Layer", {"_parameters": {}, "_buffers": {}, "_modules": parts})
    return leaf


def long_names() -> Call:
    """Parts within parts under one name of a megabyte."""
    one = module("Layer", {"_parameters": {}, "_buffers": {}, "_modules": {}})
    for _ in range(10):
        one = module("Layer", {"_parameters": {}, "_buffers": {}, "_modules": {"z" * 1_000_000: one}})
    return one


def echo() -> bytes:
    """One text that is encoded a hundred thousand times, and all results kept."""
    encode = b"\x8c\x07_codecs\x8c\x06encode\x93\x94"  # memo 0
    text = b"X" + struct.pack("<I", 1 << 16) + b"a" * (1 << 16) + b"\x8c\x06latin1\x86\x94"  # memo 1
    return b"\x80\x04" + encode + text + b"(" + b"h\x00h\x01R" * 100_000 + b"t."


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "laughing list": (lambda: file(network(kwargs={"resample_filter": laughs()})), "nested too deep"),
    "laughing side": (lambda: file(network(kwargs={"img_resolution": laughs()})), "nested too deep"),
    "deep tuple": (lambda: chain(100_000), "no generator"),
    "open marks": (lambda: b"\x80\x04" + b"(" * 100_000 + b".", "levels deep"),
    "many dicts": (lambda: b"\x80\x04" + b"}" * 1_000_001 + b".", "more than 1,000,000 instructions"),
    "crowd": (lambda: file(crowd()), "2,000 parts"),
    "flock": (lambda: file(flock()), "10,000 tensors"),
    "long names": (lambda: file(long_names()), "absurd"),
    "echo": (echo, "far more data than its own size"),
    "text of 2^60": (lambda: b"\x80\x04\x8d" + struct.pack("<Q", 1 << 60) + b"a.", "truncated"),
    "bytes of 2^31": (lambda: b"\x80\x04B" + struct.pack("<I", 1 << 31) + b"a.", "truncated"),
    "frame of 2^63": (lambda: b"\x80\x04\x95" + struct.pack("<Q", 1 << 63) + b"N.", "truncated"),
    "memo of 2^32": (lambda: b"\x80\x04Nr\xff\xff\xff\xff0.", "opcode"),
    "long key": (lambda: b"\x80\x04}\x8a\xff" + b"\x7f" * 255 + b"Ns.", "key of a mapping"),
    "tuple as key": (lambda: b"\x80\x04})Ns.", "key of a mapping"),
    "wide layers": (lambda: file(network(kwargs={"z_dim": 1 << 60})), "z_dim"),
    "many layers": (lambda: file(network(kwargs={"mapping_kwargs": {"num_layers": 10**9}})), "layers"),
    "large side": (lambda: file(network(kwargs={"img_resolution": 1 << 40})), "resolution"),
    "wide but allowed": (lambda: file(network(kwargs={"z_dim": 1 << 20})), "does not fit"),
    "infinite": (lambda: file(network(kwargs={"conv_clamp": float("inf")})), "conv_clamp"),
    "no number": (lambda: file(network(kwargs={"conv_clamp": float("nan")})), "conv_clamp"),
}


SLOW = ("many dicts",)  # a million instructions under tracemalloc


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in BOMBS]
)
def test_bombs(tmp_path, capsys, name):
    make, words = BOMBS[name]
    data = make()
    tracemalloc.start()
    try:
        said = refused(tmp_path, capsys, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert words in said
    assert peak < 10 * len(data) + 256 * 2**20


def stored(offset: object, shape: object, strides: object, count: int = 4, kind: Name = FLOATS) -> Call:
    """A tensor of four numbers with this geometry."""
    identity = ("storage", kind, "1", "cpu", count, None)
    stream = legacy_stream(Persistent(identity), {"1": np.zeros(4, "f4").tobytes()})
    storage = Call(Name("torch.storage", "_load_from_bytes"), (stream,))
    return Call(REBUILD, (storage, offset, shape, strides, False, OrderedDict()))


TENSORS = {
    "beyond": (stored(1, (4,), (1,)), "beyond its storage"),
    "negative offset": (stored(-1, (4,), (1,)), "negative"),
    "negative stride": (stored(3, (4,), (-1,)), "negative"),
    "repeated": (stored(0, (1 << 20, 1 << 20), (0, 0)), "beyond its storage"),
    "strided away": (stored(0, (2, 2), (1 << 40, 1)), "beyond its storage"),
    "huge": (stored(0, (1 << 60,), (1,)), "absurd"),
    "no number": (stored(0, (4.0,), (1,)), "negative or an absurd"),
    "boolean": (stored(True, (4,), (1,)), "wrong kind"),
    "ragged": (stored(0, (2, 2), (2,)), "belong together"),
    "many axes": (stored(0, (1,) * 100, (1,) * 100), "belong together"),
    "lying count": (stored(0, (4,), (1,), count=1 << 40), "size"),
    "other numbers": (stored(0, (4,), (1,), kind=Name("torch", "LongStorage")), "torch.LongStorage"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_hostile_tensors(tmp_path, capsys, name):
    call, words = TENSORS[name]
    assert words in refused(tmp_path, capsys, file(network(extra=call)))
