"""The interpreter of pickles, opcode by opcode, and files that are no snapshot at all."""

import pickle
import random
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from gan.errors import UserError
from gan.foreign import printable
from gan.models.importing import records, snapshot, storages
from gan.models.importing.unpickler import Budget, Refused, Unpickler
from tests.snapshots import Call, Name, Persistent, dumps


def load(data: bytes, known: dict | None = None) -> object:
    return storages.whole(Unpickler(memoryview(data), known or {}, Budget(len(data))))


PLAIN = [
    None,
    True,
    -5,
    300,
    70_000,
    -(2**40),
    2**2000,
    0.1,
    "text",
    "é" * 300,
    (),
    (1,),
    (1, 2),
    (1, 2, 3),
    (1, 2, 3, 4),
    [1, [2, []]],
    {"a": {"b": 1}, 3: None},
    ["x"] * 3000,
    {str(i): i for i in range(3000)},
]


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: printable(repr(value))[:20])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_come_back(value, protocol):
    assert load(pickle.dumps(value, protocol)) == value


def test_bytes_are_views_and_sets_lists():
    data = pickle.dumps([b"abc", {1}], 4)
    view, numbers = load(data)
    assert isinstance(view, memoryview) and bytes(view) == b"abc"
    assert numbers == [1]


def test_shared_values_stay_shared():
    inner: list = []
    first, second = load(pickle.dumps([inner, inner], 4))
    assert first is second


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_numpy_values(protocol):
    values = [np.float64(0.25), np.int64(-3), np.bool_(True), np.array([52, 48])]
    scalar, number, truth, array = load(pickle.dumps(values, protocol), records.known(Budget(10_000)))
    assert (scalar, number, truth, array.numbers) == (0.25, -3, True, [52, 48])
    old = Call(Name("numpy.core.multiarray", "scalar"), (np.dtype("f8"), np.float64(2).tobytes()))
    assert load(dumps(old, protocol), records.known(Budget(10_000))) == 2.0


NUMPY = [
    np.array([object()], dtype=object),
    np.arange(100),
    np.array(["text"]),
    np.array([1.0], dtype=">f8"),
    np.float32(1),
]


@pytest.mark.parametrize("value", NUMPY, ids=lambda value: str(value.dtype))
def test_other_numpy_values_are_refused(value):
    with pytest.raises(Refused):
        load(pickle.dumps(value, 4), records.known(Budget(100_000)))


OPCODES = {
    "inst": b"\x80\x02(ios\nsystem\n.",
    "obj": b"\x80\x02(cos\nsystem\no.",
    "extension": b"\x80\x02\x82\x01.",
    "persistent text": b"\x80\x02P1\n.",
    "persistent": dumps(Persistent("x"), 4),
    "newobj_ex": b"\x80\x04)}\x92.",
    "calls a list": b"\x80\x04])R.",
    "arguments are no tuple": b"\x80\x04ccollections\nOrderedDict\n]R.",
    "builds a list": b"\x80\x04]}b.",
    "no operands": b"\x80\x04R.",
    "no mark": b"\x80\x04t.",
    "below the mark": b"\x80\x04N(s.",
    "odd items": b"\x80\x04}(Nu.",
    "appends to a dict": b"\x80\x04}(Ne.",
    "unknown memo": b"\x80\x04h\x07.",
    "left over": b"\x80\x04NN.",
    "after the end": b"\x80\x04N.N",
    "open mark": b"\x80\x04N(.",
    "protocol 0": pickle.dumps(["x"], 0),
    "protocol 9": b"\x80\x09N.",
    "bad text": b"\x80\x04\x8c\x01\xff.",
    "name of bytes": b"\x80\x04C\x02os\x8c\x06system\x93.",
    "endless name": b"\x80\x04c" + b"a" * 1000,
    "next buffer": b"\x80\x05\x97.",
    "bytearray": pickle.dumps(bytearray(b"x"), 5),
    "empty": b"",
}


@pytest.mark.parametrize("name", OPCODES)
def test_other_programs_are_refused(name):
    known = {("collections", "OrderedDict"): storages.TENSORS["collections", "OrderedDict"]}
    with pytest.raises(Refused) as caught:
        load(OPCODES[name], known)
    assert len(str(caught.value).splitlines()) == 1


def test_attributes_of_mappings_are_passed_over():
    state = OrderedDict(a=1)
    state._metadata = OrderedDict()
    assert load(pickle.dumps(state, 2), storages.TENSORS) == {"a": 1}


def refused(path) -> str:
    with pytest.raises(UserError) as caught:
        snapshot.convert(path, path.with_name("out"))
    assert str(path) in str(caught.value)
    assert not path.with_name("out").exists()
    return str(caught.value)


@pytest.mark.parametrize("data", [b"", b"P", b"hello\n", b"PK\x03\x04", b"\x89PNG\r\n" * 9, bytes(5000)])
def test_files_of_other_kinds(tmp_path, data):
    (tmp_path / "a").write_bytes(data)
    refused(tmp_path / "a")


def test_no_file_and_a_folder(tmp_path):
    refused(tmp_path / "none.pkl")
    refused(tmp_path)


@pytest.mark.parametrize("content", [[1], {"x": 1}, {"G_ema": 1}, (None, None, None), {"g_ema": {"a": 1}}])
def test_pickles_without_networks(tmp_path, content):
    (tmp_path / "a.pkl").write_bytes(dumps(content, 4))
    refused(tmp_path / "a.pkl")
    torch.save(content, tmp_path / "a.pt")
    refused(tmp_path / "a.pt")


def test_archives_that_unfold(tmp_path):
    torch.save({"g_ema": {"style.1.weight": torch.zeros(10_000)}}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as old, zipfile.ZipFile(tmp_path / "b.pt", "w") as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member), zipfile.ZIP_DEFLATED)
    assert "compressed" in refused(tmp_path / "b.pt") or "larger than itself" in refused(tmp_path / "b.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_torch_files(tmp_path, zipped):
    torch.save(
        {"g_ema": {"style.1.weight": torch.zeros(4, 4)}},
        tmp_path / "a.pt",
        _use_new_zipfile_serialization=zipped,
    )
    data = (tmp_path / "a.pt").read_bytes()
    for end in range(4, len(data), max(len(data) // 50, 1)):
        (tmp_path / "b.pt").write_bytes(data[:end])
        refused(tmp_path / "b.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_flipped_bits_of_torch_files(tmp_path, zipped):
    content = {"g_ema": {"style.1.weight": torch.zeros(4, 4), "style.1.bias": torch.zeros(4)}, "x": [1, None]}
    torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    data, rng = (tmp_path / "a.pt").read_bytes(), random.Random(0)
    for _ in range(200):
        changed = bytearray(data)
        for _ in range(rng.choice([1, 2, 8])):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        (tmp_path / "b.pt").write_bytes(changed)
        refused(tmp_path / "b.pt")  # at the latest because this is no whole network
