"""The files that are pulled: made once from a fixed seed, kept in a cache, copied for each run.

Half of the bytes do not compress, the other half are logs and settings that compress four- to
tenfold. Everything is drawn from a seed, so that two machines measure the same bytes.
"""

import os
import random
import shutil
import stat
import subprocess
import tempfile

VERSION = 1
MB = 1_000_000


def cache_folder():
    """A folder of our own below $TMPDIR, refused if it is anybody else's."""
    path = os.path.join(tempfile.gettempdir(), f"fleet-bench-cache-{os.getuid()}")
    os.makedirs(path, mode=0o700, exist_ok=True)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise SystemExit(f"benches: {path} is not a folder that only you can write")
    return path


def noise(rng, size):
    return rng.randbytes(size)


_LEVELS = ["INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"]
_VERBS = ["accepted", "closed", "retried", "queued", "translated", "dropped", "parsed", "stored"]
_NOUNS = ["call", "frame", "session", "request", "segment", "row", "token", "upload"]


def text(rng, size):
    """Lines of a log, no two alike."""
    lines, length, at = [], 0, 1_700_000_000 + rng.randrange(10_000_000)
    while length < size:
        at += rng.randrange(3)
        line = (
            f"{at}.{rng.randrange(1000):03} {rng.choice(_LEVELS)} worker[{rng.randrange(4000)}] "
            f"{rng.choice(_VERBS)} {rng.choice(_NOUNS)} id={rng.randrange(1 << 24):06x} "
            f"took={rng.randrange(900)}ms peer=10.0.{rng.randrange(4)}.{rng.randrange(250)}\n"
        )
        lines.append(line)
        length += len(line)
    return "".join(lines).encode()[:size]


def content(rng, size):
    """A file of noise or of text."""
    return noise(rng, size) if rng.random() < 0.5 else text(rng, size)


def _tree(folder, files, size, folders):
    rng = random.Random(f"tree {files} {size}")
    # Sizes as file systems have them: many small, few large, and exactly `size` in all.
    weights = [rng.lognormvariate(0, 1.2) for _ in range(files)]
    scale = size / sum(weights)
    for number, weight in enumerate(weights):
        inside = os.path.join(folder, f"d{number % folders // 10:02}", f"e{number % folders:03}")
        os.makedirs(inside, exist_ok=True)
        with open(os.path.join(inside, f"f{number:05}"), "wb") as file:
            file.write(content(rng, max(1, int(weight * scale))))


def small(folder):
    """(a) 980 files, 26 MB."""
    _tree(folder, 980, 26 * MB, 40)


def tree(folder):
    """(b) 20,000 files, 1 GB."""
    _tree(folder, 20_000, 1000 * MB, 400)


def one_file(folder):
    """(c) one file of 2 GB: noise and text by turns, 8 MB each."""
    rng = random.Random("file")
    with open(os.path.join(folder, "one"), "wb") as file:
        for number in range(250):
            file.write((noise if number % 2 else text)(rng, 8 * MB))


def tiny(folder):
    """(d) three small files."""
    rng = random.Random("tiny")
    for name in ("one", "two", "three"):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(text(rng, 1000))


def copy_of(make, target, say):
    """Puts a copy of the data that `make` makes at `target`."""
    cache = os.path.join(cache_folder(), f"{make.__name__}-{VERSION}")
    if not os.path.isdir(cache):
        say(f"making the data `{make.__name__}` (once, kept in {cache}) …")
        making = tempfile.mkdtemp(prefix="making.", dir=cache_folder())
        try:
            make(making)
            os.chmod(making, 0o755)
            os.rename(making, cache)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
    subprocess.run(["cp", "-a", "--reflink=auto", cache, target], check=True)


def change(folder, round_number, share=0.01):
    """Gives one file in a hundred new content of the same size; of a single file, one block in a
    hundred. Other files each round. Returns how many were changed."""
    rng = random.Random(f"change {round_number}")
    paths = sorted(
        os.path.join(at, name) for at, _, names in os.walk(folder) for name in names
    )
    if len(paths) == 1:
        block = 65536
        blocks = os.path.getsize(paths[0]) // block
        chosen = rng.sample(range(blocks), max(1, int(blocks * share)))
        with open(paths[0], "r+b") as file:
            for number in chosen:
                file.seek(number * block)
                file.write(noise(rng, block))
        return 1
    chosen = rng.sample(paths, max(1, int(len(paths) * share)))
    for path in chosen:
        size = os.path.getsize(path)
        with open(path, "wb") as file:
            file.write(content(rng, size))
    return len(chosen)


def change_one_small(folder, step):
    """Rewrites the same small file, as a state file that a service keeps."""
    rng = random.Random(f"step {step}")
    paths = sorted(
        os.path.join(at, name) for at, _, names in os.walk(folder) for name in names
    )
    with open(paths[len(paths) // 2], "wb") as file:
        file.write(text(rng, 4000))
