"""An OpenSSH server of the bench's own on loopback, links to it, and the measuring of one command.

Everything lives in one temporary folder and goes with it: keys, configuration, what is kept.
Nothing of the caller's ~/.ssh is read or written.
"""

import contextlib
import ctypes
import dataclasses
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# A tool that hangs ends the run, not the night.
RUN_MAX_SECONDS = 3600
TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A measured command ended badly."""


@dataclasses.dataclass
class Run:
    """What one command cost."""

    wall: float
    cpu: float
    host_cpu: float
    peak_kib: int
    wire: int = 0  # bytes in both directions; 0: not counted
    kept: int = 0


def say(text):
    print(text, file=sys.stderr, flush=True)


def find_tool(name):
    """The path of a program, looked for where servers are, too."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def _die_with_parent():
    # A killed bench leaves no server behind: PR_SET_PDEATHSIG, SIGTERM.
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def cargo(*words):
    """Builds for a measurement and returns cargo's messages."""
    built = subprocess.run(
        ["cargo", *words, "--locked", "--message-format=json-render-diagnostics"],
        cwd=REPO, stdout=subprocess.PIPE, check=True, text=True,
    )
    return [json.loads(line) for line in built.stdout.splitlines()]


def executable(messages, name):
    for message in messages:
        if message.get("executable") and message["target"]["name"] == name:
            return message["executable"]
    raise SystemExit(f"benches: cargo built no `{name}`")


class Bed:
    """The server and the folder."""

    def __init__(self):
        for tool in ("ssh", "ssh-keygen", "sshd", "zstd", "bash"):
            if find_tool(tool) is None:
                raise SystemExit(f"benches: {tool} is missing (openssh-server, openssh-client, zstd)")
        if not os.access("/usr/bin/time", os.X_OK):
            raise SystemExit("benches: /usr/bin/time is missing (package time)")
        self.fleet = os.environ.get("FLEET_BIN")
        self.proxy_bin = os.environ.get("FLEET_BENCH_PROXY")
        if not self.fleet:
            say("building fleet …")
            self.fleet = executable(cargo("build", "--release", "--bin", "fleet"), "fleet")
        if not self.proxy_bin:
            say("building the delay proxy …")
            messages = cargo("build", "--release", "--example", "delay_proxy")
            self.proxy_bin = executable(messages, "delay_proxy")
        self.dir = tempfile.mkdtemp(prefix="fleet-bench.")
        self.user = getpass.getuser()
        self.server = None
        self.running = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def fleet_version(self):
        ran = subprocess.run([self.fleet, "--version"], stdout=subprocess.PIPE, text=True, check=True)
        return ran.stdout.strip()

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, content, mode=0o600):
        with open(self.path(name), "w") as file:
            file.write(content)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def _start(self):
        for key in ("host", "key"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(key)], check=True
            )
        with open(self.path("key.pub")) as file:
            self.write("authorized", file.read())
        with open(self.path("host.pub")) as file:
            self.write("known_hosts", "fleet-bench " + file.read())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = self.write("sshd_config", f"""\
Port {self.port}
ListenAddress 127.0.0.1
HostKey {self.path("host")}
AuthorizedKeysFile {self.path("authorized")}
PidFile none
StrictModes no
UsePAM no
PrintMotd no
LogLevel ERROR
SetEnv HOME={self.path("home")}
MaxStartups 2000:100:2000
Subsystem sftp internal-sftp
""")
        # A login shell reads what it finds at home; it finds nothing, on whatever machine this is.
        os.makedirs(self.path("home"))
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        self._serve([find_tool("sshd"), "-D", "-e", "-f", config])

    def serve_with_own_records(self):
        """From now on the host keeps in /var/lib what goes with the bench: root's records of restores are
        there. Other accounts keep theirs at home."""
        if os.getuid() != 0:
            return
        os.makedirs(self.path("var-lib"), exist_ok=True)
        # The folder may be mounted in a namespace of the server's own.
        mount = f"mount --bind {self.path('var-lib')} /var/lib && exec \"$@\""
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount, "sh"]
        self._end_server()
        self._serve([*words, find_tool("sshd"), "-D", "-e", "-f", self.path("sshd_config")])

    def _serve(self, argv):
        with open(self.path("sshd.log"), "w") as log:
            self.server = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=_die_with_parent,
            )
        with self.link() as link:
            for _ in range(100):
                if subprocess.run(["ssh", "-F", link.ssh_config, "bench", "true"],
                                  stderr=subprocess.DEVNULL).returncode == 0:
                    return
                time.sleep(0.05)
        with open(self.path("sshd.log")) as log:
            raise SystemExit("benches: the server does not answer\n" + log.read())

    def close(self):
        if self.running is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait()
        self._end_server()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _end_server(self):
        if self.server is None:
            return
        for child in self._children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
        self.server.terminate()
        self.server.wait()
        self.server = None

    def link(self, round_trip_ms=0, mbit=0, counted=False):
        """The way to the host: straight, or through a proxy."""
        return Link(self, round_trip_ms, mbit, counted)

    def _children(self):
        try:
            with open(f"/proc/{self.server.pid}/task/{self.server.pid}/children") as file:
                return [int(pid) for pid in file.read().split()]
        except OSError:
            return []

    def host_cpu(self):
        """What connections that have ended cost on the host's side, in seconds."""
        for _ in range(200):
            if not self._children():
                break
            time.sleep(0.02)
        with open(f"/proc/{self.server.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / TICKS

    def environment(self, extra=()):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("FLEET_", "ANSIBLE_"))}
        env["LC_ALL"] = "C.UTF-8"
        env.pop("SSH_AUTH_SOCK", None)
        env.update(extra)
        return env

    def measure(self, argv, env=(), after=None):
        """Runs a command to its end. What went before is synced first, so that nobody pays for it."""
        os.sync()
        before = self.host_cpu()
        report = self.path("time")
        began = time.monotonic()
        with open(self.path("out"), "w+b") as out:
            self.running = subprocess.Popen(
                ["/usr/bin/time", "-q", "-o", report, "-f", "%U %S %M", *argv],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=self.environment(env), start_new_session=True,
            )
            # A wait with a limit would look only every 50 ms.
            limit = threading.Timer(RUN_MAX_SECONDS, os.killpg, (self.running.pid, signal.SIGKILL))
            limit.start()
            status = self.running.wait()
            wall = time.monotonic() - began
            limit.cancel()
            self.running = None
            if after:
                after()
            if status != 0:
                out.seek(0, os.SEEK_END)
                out.seek(max(0, out.tell() - 2000))
                said = out.read().decode(errors="replace")
                raise Failed(f"{' '.join(argv)[:300]}: exit status {status}\n{said}")
        with open(report) as file:
            user, system, peak = file.read().split()
        return Run(wall, float(user) + float(system), self.host_cpu() - before, int(peak))


class Link:
    """A way to the host for one run: its `ssh_config`, and afterwards what passed over it."""

    def __init__(self, bed, round_trip_ms, mbit, counted):
        self.bed = bed
        self.is_plain = not (round_trip_ms or mbit or counted)
        self.words = [str(round_trip_ms / 2), str(mbit)]
        self.proxy = None
        self.up = self.down = self.connections = 0

    def __enter__(self):
        port = self.bed.port
        if not self.is_plain:
            self.proxy = subprocess.Popen(
                [self.bed.proxy_bin, f"127.0.0.1:{port}", *self.words],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            )
            port = int(self.proxy.stdout.readline())
        self.ssh_config = self.bed.write("ssh_config", f"""\
Host bench bench-*
  HostName 127.0.0.1
  Port {port}
  HostKeyAlias fleet-bench
  User {self.bed.user}
  IdentityFile {self.bed.path("key")}
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {self.bed.path("known_hosts")}
  GlobalKnownHostsFile none
  Ciphers aes256-gcm@openssh.com
  LogLevel ERROR
""")
        return self

    def __exit__(self, kind, *_):
        if self.proxy is None:
            return
        if kind is not None:
            self.proxy.kill()
        counts, _ = self.proxy.communicate()
        if kind is None:
            counts = json.loads(counts)
            self.up, self.down = counts["up_bytes"], counts["down_bytes"]
            self.connections = counts["connections"]


def kept_bytes(folder):
    """What a folder takes on the disk, each inode once."""
    seen, total = set(), 0
    for at, folders, files in os.walk(folder):
        for name in folders + files:
            found = os.lstat(os.path.join(at, name))
            if found.st_nlink > 1 and not os.path.isdir(os.path.join(at, name)):
                if (found.st_dev, found.st_ino) in seen:
                    continue
                seen.add((found.st_dev, found.st_ino))
            total += found.st_blocks * 512
    return total
