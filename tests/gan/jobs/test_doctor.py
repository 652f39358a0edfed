"""What an installation lacks, read from what its packages ask for."""

from importlib import metadata

from gan.jobs import doctor

REQUIRES = {
    "mine": [
        "torch>=2.9",
        "absent",
        'ruff ; extra == "dev"',
        'lost>=1; extra == "dev"',
        'winonly; sys_platform == "nowhere" and extra == "dev"',
        'kit[nvcc,cccl]; extra == "cuda"',
    ],
    "kit": ['nvcc-part<2; extra == "nvcc"', 'cccl-part; extra == "cccl"', 'other-part; extra == "all"'],
}


def test_absent_packages(monkeypatch):
    there = {"mine", "torch", "ruff", "kit", "cccl-part"}

    def version(name):
        if name not in there:
            raise metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "requires", REQUIRES.get)
    assert doctor.absent("mine") == ["absent"]
    assert doctor.absent("mine", "dev") == ["lost"]
    assert doctor.absent("mine", "cuda") == ["nvcc-part"]
