"""Shell blocks of pages that speak of hours and of a reader's own files: how they are made to run in moments.

A command is typed as it stands on the page, with options behind it that make it short: of an option that
comes twice the last one counts. `SHORT` has all of them. What a page calls optional, `[--full]` or `SRC...`,
is left out. `NOT_TYPED` has what no test types, and why; a block of nothing else says so on its page.
"""

import re
import shlex

from tests.docs.commands import lines
from tests.docs.pages import Block
from tests.gan.models.fake_hub import TOKEN

# Pattern of a command -> options that are typed behind it.
SHORT = {
    r"gan train .*--data ": "--kimg 0.016 --set threads=1 --set data.workers=0",
    r"gan train .*--resume": "--kimg 0.024",
    r"gan train .*--preset stylegan": "--set generator.channel_max=8 --set discriminator.channel_max=8",
    r"gan train .*--preset r3gan": "--batch 8 "
    "--set generator.widths=[8,8,8,8] --set discriminator.widths=[8,8,8,8]",
    r"gan train .*--preset few-shot": "--set generator.channel_max=8 "
    "--set discriminator.feature_resolution=64",
    r"gan train .*--metrics ": "--metrics-fakes 32",
    r"gan tune ": "--gammas 1,10 --pilot-kimg 0.016 --num-fakes 16 --set generator.channel_max=8 "
    "--set discriminator.channel_max=8 --set threads=1 --set data.workers=0",
    r"gan (evaluate|compare) .*--data": "--num-fakes 32",
    r"gan sample .*--seeds 0-\d\d": "--seeds 0-15",
    r"gan sample (?!.*--like).*(\.mp4|\.gif|--animate)": "--frames-per-seed 2",
    r"gan sample .*--size ": "--size 128x64",
    r"gan directions .*--score": "--samples 64",
    r"gan project ": "--steps 5 --tune-steps 2 --distance pixels",
    r"gan report .*--nearest ": "--nearest 8",
    r"gan data (prepare|openmoji) ": "--resolution 32 --workers 1",
    r"gan data subset ": "--count 20",
    r"gan serve (run )?(RUN|runs/)": "--port 0",
    r"gan serve cost ": "--images 8",
    r"hf auth login": f"--token {TOKEN}",
    r"gan ops bench": "--only bias_act --repeats 1 --batch 1",
}
# Pattern of a line -> why no test types it.
NOT_TYPED = {
    r"pip |git |cd gan": "the network",
    r"make |tensorboard |python -m benchmarks|gan demo": "minutes to hours, or no end",
    r"curl |gan verify (7|picture)\.png|gan serve audit verify": "asks a server, or for what it answered",
    r"export |'?head=|srun ": "SLURM",
    r"torchrun ": "several processes: tests/gan/cli/test_train_processes.py and test_evaluate_processes.py",
    r"gan .*--metrics \S*(?<![\w\[-])pr\b(?!\[)|gan evaluate \.\.\.": "VGG16, 528 MB of weights",
    r"gan evaluate .*eq-t": "a StyleGAN3: tests/metrics/test_equivariance.py",
    r"gan serve .*--ray": "a cluster of Ray: tests/gan/web/test_serve_ray.py",
    r"gan serve keys .*--config": "a Redis: tests/gan/jobs/serving/test_shared_keys.py",
    r"gan ops build --cuda": "nvcc: tests/ops",
    r"python .*app\.py": "a page of gradio, without end: tests/gan/jobs/test_space.py",
}


def commands(block: Block) -> list[str]:
    """The commands of a block, comments and options in brackets left out."""
    found = []
    for line in lines(block.text):
        line = re.sub(r" \[[^]]*\]", "", line) if re.match(r"(\.venv/bin/)?gan ", line) else line
        words = shlex.join(shlex.split(line, comments=True))
        for command in words.replace("'&&'", "&&").replace("'>>'", ">>").split(" && "):
            found.append(re.sub(r"(?<=\w)\.\.\.(?= |$)", "", command.removeprefix(".venv/bin/")))
    return found


def reason(command: str) -> str:
    """Why no test types a command, "" where one does."""
    return next((why for pattern, why in NOT_TYPED.items() if re.match(pattern, command)), "")


def shortened(command: str) -> str:
    """The command with what makes it short behind it."""
    more = [options for pattern, options in SHORT.items() if re.match(pattern, command)]
    return " ".join([command, *more])
