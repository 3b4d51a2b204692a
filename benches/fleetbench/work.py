"""One workload: files, hosts and tools that pull them by turns, phase after phase."""

import shutil
import time

from . import data
from .bed import Failed, say

# Longer than the coarsest clock that decides whether a file is unchanged.
SETTLE_SECONDS = 2.1


class Job:
    """What is pulled from whom."""

    def __init__(self, bed, name, make, hosts=1, jobs=1):
        self.bed = bed
        self.name = name
        self.jobs = jobs
        self.version = 0
        self.data = bed.path("data")
        width = len(str(hosts))
        self.hosts = ["bench"] if hosts == 1 else [
            f"bench-{number:0{width}}" for number in range(1, hosts + 1)
        ]
        shutil.rmtree(self.data, ignore_errors=True)
        data.copy_of(make, self.data, say)
        time.sleep(SETTLE_SECONDS)
        lines = [
            f"  {host}: {{ env: dev, sources: {{ data: {{ directory: {self.data} }} }} }}"
            for host in self.hosts
        ]
        self.inventory = bed.write("fleet.yaml", "version: 1\nhosts:\n" + "\n".join(lines) + "\n")

    def change(self):
        self.version += 1
        data.change(self.data, self.version)
        time.sleep(SETTLE_SECONDS)

    def end(self):
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.bed.path("kept"), ignore_errors=True)


class Contest:
    """Tools on a job, at one round-trip time."""

    def __init__(self, job, tools, results, delay=0, mbit=None):
        self.job = job
        self.results = results
        self.delay = delay
        self.mbit = (1000 if delay else 0) if mbit is None else mbit
        self.tools = [tool(job) for tool in tools]
        self.turn = 0
        self.failed = []
        self._wire = {}
        results.order = [tool.name for tool in self.tools]

    def _taking_turns(self, phase):
        tools = [tool for tool in self.tools if phase in tool.phases]
        at = self.turn % len(tools) if tools else 0
        self.turn += 1
        return tools[at:] + tools[:at]

    def pull_once(self, phase, tool, counted=False, fresh=False):
        """One pull; None if the tool failed, which takes it out of the contest."""
        try:
            if fresh:
                tool.fresh()
            with self.job.bed.link(self.delay, self.mbit, counted) as link:
                run = tool.pull(link)
            run.wire = link.up + link.down
            return run
        except Failed as error:
            say(f"*** {tool.name} FAILED in {self.job.name} {phase}: {error} ***")
            self.failed.append(tool.name)
            self.tools.remove(tool)
            return None

    def _round(self, phase, number, of, fresh=False):
        """Everybody once. Where nothing else counts bytes, the round 0 does and is not timed."""
        counting = number == 0
        for tool in self._taking_turns(phase):
            if tool.slow and number != 1:
                continue
            run = self.pull_once(phase, tool, counted=counting, fresh=fresh)
            if run is None:
                continue
            if counting:
                self._wire[tool.name] = run.wire
                say(f"  {phase:9} counting: {tool.name:28} {run.wire / 1e6:9.3f} MB on the wire")
                continue
            run.wire = run.wire or self._wire.get(tool.name, 0)
            self.results.add(self.job.name, self.delay, phase, tool.name, run)
            say(
                f"  {phase:9} {number:2}/{of:<2}   {tool.name:28} {run.wall:8.2f} s, CPU {run.cpu:7.2f}"
                f" + {run.host_cpu:6.2f} s, {run.peak_kib / 1024:6.1f} MiB"
            )

    def _rounds(self, phase, runs, fresh=False, before=None):
        self._wire = {}
        counts = self.delay == 0 and not self.mbit
        for number in range(0 if counts else 1, runs + 1):
            if before:
                before()
            self._round(phase, number, runs, fresh)

    def _kept(self, phase):
        for tool in self.tools:
            runs = self.results.runs.get((self.job.name, self.delay, phase), {}).get(tool.name)
            if runs:
                runs[-1].kept = tool.kept()

    def first(self, runs):
        self._rounds("first", runs, fresh=True)
        self._kept("first")

    def unchanged(self, runs):
        self._rounds("unchanged", runs)
        self._kept("unchanged")

    def changed(self, runs):
        """Each round changes 1 % first. What is kept after it is `runs` + 1 checkpoints, and one more
        where bytes were counted."""
        self._rounds("changed", runs, before=self.job.change)
        self._kept("changed")
