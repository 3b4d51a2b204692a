"""Putting files back onto a host: fleet and its rivals, each from the same state of the host.

The workstation has a checkpoint and a copy of the same files; before each run the host's folder is
emptied or damaged again.
"""

import json
import os
import shutil
import subprocess
import time

from . import data
from .bed import Failed, find_tool, kept_bytes, say
from .tools import Tool
from .work import SETTLE_SECONDS, Contest, Job

WHOLE, CHANGED, UNCHANGED = "whole", "1 % different", "unchanged"


class RestoreJob(Job):
    """A writable host that has the files, and a copy of them on the workstation."""

    def __init__(self, bed, name, make):
        super().__init__(bed, name, make)
        host = f"  bench: {{ env: dev, access: writable, sources: {{ data: {{ directory: {self.data} }} }} }}"
        self.inventory = bed.write("fleet.yaml", f"version: 1\nhosts:\n{host}\n")
        self.copy = bed.path("copy")
        shutil.rmtree(self.copy, ignore_errors=True)
        subprocess.run(["cp", "-a", "--reflink=auto", self.data, self.copy], check=True)

    def ready(self, phase):
        """Brings the host into the state from which a run begins. Not timed."""
        if phase == WHOLE:
            shutil.rmtree(self.data, ignore_errors=True)
            os.makedirs(self.data)
        elif phase == CHANGED:
            self.version += 1
            data.change(self.data, self.version)
        time.sleep(SETTLE_SECONDS)

    def expect_restored(self):
        """Raises if the host's files are not those of the copy."""
        ran = subprocess.run(
            ["rsync", "-a", "-n", "-i", "--checksum", "--delete", f"{self.copy}/", f"{self.data}/"],
            stdout=subprocess.PIPE, text=True, check=True,
        ) if find_tool("rsync") else subprocess.run(
            ["diff", "-rq", self.copy, self.data], stdout=subprocess.PIPE, text=True,
        )
        if ran.stdout:
            raise Failed(f"the host has other files now:\n{ran.stdout[:2000]}")

    def end(self):
        shutil.rmtree(self.copy, ignore_errors=True)
        super().end()


class RestoreContest(Contest):
    """Tools that restore by turns. Each run begins with a host in the state of the phase."""

    def pull_once(self, phase, tool, counted=False, fresh=False):
        tool.mbit = self.mbit
        try:
            tool.before(phase)
            self.job.ready(phase)
        except (Failed, subprocess.CalledProcessError) as error:
            say(f"*** {tool.name} FAILED before {self.job.name} {phase}: {error} ***")
            self.failed.append(tool.name)
            self.tools.remove(tool)
            return None
        run = super().pull_once(phase, tool, counted=counted)
        if run is not None:
            try:
                self.job.expect_restored()
            except Failed as error:
                say(f"*** {tool.name} FAILED in {self.job.name} {phase}: {error} ***")
                self.failed.append(tool.name)
                self.tools.remove(tool)
                return None
        return run

    def phase(self, phase, runs):
        self._rounds(phase, runs)


class RestoreTool(Tool):
    """A way of putting the files back."""

    phases = (WHOLE, CHANGED)
    mbit = 0

    def before(self, phase):
        """What comes before the host is damaged. Not timed."""

    def argv(self, link):
        words = {"S": link.ssh_config, "D": self.job.data, "C": self.job.copy}
        setting = "; ".join(f"export {key}={value}" for key, value in words.items())
        return ["bash", "-c", f"set -euo pipefail; {setting}; {self.script()}"]

    def kept(self):
        return 0


class FleetStore(RestoreTool):
    """What is common to calls of fleet: one store, which has a checkpoint of the files."""

    def env(self):
        return {"FLEET_STATE": self.job.bed.path("state")}

    def store(self):
        os.makedirs(self.job.bed.path("kept"), exist_ok=True)
        # fleet remembers how fast the link was: each link has a store of its own.
        return self.job.bed.path("kept", f"store-{self.mbit}")

    def call(self, config, *words):
        return [
            self.job.bed.fleet, "-q", "-i", self.job.inventory, "-F", config, "--store", self.store(), *words,
        ]

    def checkpoint(self):
        """Takes a checkpoint, not timed, and returns its identifier."""
        with self.job.bed.link(0, self.mbit) as link:
            argv = self.call(link.ssh_config, "--json", "checkpoint", "--all")
            ran = subprocess.run(
                argv, env=self.job.bed.environment(self.env()), stdout=subprocess.PIPE, text=True,
            )
        if ran.returncode != 0:
            raise Failed(f"{' '.join(argv)}: exit status {ran.returncode}\n{ran.stdout[-2000:]}")
        return json.loads(ran.stdout.splitlines()[-1])["checkpoints"][0]["id"]

    def kept(self):
        return kept_bytes(self.store())


class FleetRestore(FleetStore):
    name = "fleet"
    phases = (WHOLE, CHANGED, UNCHANGED)
    wanted = None

    def before(self, phase):
        if self.wanted is None:
            self.wanted = self.checkpoint()
        elif phase != WHOLE:
            # The last checkpoint is of the host as it was before it is damaged, whoever restored it.
            self.checkpoint()

    def argv(self, link):
        return self.call(link.ssh_config, "restore", self.wanted, "--confirm", "bench")


class FleetUnchanged(FleetStore):
    """What a checkpoint of a host takes on which nothing has changed."""

    name = "fleet checkpoint"
    phases = (UNCHANGED,)
    measure_of_all = True

    def argv(self, link):
        return self.call(link.ssh_config, "checkpoint", "--all")


class Tar(RestoreTool):
    name = "ssh tar x"
    phases = (WHOLE,)

    def script(self):
        return 'tar -C "$C" -cf - . | ssh -F "$S" bench "tar -C $D -xpf -"'


class TarProven(RestoreTool):
    """What fleet does, by hand: on the disk and read back. The host's fastest tool hashes."""

    name = "ssh tar x, sync, hash"
    phases = (WHOLE,)

    def script(self):
        hashing = "openssl dgst -sha256 -r" if find_tool("openssl") else "sha256sum --"
        return (
            'tar -C "$C" -cf - . | ssh -F "$S" bench "tar -C $D -xpf - && sync -f $D && '
            f'find $D -type f -print0 | xargs -0 {hashing}" > /dev/null'
        )


class RsyncRestore(RestoreTool):
    name = "rsync -a"
    packages = {"rsync": "rsync"}

    def script(self):
        return 'rsync -a -e "ssh -F $S" "$C/" "bench:$D/"'


QUICK = [FleetRestore, FleetUnchanged, Tar, TarProven, RsyncRestore]
