"""The workloads of the bench, and the bars that each is held to."""

import json
import os
import socket
import subprocess
import threading
import time

from . import data, history, restoring, tools
from .bed import Failed, say
from .work import Contest, Job

TAR_ZSTD = tools.TarZstd.name
TAR_GZIP = tools.TarGzip.name
RSYNC = tools.Rsync.name
RSYNC_RESTIC = tools.RsyncRestic.name
RSYNC_BORG = tools.RsyncBorg.name
QUICK = [
    tools.Fleet, tools.TarZstd, tools.TarGzip, tools.Rsync, tools.RsyncRestic, tools.RsyncBorg,
]
PEAK_MAX_MIB = 64e6 / 1024 / 1024


class Session:
    """What the command line asked for, and what came of it."""

    def __init__(self, bed, results, asked):
        self.bed = bed
        self.results = results
        self.asked = asked
        self.failed = []

    def runs(self, usual):
        return self.asked.runs or usual

    def delays(self, usual):
        return self.asked.delay or usual

    def tools(self, quick, more=()):
        """Fleet and those rivals that are asked for and there."""
        chosen = list(quick) + (list(more) if self.asked.full else [])
        if self.asked.rivals is not None:
            words = self.asked.rivals
            chosen = [
                tool for tool in [*quick, *more]
                if issubclass(tool, tools.Fleet) or tool.measure_of_all
                or any(word in tool.name for word in words)
            ]
        return tools.install(chosen, say)

    def contest(self, job, chosen, delay, mbit=None):
        contest = Contest(job, chosen, self.results, delay, mbit if mbit is not None else self.asked.mbit)
        self.failed.append((job.name, contest.failed))
        return contest

    def print(self, text):
        if text:
            print(text, flush=True)


def _phases(session, job, chosen, delay, first, unchanged, changed, title, mbit=None):
    contest = session.contest(job, chosen, delay, mbit)
    way = f"{delay} ms round trip, {contest.mbit or 'unlimited'} Mbit/s" if delay else "loopback"
    say(f"{title}, {way}")
    for phase, runs in (("first", first), ("changed", changed), ("unchanged", unchanged)):
        if runs:
            getattr(contest, phase)(runs)
            session.print(
                session.results.table(job.name, delay, phase, f"{title}, {phase}, {way}")
            )
    return contest


def small(session):
    """(a) 980 files, 26 MB: first, 1 % changed, unchanged; at 0, 40 and 100 ms"""
    job = Job(session.bed, "(a)", data.small)
    runs = session.runs(5)
    results = session.results
    more = [tools.StreamRestic, tools.StreamBorg]
    chosen = session.tools([*QUICK, tools.Rsnapshot, tools.AnsibleSynchronize], more)
    for delay in session.delays([0, 40, 100]):
        _phases(session, job, chosen, delay, runs, runs, runs, "(a) 980 files, 26 MB")
        if delay == 0:
            results.ratio_bar("(a)", 0, "first", TAR_ZSTD, 1.0)
            results.ratio_bar("(a)", 0, "changed", RSYNC, 0.7)
            results.ratio_bar("(a)", 0, "unchanged", RSYNC, 0.6)
            results.ratio_bar("(a)", 0, "unchanged", RSYNC, 1.0, "host_cpu")
    job.end()


def tree(session):
    """(b) 20,000 files, 1 GB: first, 1 % changed, unchanged; disk after ten checkpoints"""
    job = Job(session.bed, "(b)", data.tree)
    runs = session.runs(3)
    more = [tools.StreamRestic, tools.StreamBorg, tools.Rsnapshot, tools.AnsibleSynchronize]
    chosen = session.tools(QUICK, more)
    results = session.results
    for delay in session.delays([0]):
        # Nine rounds of changes, the one that counts bytes included, make ten checkpoints.
        rounds = 8 if delay == 0 and not session.asked.runs else runs
        contest = _phases(
            session, job, chosen, delay, runs, runs + 2, rounds, "(b) 20,000 files, 1 GB"
        )
        if delay:
            continue
        results.ratio_bar("(b)", 0, "first", TAR_ZSTD, 1.0)
        results.ratio_bar("(b)", 0, "first", RSYNC_RESTIC, 0.5)
        results.ratio_bar("(b)", 0, "first", RSYNC_BORG, 0.5)
        results.ratio_bar("(b)", 0, "first", TAR_GZIP, 0.2)
        results.ratio_bar("(b)", 0, "unchanged", RSYNC, 0.5)
        results.ratio_bar("(b)", 0, "unchanged", RSYNC_RESTIC, 0.25)
        results.ratio_bar("(b)", 0, "changed", RSYNC, 0.6)
        _peak_bar(results, "(b)", ("first", "changed", "unchanged"))
        _disk(session, contest, rounds + 2)
    job.end()


def _peak_bar(results, workload, phases):
    peaks = [results.median(workload, 0, phase, "fleet", "peak_kib") for phase in phases]
    peaks = [peak / 1024 for peak in peaks if peak]
    if peaks:
        results.bar(f"peak memory of {workload}", "≤ 64 MB (61.0 MiB)", max(peaks), PEAK_MAX_MIB, " MiB")


def _disk(session, contest, checkpoints):
    """What is kept after the changes. The unchanged pulls that came later hardly add to it."""
    by_tool = session.results.runs.get(("(b)", 0, "changed"), {})
    kept = {tool: runs[-1].kept for tool, runs in by_tool.items()}
    if not kept:
        return
    lines = [f"### Disk after {checkpoints} checkpoints of (b), 1 % changed each", "", "| | MB | fleet / it |", "|---|---:|---:|"]
    for tool in sorted(kept, key=session.results.order.index):
        ratio = f"{kept['fleet'] / kept[tool]:.2f}" if "fleet" in kept and kept[tool] else ""
        lines.append(f"| {tool} | {kept[tool] / 1e6:.0f} | {ratio} |")
    session.print("\n".join(lines) + "\n")
    if "fleet" in kept and RSYNC_RESTIC in kept:
        session.results.bar(
            f"disk after {checkpoints} checkpoints of (b)", "≤ restic's", kept["fleet"] / kept[RSYNC_RESTIC], 1.0
        )


def file(session):
    """(c) one file of 2 GB: first and unchanged; and at 100 ms and 1 Gbit/s"""
    job = Job(session.bed, "(c)", data.one_file)
    results = session.results
    for delay in session.delays([0, 100]):
        if delay == 0:
            runs = session.runs(3)
            chosen = session.tools(QUICK, [tools.StreamRestic, tools.StreamBorg])
            changed = runs if session.asked.full else 0
            _phases(session, job, chosen, delay, runs, runs, changed, "(c) one file, 2 GB")
            results.ratio_bar("(c)", 0, "first", TAR_ZSTD, 1.10)
            results.ratio_bar("(c)", 0, "first", RSYNC_RESTIC, 0.5)
            results.ratio_bar("(c)", 0, "first", RSYNC_BORG, 0.5)
            results.ratio_bar("(c)", 0, "first", TAR_GZIP, 0.2)
            _peak_bar(results, "(c)", ("first", "unchanged", "changed"))
            continue
        chosen = session.tools([tools.Fleet, tools.SshNull], [tools.TarZstd, tools.Rsync])
        contest = _phases(
            session, job, chosen, delay, session.runs(2), 0, 0, "(c) one file, 2 GB"
        )
        ours = results.median("(c)", delay, "first", "fleet")
        theirs = results.median("(c)", delay, "first", tools.SshNull.name)
        if ours:
            size = os.path.getsize(os.path.join(job.data, "one"))
            link = contest.mbit * 1e6 / 8
            best = max(link, size / theirs if theirs else 0)
            # Turned over, so that less is better, as with the other bars.
            results.bar(
                f"first (c), {delay} ms, {contest.mbit} Mbit/s: {size / ours / 1e6:.1f} MB/s of {best / 1e6:.1f}",
                "time ≤ 1 / 0.9 of the link's", best / (size / ours), 1 / 0.9,
            )
    job.end()


def hosts(session):
    """(d) 500 hosts, hardly anything to do: doctor, and a checkpoint of three small files, against ansible's ping"""
    forks, results = 24, session.results
    many = session.asked.hosts or 500
    # More than run at once, so that the difference is what each further host takes.
    few = max(min(many, 3 * forks), many // 5)
    pings = [tools.AnsiblePing, tools.AnsiblePingPipelined]
    peaks = {}
    for number in sorted({few, many}):
        job = Job(session.bed, f"(d) {number}", data.tiny, hosts=number, jobs=forks)
        title = f"(d) {number} hosts, {forks} at once"
        for delay in session.delays([0]):
            usual = [tools.FleetDoctor, tools.Fleet, tools.SshTrue]
            if number == many:
                usual += pings[:1]
            chosen = session.tools(usual, pings[1:] if number == many else [])
            runs = session.runs(3)
            _phases(session, job, chosen, delay, runs, runs, 0, title)
            for tool in ("fleet", "fleet doctor"):
                for phase in ("first", "unchanged"):
                    peak = results.median(job.name, delay, phase, tool, "peak_kib")
                    if peak:
                        peaks.setdefault((tool, delay, phase), []).append(peak / 1024)
        job.end()
    for (tool, delay, phase), found in peaks.items():
        if len(found) == 2:
            each = (found[1] - found[0]) / (many - few)
            results.bar(
                f"memory of `{tool}`, {phase}, {delay} ms: {found[0]:.1f} MiB at {few} hosts, {found[1]:.1f} at {many}",
                "≤ 0.25 MB a host", each * 1.048576, 0.25, " MB",
            )
    name = f"(d) {many}"
    for delay in session.delays([0]):
        ping = results.median(name, delay, "first", tools.AnsiblePing.name)
        for tool, phase in (("fleet doctor", "first"), ("fleet", "first"), ("fleet", "unchanged")):
            ours = results.median(name, delay, phase, tool)
            if ping and ours:
                what = "doctor" if tool == "fleet doctor" else f"{phase} checkpoint"
                results.bar(f"{name} hosts: {what}", "≤ 0.25 × `ansible ping`", ours / ping, 0.25)


def hundred(session):
    """(e) 100 hosts with 980 files, 26 MB each: first, 1 % changed, unchanged"""
    number = session.asked.hosts or 100
    job = Job(session.bed, f"(e) {number}", data.small, hosts=number, jobs=16)
    quick = [tools.Fleet, tools.TarZstd, tools.Rsync, tools.RsyncRestic]
    chosen = session.tools(quick, [tools.RsyncBorg, tools.AnsibleSynchronize])
    runs = session.runs(2)
    for delay in session.delays([0]):
        _phases(
            session, job, chosen, delay, runs, runs, runs, f"(e) {number} hosts × (a), 16 at once"
        )
    job.end()


def latency(session):
    """Round trips: what `ssh host true` and an unchanged (a) wait for, from runs at 100 and 300 ms"""
    job = Job(session.bed, "(a), no limit", data.small)
    chosen = session.tools([tools.Fleet, tools.SshTrue, tools.Rsync])
    near, far = 100, 300
    least = {}
    for delay in (near, far):
        contest = session.contest(job, chosen, delay, 0)
        say(f"round trips, {delay} ms")
        for tool in contest.tools:
            tool.fresh()
            contest.pull_once("first", tool)
        time.sleep(2.1)
        contest.unchanged(session.runs(5))
        for tool in contest.tools:
            runs = session.results.runs[(job.name, delay, "unchanged")][tool.name]
            # The least is the nearest to the way itself.
            least[(tool.name, delay)] = min(run.wall for run in runs)
    lines = [
        "### Round trips of an unchanged (a)",
        "",
        f"| | {near} ms: s | {far} ms: s | round trips |",
        "|---|---:|---:|---:|",
    ]
    trips = {}
    for tool in chosen:
        low, high = least.get((tool.name, near)), least.get((tool.name, far))
        if low and high:
            trips[tool.name] = (high - low) / (far - near) * 1000
            lines.append(f"| {tool.name} | {low:.2f} | {high:.2f} | {trips[tool.name]:.1f} |")
    session.print("\n".join(lines) + "\n")
    if "fleet" in trips and tools.SshTrue.name in trips:
        more = trips["fleet"] - trips[tools.SshTrue.name]
        session.results.bar(
            "unchanged (a): round trips more than `ssh host true`", "≤ 2", more, 2.3
        )
    job.end()


def long_history(session):
    """300 checkpoints of (b), one small file changed each, pruned as they come, against restic"""
    job = Job(session.bed, "(b)", data.tree)
    history.measure(session, job, session.asked.steps)
    job.end()


def restore(session):
    """(f) (b) and (c) put back onto a host: whole, whole at 1 Gbit/s, 1 % different, unchanged"""
    session.bed.serve_with_own_records()
    runs = session.runs(5)
    results = session.results
    chosen = session.tools(restoring.QUICK)
    gigabit = session.asked.mbit or 1000
    job = restoring.RestoreJob(session.bed, "(f)", data.tree)
    title = "(f) 20,000 files, 1 GB"
    for phase, mbit in (
        (restoring.WHOLE, 0), (restoring.CHANGED, 0), (restoring.UNCHANGED, 0), (restoring.WHOLE, gigabit),
    ):
        if session.asked.phase and phase not in session.asked.phase:
            continue
        _restore_phase(session, job, chosen, phase, mbit, runs, title)
    job.end()
    name = f"(f), {gigabit} Mbit/s"
    results.ratio_bar("(f)", 0, restoring.WHOLE, restoring.TarProven.name, 1.1)
    results.ratio_bar(name, 0, restoring.WHOLE, restoring.Tar.name, 0.7)
    results.ratio_bar("(f)", 0, restoring.CHANGED, restoring.RsyncRestore.name, 1.0)
    results.ratio_bar("(f)", 0, restoring.UNCHANGED, restoring.FleetUnchanged.name, 1.2)
    _peak_bar(results, "(f)", (restoring.WHOLE, restoring.CHANGED, restoring.UNCHANGED))
    if session.asked.phase and restoring.WHOLE not in session.asked.phase:
        return
    job = restoring.RestoreJob(session.bed, "(f) one file", data.one_file)
    _restore_phase(session, job, chosen, restoring.WHOLE, 0, min(runs, 3), "(f) one file, 2 GB")
    job.end()
    _peak_bar(results, "(f) one file", (restoring.WHOLE,))


def _restore_phase(session, job, chosen, phase, mbit, runs, title):
    name = job.name
    if mbit:
        job.name = f"{name}, {mbit} Mbit/s"
    contest = restoring.RestoreContest(job, chosen, session.results, 0, mbit)
    session.failed.append((job.name, contest.failed))
    way = f"{mbit} Mbit/s" if mbit else "loopback"
    say(f"{title}, {phase}, {way}")
    contest.phase(phase, runs)
    session.print(session.results.table(job.name, 0, phase, f"{title}, {phase}, {way}"))
    job.name = name


def proxy(session):
    """Whether the delay proxy does what it says: throughput, round trip, rate"""
    bed = session.bed
    lines = ["### The delay proxy", "", "| | measured | expected |", "|---|---:|---:|"]
    job = Job(bed, "proxy", data.tiny)
    size = 500_000_000
    script = f'ssh -F "$1" bench "head -c {size} /dev/zero" > /dev/null'
    speeds = {}
    for name, counted in (("straight", False), ("through the proxy", True)) * session.runs(3):
        with bed.link(counted=counted) as link:
            try:
                run = bed.measure(["bash", "-c", script, "-", link.ssh_config])
            except Failed as error:
                raise SystemExit(f"benches: {error}") from error
        speeds[name] = max(speeds.get(name, 0), size / run.wall / 1e6)
    for name, speed in speeds.items():
        lines.append(f"| `ssh`, 500 MB, {name}, 0 ms: MB/s | {speed:.0f} | |")
    for delay, mbit in ((0, 0), (40, 1000), (100, 1000), (100, 0), (300, 0)):
        trip, speed = _through(bed, delay, mbit)
        lines.append(f"| {delay} ms, {mbit or 'no limit'} Mbit/s: round trip, ms | {trip:.1f} | {delay} |")
        expected = f"{mbit / 8:.0f}" if mbit else "as fast as it goes"
        lines.append(f"| {delay} ms, {mbit or 'no limit'} Mbit/s: MB/s | {speed:.0f} | {expected} |")
    session.print("\n".join(lines) + "\n")
    job.end()


def _through(bed, delay, mbit):
    """Round trip in ms, and MB/s, of a plain TCP connection through a proxy."""
    size = 250_000_000
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        peer, _ = server.accept()
        with peer:
            for _ in range(5):
                peer.sendall(peer.recv(1))
            peer.recv(1)
            piece = bytes(1 << 20)
            sent = 0
            while sent < size:
                sent += peer.send(piece[: size - sent])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    process = subprocess.Popen(
        [bed.proxy_bin, f"127.0.0.1:{server.getsockname()[1]}", str(delay / 2), str(mbit)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    try:
        with socket.create_connection(("127.0.0.1", int(process.stdout.readline()))) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            trips = []
            for number in range(5):
                began = time.monotonic()
                peer.sendall(b"x")
                peer.recv(1)
                # The first one waits for the handshake, too.
                if number:
                    trips.append(time.monotonic() - began)
            peer.sendall(b"x")
            got = len(peer.recv(1))
            began = time.monotonic()
            while got < size:
                got += len(peer.recv(1 << 20))
            took = time.monotonic() - began
        thread.join()
        server.close()
        counts, _ = process.communicate()
        passed = json.loads(counts)["down_bytes"]
        if passed != size + 5:
            raise SystemExit(f"benches: the proxy counted {passed} bytes of {size + 5}")
    finally:
        process.kill()
        process.wait()
    return min(trips) * 1000, size / took / 1e6


ALL = {
    "small": small,
    "tree": tree,
    "file": file,
    "hosts": hosts,
    "hundred": hundred,
    "latency": latency,
    "history": long_history,
    "restore": restore,
    "proxy": proxy,
}
