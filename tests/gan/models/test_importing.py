"""`gan convert` on snapshots in the official layouts: golden images and logits come out of what it writes."""

import json

import pytest
import torch

import gan
from gan import files
from gan.cli.main import main
from gan.errors import CheckpointError
from gan.models import checkpoint
from tests import official, snapshots
from tests.golden.networks import labels

GENERATORS = list(
    official.cases("net_sg2_g_ada.npz", "net_sg2_g_sg3repo.npz", "net_sg3_g.npz"),
)
DISCRIMINATORS = list(official.cases("net_sg2_d_ada.npz", "net_sg2_d_sg3repo.npz"))
G_CASES, D_CASES = ({case.name: case for case in each} for each in (GENERATORS, DISCRIMINATORS))
TOLERANCE = 1e-5  # of float32 images, absolute and relative to their largest value


def run(*arguments: object) -> int:
    """Exit code of `gan` with these arguments."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return stopped.value.code


def converted(tmp_path, data: bytes, name: str = "network-snapshot-000123.pkl"):
    """Folder of the checkpoint that the command makes of a file with these bytes."""
    (tmp_path / name).write_bytes(data)
    assert run("convert", tmp_path / name, "--out", tmp_path / "model") == 0
    return tmp_path / "model"


def near(got: torch.Tensor, want: torch.Tensor) -> None:
    scale = max(1.0, want.abs().max().item())
    assert (got - want).abs().max().item() <= TOLERANCE * scale


def images(case, G: torch.nn.Module) -> None:
    """Compare what a generator draws with the case's images."""
    z, c = case.tensor("z", torch.float32), labels(case, "c", torch.float32)
    with torch.no_grad():
        near(G(z, c), case.tensor("img_const_f32" if "img_const_f32" in case else "img_const").float())
        near(G(z, c, psi=0.7, psi_cutoff=3), case.tensor("img_trunc").float())


@pytest.mark.parametrize("case", GENERATORS, ids=lambda case: case.name)
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_generators(tmp_path, case, protocol):
    network = official.network(case, last="F" if protocol == 3 else "C")
    data = snapshots.snapshot({"G_ema": network}, protocol, ada=case.meta["repo"] == "ada")
    images(case, gan.load(converted(tmp_path, data)))


@pytest.mark.parametrize("case", DISCRIMINATORS, ids=lambda case: case.name)
def test_discriminators(tmp_path, case):
    networks = {"G_ema": official.network(GENERATORS[0]), "D": official.network(case, last="F")}
    D = gan.load_discriminator(converted(tmp_path, snapshots.snapshot(networks, 4)))
    with torch.no_grad():
        got = D(case.tensor("img", torch.float32), labels(case, "c", torch.float32))
    near(got, case.tensor("logits").float())


@pytest.fixture(scope="module")
def small() -> bytes:
    """The bytes of a snapshot with both networks."""
    networks = {"G": G_CASES["skip_c5"], "D": D_CASES["ada_skip_c5"], "G_ema": G_CASES["ada_resnet_c5"]}
    return snapshots.snapshot({name: official.network(case) for name, case in networks.items()}, 4, ada=True)


def test_what_is_written(tmp_path, small, capsys):
    folder = converted(tmp_path, small)
    said = capsys.readouterr().out
    assert "stylegan2 generator (G_ema) and stylegan2 discriminator (D), images of 16 x 16" in said
    names = {"config.json", "generator.safetensors", "discriminator.safetensors", "card.md", "manifest.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert json.loads((folder / "config.json").read_text())["kimg"] == 123
    card = (folder / "card.md").read_text()
    assert files.sha256(tmp_path / "network-snapshot-000123.pkl") in card
    assert "network-snapshot-000123.pkl" in card
    assert "licence of the weights is that of their source" in card


def test_the_licence_is_noted_and_results_are_json(tmp_path, small, capsys):
    (tmp_path / "a.pkl").write_bytes(small)
    assert run("convert", tmp_path / "a.pkl", "--out", tmp_path / "b", "--licence", "CC0", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["networks"]["discriminator"] == {"type": "stylegan2", "entry": "D"}
    assert said["image_shape"] == [3, 16, 16]
    card = (tmp_path / "b" / "card.md").read_text()
    assert "stated at import: CC0" in card
    assert "Training length: unknown" in card


def test_the_result_is_sampled_from(tmp_path, small):
    folder = converted(tmp_path, small)
    assert run("sample", folder, "--seeds", "0-3", "--out", tmp_path / "grid.png") == 0
    assert (tmp_path / "grid.png").is_file()


def test_the_result_is_scored(tmp_path, tiny_zip, capsys):
    data = snapshots.snapshot({"G_ema": official.network(G_CASES["t_res16"])}, 3)
    folder = converted(tmp_path, data)
    scored = ("evaluate", "--model", folder, "--data", tiny_zip, "--metrics", "fd-untrained", "--json")
    capsys.readouterr()
    assert run(*scored, "--num-fakes", 40) == 0
    assert json.loads(capsys.readouterr().out)[0]["kimg"] == 123


def test_it_cannot_be_resumed(tmp_path, small, tiny_zip, capsys):
    folder = converted(tmp_path, small)
    options = ("--data", tiny_zip, "--preset", "stylegan2-tiny", "--out", tmp_path / "runs")
    assert run("train", *options, "--resume", folder) == 1
    assert "is for sampling only" in capsys.readouterr().err


def test_without_an_average_the_generator_itself_is_taken(tmp_path, capsys):
    case = G_CASES["t_res16"]
    folder = converted(tmp_path, snapshots.snapshot({"G": official.network(case)}, 3))
    images(case, gan.load(folder))
    assert "generator (G)" in capsys.readouterr().out
    with pytest.raises(CheckpointError, match=r"no discriminator\.safetensors"):
        gan.load_discriminator(folder)
    with pytest.raises(CheckpointError, match=r"no training\.safetensors"):
        checkpoint.read(folder).training()


def test_what_exists_is_not_overwritten(tmp_path, small, capsys):
    folder = converted(tmp_path, small)
    before = sorted(path.stat().st_mtime_ns for path in folder.iterdir())
    assert run("convert", tmp_path / "network-snapshot-000123.pkl", "--out", folder) == 1
    assert "exists already" in capsys.readouterr().err
    assert sorted(path.stat().st_mtime_ns for path in folder.iterdir()) == before


@pytest.mark.parametrize("file", ["r3gan_cond.npz", "r3gan_uncond.npz"])
@pytest.mark.parametrize("inside", ["", "Model."])
def test_r3gan(tmp_path, file, inside):
    if not official.path(file).is_file():
        pytest.skip("no folder of all golden files; set GAN_GOLDEN")
    golden, _ = official.r3gan(file)
    networks = {"G_ema": official.r3gan(file, "G", inside)[1], "D": official.r3gan(file, "D", inside)[1]}
    folder = converted(tmp_path, snapshots.snapshot(networks, 4))
    G, D = gan.load(folder), gan.load_discriminator(folder)
    z, x = (torch.from_numpy(golden[name]).float() for name in ("z", "x"))
    c = torch.from_numpy(golden["c"]).float() if G.c_dim else None
    with torch.no_grad():
        near(G(z, c), torch.from_numpy(golden["img"]).float())
        near(D(x, c)[:, 0], torch.from_numpy(golden["d_logits"]).float())


@pytest.mark.parametrize("case", [c for c in GENERATORS if c.name in ("t_res16", "resnet_c5", "skip_c5")])
def test_what_layers_resolved_goes_before_constructor_arguments(tmp_path, case):
    network = official.network(case)
    kwargs = network.args[0]["state"]["_init_kwargs"]
    for wrong in ({"conv_clamp": 1e-3}, {"architecture": "resnet"}, {"output_scale": 9.0}):
        kwargs.update({key: value for key, value in wrong.items() if key in kwargs or key == "conv_clamp"})
    images(case, gan.load(converted(tmp_path, snapshots.snapshot({"G_ema": network}, 4))))


def test_layers_of_another_plan_are_refused(tmp_path, capsys):
    network = official.network(G_CASES["t_res16"], changed={"out_cutoff": 1.25})
    (tmp_path / "a.pkl").write_bytes(snapshots.snapshot({"G_ema": network}, 4))
    assert run("convert", tmp_path / "a.pkl", "--out", tmp_path / "b") == 1
    assert "L0_" in capsys.readouterr().err


def test_an_option_without_counterpart_is_refused_by_name(tmp_path, capsys):
    network = official.network(G_CASES["skip_c5"])
    network.args[0]["state"]["_init_kwargs"]["use_attention"] = True
    (tmp_path / "a.pkl").write_bytes(snapshots.snapshot({"G_ema": network}, 4))
    assert run("convert", tmp_path / "a.pkl", "--out", tmp_path / "b") == 1
    assert "use_attention" in capsys.readouterr().err


def test_a_last_block_of_another_kind_is_refused(tmp_path, capsys):
    network = official.network(D_CASES["resnet_c5"])
    parts = network.args[0]["state"]["_modules"]["b4"].args[0]["state"]["_modules"]
    parts["fc"].args[0]["state"]["activation"] = "relu"
    networks = {"G_ema": official.network(G_CASES["skip_c5"]), "D": network}
    (tmp_path / "a.pkl").write_bytes(snapshots.snapshot(networks, 4))
    assert run("convert", tmp_path / "a.pkl", "--out", tmp_path / "b") == 1
    assert "last block has another activation" in capsys.readouterr().err
