"""Configs: strict reading, typed overrides, variants, YAML; every mistake names its key, value and remedy."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal, Optional

import pytest

from gan.config import dumps_yaml, from_dict, load_yaml, override, to_dict
from gan.errors import UsageError, UserError
from gan.registry import table


@dataclass(frozen=True, kw_only=True)
class Mapping:
    layers: int = 8
    lr: float = 0.01


@dataclass(frozen=True, kw_only=True)
class Round:
    type: Literal["round"] = "round"
    resolution: int = 256
    style: Literal["skip", "orig"] = "skip"
    taps: tuple[int, ...] = (1, 3, 3, 1)
    clamp: float | None = 256.0
    mapping: Mapping = field(default_factory=lambda: Mapping(layers=2))

    def __post_init__(self):
        if self.resolution < 8:
            raise ValueError(f"resolution must be >= 8; got {self.resolution}")


@dataclass(frozen=True, kw_only=True)
class Square:
    type: Literal["square"] = "square"
    resolution: int = 64
    style: Literal["res", "orig"] = "res"
    mapping: Mapping = field(default_factory=Mapping)
    wide: bool = False


SHAPES = table("shape", round=Round, square=Square)


@dataclass(frozen=True, kw_only=True)
class Run:
    lr: float = 0.001
    batch: int = 32
    name: Optional[str] = None  # noqa: UP045 (both spellings of an optional field are read)
    flip: bool = False
    betas: tuple[float, float] = (0.0, 0.99)
    seed: int | str = 0
    net: Any = field(default_factory=Round, metadata={"variants": SHAPES.__getitem__})
    extra: Any | None = field(default=None, metadata={"variants": SHAPES.__getitem__})


@dataclass(frozen=True, kw_only=True)
class Required:
    path: str
    inner: Mapping = field(default_factory=Mapping)


def test_round_trip_through_json_and_yaml(tmp_path):
    cfg = Run(lr=2e-5, name="a: b", net=Round(clamp=None, taps=(1, 2)), extra=Square(wide=True), seed="x")
    assert from_dict(Run, json.loads(json.dumps(to_dict(cfg)))) == cfg
    path = tmp_path / "config.yaml"
    path.write_text(dumps_yaml(cfg), encoding="utf-8")
    assert from_dict(Run, load_yaml(path)) == cfg


def test_yaml_keeps_field_order_and_short_lists_on_one_line():
    assert dumps_yaml(Round()).splitlines() == [
        "type: round",
        "resolution: 256",
        "style: skip",
        "taps: [1, 3, 3, 1]",
        "clamp: 256.0",
        "mapping:",
        "  layers: 2",
        "  lr: 0.01",
    ]


def test_absent_keys_keep_the_default_of_the_field_not_of_its_class():
    cfg = from_dict(Run, {"net": {"mapping": {"lr": 1}}})
    assert cfg.net.mapping == Mapping(layers=2, lr=1.0)
    assert isinstance(cfg.net.mapping.lr, float)


@pytest.mark.parametrize(
    ("assignment", "key", "value"),
    [
        ("batch=64", "batch", 64),
        ("lr=1e-3", "lr", 1e-3),
        ("lr=2", "lr", 2.0),
        ("flip=true", "flip", True),
        ("name=null", "name", None),
        ("name=x=y", "name", "x=y"),
        ("betas=[0, .9]", "betas", (0.0, 0.9)),
        ("seed=7", "seed", 7),
        ("seed=seven", "seed", "seven"),
        ("extra={type: square, resolution: 16}", "extra", Square(resolution=16)),
    ],
)
def test_override_is_typed_by_the_field(assignment, key, value):
    got = getattr(override(Run(), [assignment]), key)
    assert got == value and type(got) is type(value)


def test_override_reaches_inside_and_keeps_the_rest():
    before = Run(net=Round(resolution=128, clamp=None))
    after = override(before, ["net.mapping.layers=4", "net.taps=[1, 2, 1]", "net.mapping.layers=5"])
    assert after.net == Round(resolution=128, clamp=None, taps=(1, 2, 1), mapping=Mapping(layers=5))
    assert before.net.mapping.layers == 2


@pytest.mark.parametrize("order", [1, -1])
def test_switching_the_variant_keeps_shared_keys(order):
    start = Run(net=Round(resolution=32, style="skip", mapping=Mapping(layers=3, lr=0.5)))
    after = override(start, ["net.type=square", "net.wide=true", "net.mapping.lr=0.1"][::order])
    # style "skip" is not one of Square's, so it takes Square's default
    assert after.net == Square(resolution=32, style="res", wide=True, mapping=Mapping(layers=3, lr=0.1))


def test_a_switch_takes_the_new_defaults_for_what_nobody_chose():
    assert override(Run(), ["net.type=square"]).net == Square()
    assert from_dict(Run, {"net": {"type": "square", "wide": True}}).net == Square(wide=True)
    with_layers = override(Run(net=Round(mapping=Mapping(layers=5))), ["net.type=square"]).net
    assert with_layers == Square(mapping=Mapping(layers=5))


def test_an_absent_variant_can_be_switched_on():
    assert override(Run(), ["extra.type=round", "extra.resolution=16"]).extra == Round(resolution=16)
    with pytest.raises(UsageError, match=r"extra\.type: expected a name, got null"):
        override(Run(), ["extra.resolution=16"])


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("bach=1", "unknown key 'bach'; did you mean 'batch'?"),
        ("net.resolutoin=1", "unknown key 'net.resolutoin'; did you mean 'net.resolution'?"),
        ("net.mapping.layer=1", "unknown key 'net.mapping.layer'; did you mean 'net.mapping.layers'?"),
        ("net.wide=true", "unknown key 'net.wide'"),
        ("batch=1.5", "batch: expected int, got 1.5 (float)"),
        ("batch=true", "batch: expected int, got True (bool)"),
        ("lr=fast", "lr: expected float, got 'fast' (str)"),
        ("lr=true", "lr: expected float, got True (bool)"),
        ("flip=1", "flip: expected bool, got 1 (int)"),
        ("name=3", "name: expected str or null, got 3 (int)"),
        ("seed=1.5", "seed: expected int or str, got 1.5 (float)"),
        ("batch=", "batch: expected int, got null"),
        ("betas=[1]", "betas: expected a list [float, float], got [1] (list)"),
        ("net.taps=1,2", "net.taps: expected a list of int, got '1,2' (str)"),
        ("net.taps=[1, x]", "net.taps[1]: expected int, got 'x' (str)"),
        ("net.style=skp", "net.style: unknown value 'skp'; did you mean 'skip'?"),
        ("net.style=1", "net.style: expected one of 'skip', 'orig', got 1 (int)"),
        ("net.mapping=2", "net.mapping: expected a mapping with the keys of Mapping, got 2 (int)"),
        ("net.type=rond", "net.type: unknown shape 'rond'; did you mean 'round'?"),
        ("net=round", "net: expected a mapping with the key 'type', got 'round' (str)"),
        ("net.resolution=4", "net: resolution must be >= 8; got 4"),
        ("batch", "'batch' is not of the form section.key=value"),
        ("=3", "'=3' is not of the form section.key=value"),
        ("betas=[1", "betas: '[1' is not YAML"),
    ],
)
def test_mistakes_name_key_value_and_remedy(assignment, message):
    with pytest.raises(UsageError) as caught:
        override(Run(), [assignment])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_from_dict_names_its_root():
    with pytest.raises(
        UsageError, match=r"^unknown key 'config\.inner\.lrr'; did you mean 'config\.inner\.lr'"
    ):
        from_dict(Required, {"path": "x", "inner": {"lrr": 1}})
    with pytest.raises(UsageError, match=r"^preset\.path is missing: expected str$"):
        from_dict(Required, {}, where="preset")


def test_annotation_that_configs_cannot_hold_is_a_programming_error():
    @dataclass(frozen=True, kw_only=True)
    class Odd:
        when: complex = 0j

    with pytest.raises(TypeError, match="do not support"):
        from_dict(Odd, {"when": 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1, 2\n", "config.yaml line 3: "),
        ("a: 1\nb: 2\na: 3\n", "config.yaml line 3: key 'a' is given twice"),
        ("- 1\n", "config.yaml line 1: expected a mapping"),
        ("", "config.yaml line 1: expected a mapping of keys to values, got null"),
        ("a: \x00", "config.yaml: unacceptable character"),
    ],
)
def test_bad_yaml_names_file_and_line(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_yaml(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_yaml_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*absent\.yaml: No such file"):
        load_yaml(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    with pytest.raises(UserError, match="not UTF-8"):
        load_yaml(tmp_path / "latin.yaml")
