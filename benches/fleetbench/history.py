"""A long history: the same small file changes before each of many checkpoints, a quarter of an hour
apart by their stamps, and old ones are pruned as they come.

fleet runs as a library in `benches/history.rs`, for its clock is told there; restic reads the same
folder straight from the disk, with `--time`. What restic writes into its cache is left out.
"""

import datetime
import json
import os
import subprocess
import time
from statistics import median

from . import data
from .bed import cargo, executable, find_tool, kept_bytes, say

KEEP = {"last": 10, "hourly": 24, "daily": 7}
APART = datetime.timedelta(minutes=15)
BEGIN = datetime.datetime(2026, 1, 5, 0, 0, 0)
EXTRA = 7  # unchanged checkpoints that are timed early and late
EARLY = 3


class Written:
    """Sizes of files as they appear in a folder: what a tool wrote and kept for one step at least."""

    def __init__(self, folder):
        self.folder = folder
        self.seen = {}
        self.bytes = 0

    def look(self):
        found = {}
        for at, _, names in os.walk(self.folder):
            for name in names:
                facts = os.lstat(os.path.join(at, name))
                found[(facts.st_ino, facts.st_mtime_ns)] = facts.st_size
        self.bytes += sum(size for key, size in found.items() if key not in self.seen)
        self.seen = found


class Fleet:
    def __init__(self, session, job, link):
        bed = session.bed
        binary = os.environ.get("FLEET_BENCH_HISTORY")
        if not binary:
            say("building the history bench …")
            messages = cargo("bench", "--no-run", "--bench", "history")
            binary = executable(messages, "history")
        keep = ", ".join(f"{period}: {number}" for period, number in KEEP.items())
        inventory = bed.write("history.yaml", f"""\
version: 1
hosts:
  bench:
    env: dev
    keep: {{ {keep} }}
    sources: {{ data: {{ directory: {job.data} }} }}
""")
        self.folder = bed.path("kept", "history", "fleet")
        os.makedirs(self.folder)
        self.process = subprocess.Popen(
            [binary, inventory, link.ssh_config, os.path.join(self.folder, "store"), "bench"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=bed.environment(),
        )

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"benches: history ended at `{command}`")
        return json.loads(answer)

    def checkpoint(self, at):
        return self.say(f"checkpoint {at.isoformat()}Z")

    def prune(self):
        return self.say("prune")

    def kernel_bytes(self):
        with open(f"/proc/{self.process.pid}/io") as file:
            return int(dict(line.split(": ") for line in file.read().splitlines())["write_bytes"])

    def peak_mib(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        return 0.0

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Restic:
    def __init__(self, session, job):
        self.bed, self.data = session.bed, job.data
        self.folder = self.bed.path("kept", "history", "restic")
        os.makedirs(self.folder)
        self.run("init")

    def run(self, *words):
        began = time.monotonic()
        subprocess.run(
            ["restic", "-q", *words], check=True,
            env=self.bed.environment({
                "RESTIC_PASSWORD": "bench",
                "RESTIC_REPOSITORY": self.folder,
                "RESTIC_CACHE_DIR": self.bed.path("kept", "history", "cache"),
            }),
        )
        return time.monotonic() - began

    def checkpoint(self, at):
        return self.run("backup", "--time", at.strftime("%Y-%m-%d %H:%M:%S"), self.data)

    def prune(self):
        keep = [word for period, number in KEEP.items() for word in (f"--keep-{period}", str(number))]
        return self.run("forget", "--prune", *keep)


def measure(session, job, steps):
    with session.bed.link() as link:
        fleet = Fleet(session, job, link)
        try:
            restic = None
            if session.asked.rivals != [] and find_tool("restic"):
                restic = Restic(session, job)
            elif session.asked.rivals != []:
                say("*** SKIPPED: restic is not installed ***")
            _measure(session, job, steps, fleet, restic)
        finally:
            fleet.close()


def _measure(session, job, steps, fleet, restic):
    every = session.asked.prune_every
    ours, theirs = Written(fleet.folder), Written(restic.folder if restic else "/nonexistent")
    seconds, restic_seconds, packs = [], [], 0
    unchanged = {}
    at = BEGIN
    for step in range(1, steps + 1):
        if step > 1:
            data.change_one_small(job.data, step)
        at += APART
        taken = fleet.checkpoint(at)
        seconds.append(taken["seconds"])
        packs = max(packs, taken["packs"])
        fleet.prune()
        ours.look()
        if restic:
            restic_seconds.append(restic.checkpoint(at))
            if step % every == 0 or step == steps:
                restic.prune()
            theirs.look()
        if step in (EARLY, steps):
            # One second apart, so that they fall into the same quarter of an hour.
            time.sleep(2.1)
            extra = [
                fleet.checkpoint(at + datetime.timedelta(seconds=second))["seconds"]
                for second in range(1, EXTRA + 1)
            ]
            unchanged[step] = median(extra)
            if step == steps:
                fleet.prune()
            ours.look()
        if step <= EARLY or step % 20 == 0 or step == steps:
            them = f"; restic: kept {kept_bytes(restic.folder) / 1e6:.0f} MB, wrote {theirs.bytes / 1e6:.0f} MB" if restic else ""
            say(
                f"  {step:3}/{steps}: {taken['seconds']:.2f} s, {taken['packs']} packs; fleet: kept "
                f"{kept_bytes(fleet.folder) / 1e6:.0f} MB, wrote {ours.bytes / 1e6:.0f} MB{them}"
            )
    _tell(session, steps, fleet, restic, ours, theirs, seconds, restic_seconds, packs, unchanged)


def _tell(session, steps, fleet, restic, ours, theirs, seconds, restic_seconds, packs, unchanged):
    kept = kept_bytes(fleet.folder)
    early = median(seconds[1:11]) if len(seconds) > 1 else 0
    late = median(seconds[-10:])
    lines = [
        f"### {steps} checkpoints of (b), one small file changed each",
        "",
        "| | fleet | restic |",
        "|---|---:|---:|",
    ]

    def row(name, mine, other=None):
        lines.append(f"| {name} | {mine} | {other if other is not None else ''} |")

    def restic_mb(value):
        return f"{value / 1e6:.0f}" if restic else ""

    restic_kept = kept_bytes(restic.folder) if restic else 0
    row("kept, MB", f"{kept / 1e6:.0f}", restic_mb(restic_kept))
    row("written, new files after each step, MB", f"{ours.bytes / 1e6:.0f}", restic_mb(theirs.bytes))
    row("written, as the kernel counts it, MB", f"{fleet.kernel_bytes() / 1e6:.0f}")
    row("a checkpoint, median of the first ten changed, s", f"{early:.2f}",
        f"{median(restic_seconds[1:11]):.2f}" if len(restic_seconds) > 1 else "")
    row("a checkpoint, median of the last ten, s", f"{late:.2f}",
        f"{median(restic_seconds[-10:]):.2f}" if restic_seconds else "")
    row(f"unchanged after {EARLY}, median of {EXTRA}, s", f"{unchanged.get(EARLY, 0):.3f}")
    row(f"unchanged after {steps}, median of {EXTRA}, s", f"{unchanged.get(steps, 0):.3f}")
    row("most packs of one checkpoint", packs)
    row("peak memory, MiB", f"{fleet.peak_mib():.1f}")
    session.print("\n".join(lines) + "\n")
    results = session.results
    if restic:
        results.bar(f"disk after {steps} pruned checkpoints of (b)", "≤ 1.1 × restic's", kept / restic_kept, 1.1)
        results.bar(f"written over {steps} checkpoints of (b)", "≤ 3 × restic's", ours.bytes / theirs.bytes, 3.0)
    if EARLY in unchanged and steps in unchanged:
        results.bar(
            f"unchanged (b) after {steps} checkpoints", f"≤ 1.1 × after {EARLY}",
            unchanged[steps] / unchanged[EARLY], 1.1,
        )
