"""fleet and its rivals: how each is called for one pull, and what it keeps.

A tool pulls the folder `data` of every host of its job. It is used as its manual shows it, with the
bench's ssh configuration; where a choice is open, the cheaper one is taken (borg does not encrypt,
ansible is told which Python to use).
"""

import contextlib
import os
import shlex
import shutil
import subprocess

from .bed import find_tool, kept_bytes


class Tool:
    """One way of pulling. `phases` are those in which it does something of its own."""

    name = ""
    packages = {}  # program → package of the distribution
    phases = ("first", "unchanged", "changed")
    many = True  # whether it can be used for many hosts
    slow = False  # run once, whatever is asked
    measure_of_all = False  # taken along, whichever rivals are asked for

    def __init__(self, job):
        self.job = job
        self.folder = job.bed.path("kept", type(self).__name__)
        self.pulls = 0

    def fresh(self):
        """Forgets everything that was pulled. Not timed."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.pulls = 0
        self.prepare()

    def prepare(self):
        """What is done once, before the first pull. Not timed."""

    def pull(self, link):
        """Measures one pull over `link`."""
        self.pulls += 1
        return self.job.bed.measure(self.argv(link), self.env(), self.after)

    def argv(self, link):
        """A shell script, with $S the ssh configuration and $D the folder; see `each`."""
        words = {
            "S": link.ssh_config,
            "D": self.job.data,
            "K": self.folder,
            "N": str(self.pulls),
            "P": str(self.pulls - 1),
            "V": str(self.job.version),
        }
        setting = "; ".join(f"export {key}={shlex.quote(value)}" for key, value in words.items())
        return ["bash", "-c", f"set -euo pipefail; {setting}; {self.script()}"]

    def each(self, script):
        """`script` for each host $H, as many at once as the job allows."""
        hosts = self.job.hosts
        if len(hosts) == 1:
            return f"H={hosts[0]}; {script}"
        inner = shlex.quote(f"set -euo pipefail; H=$1; {script}")
        return f"printf '%s\\n' {' '.join(hosts)} | xargs -P {self.job.jobs} -n 1 bash -c {inner} -"

    def script(self):
        raise NotImplementedError

    def env(self):
        return {}

    def after(self):
        """Ends what the tool leaves running. Not timed."""

    def kept(self):
        return kept_bytes(self.folder)


class Fleet(Tool):
    name = "fleet"

    def argv(self, link):
        return [
            self.job.bed.fleet, "-q", "-i", self.job.inventory, "-F", link.ssh_config,
            "--store", os.path.join(self.folder, "store"),
            "checkpoint", "--all", "-j", str(self.job.jobs),
        ]


class FleetDoctor(Fleet):
    name = "fleet doctor"
    phases = ("first",)

    def argv(self, link):
        return [
            self.job.bed.fleet, "-q", "-i", self.job.inventory, "-F", link.ssh_config,
            "doctor", "--all", "--json",
        ]


class SshTrue(Tool):
    name = "ssh true"
    measure_of_all = True

    def script(self):
        return self.each('ssh -F "$S" "$H" true </dev/null')


class SshNull(Tool):
    name = "ssh tar > /dev/null"
    phases = ("first",)

    def script(self):
        return self.each('ssh -F "$S" "$H" "tar -C / -cf - ${D#/}" > /dev/null')


class TarZstd(Tool):
    name = "ssh tar \\| zstd"

    def script(self):
        return self.each(
            'ssh -F "$S" "$H" "tar -C / -cf - ${D#/}" | zstd -q -f -o "$K/$H.$V.tar.zst"'
        )


class TarGzip(Tool):
    name = "ssh tar cz"
    phases = ("first",)
    slow = True

    def script(self):
        return self.each('ssh -F "$S" "$H" "tar -C / -czf - ${D#/}" > "$K/$H.$V.tar.gz"')


class Rsync(Tool):
    name = "rsync --link-dest"
    packages = {"rsync": "rsync"}

    def prepare(self):
        for host in self.job.hosts:
            os.makedirs(os.path.join(self.folder, host))

    def script(self):
        return self.each(
            'if [ -d "$K/$H/$P" ]; then L=--link-dest="$K/$H/$P"; else L=; fi; '
            'rsync -a --delete $L -e "ssh -F $S" "$H:$D/" "$K/$H/$N/"'
        )


class Mirror(Tool):
    """rsync into a mirror, which is then handed to a backup tool."""

    def prepare(self):
        for host in self.job.hosts:
            os.makedirs(os.path.join(self.folder, "mirror", host))
        self.prepare_repository()

    def mirror(self):
        return self.each('rsync -a --delete -e "ssh -F $S" "$H:$D/" "$K/mirror/$H/"')

    def kept(self):
        return kept_bytes(os.path.join(self.folder, "repo"))


class Restic(Tool):
    """What every use of restic needs."""

    def env(self):
        return {
            "RESTIC_PASSWORD": "bench",
            "RESTIC_REPOSITORY": os.path.join(self.folder, "repo"),
            "RESTIC_CACHE_DIR": os.path.join(self.folder, "cache"),
        }

    def prepare_repository(self):
        subprocess.run(
            ["restic", "-q", "init"], env=self.job.bed.environment(self.env()), check=True
        )


class Borg(Tool):
    """What every use of borg needs."""

    def env(self):
        return {
            "BORG_BASE_DIR": os.path.join(self.folder, "borg"),
            "BORG_REPO": os.path.join(self.folder, "repo"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }

    def prepare_repository(self):
        subprocess.run(
            ["borg", "init", "-e", "none"], env=self.job.bed.environment(self.env()), check=True
        )


class RsyncRestic(Mirror, Restic):
    name = "rsync, then restic"
    packages = {"rsync": "rsync", "restic": "restic"}

    def script(self):
        return f'{self.mirror()}; restic -q backup "$K/mirror"'


class RsyncBorg(Mirror, Borg):
    name = "rsync, then borg"
    packages = {"rsync": "rsync", "borg": "borgbackup"}

    def script(self):
        return f'{self.mirror()}; borg create -C zstd,3 "::$N" "$K/mirror"'


class StreamRestic(Restic):
    name = "ssh tar \\| restic"
    packages = {"restic": "restic"}
    many = False

    def prepare(self):
        self.prepare_repository()

    def script(self):
        return self.each(
            'ssh -F "$S" "$H" "tar -C / -cf - ${D#/}" '
            '| restic -q backup --stdin --stdin-filename "$H.tar"'
        )


class StreamBorg(Borg):
    name = "ssh tar \\| borg"
    packages = {"borg": "borgbackup"}
    many = False

    def prepare(self):
        self.prepare_repository()

    def script(self):
        return self.each(
            'ssh -F "$S" "$H" "tar -C / -cf - ${D#/}" | borg create -C zstd,3 "::$H-$N" -'
        )


class Rsnapshot(Tool):
    name = "rsnapshot"
    packages = {"rsnapshot": "rsnapshot", "rsync": "rsync"}
    many = False

    def argv(self, link):
        settings = [
            ("config_version", "1.2"),
            ("snapshot_root", self.folder + "/"),
            ("no_create_root", "1"),
            ("cmd_cp", find_tool("cp")),
            ("cmd_rm", find_tool("rm")),
            ("cmd_rsync", find_tool("rsync")),
            ("cmd_ssh", find_tool("ssh")),
            ("ssh_args", f"-F {link.ssh_config}"),
            ("retain", "alpha", "50"),
            ("verbose", "1"),
            ("link_dest", "1"),
        ]
        settings += [
            ("backup", f"{self.job.bed.user}@{host}:{self.job.data}/", f"{host}/")
            for host in self.job.hosts
        ]
        lines = "".join("\t".join(words) + "\n" for words in settings)
        config = self.job.bed.write("rsnapshot.conf", lines)
        return ["rsnapshot", "-c", config, "alpha"]


class Ansible(Tool):
    """What every use of ansible needs. Each run begins without connections, as a new one does."""

    packages = {"ansible": "ansible"}

    def env(self):
        bed = self.job.bed
        return {
            "ANSIBLE_HOME": bed.path("ansible"),
            "ANSIBLE_LOCAL_TEMP": bed.path("ansible", "local"),
            "ANSIBLE_REMOTE_TEMP": bed.path("ansible", "remote"),
            "ANSIBLE_CONFIG": bed.write("ansible.cfg", "[defaults]\n"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": bed.path("cp"),
            "ANSIBLE_SSH_COMMON_ARGS": f"-F {bed.path('ssh_config')}",
        }

    def argv(self, link):
        hosts = "".join(
            f"{host} ansible_python_interpreter=/usr/bin/python3\n" for host in self.job.hosts
        )
        inventory = self.job.bed.write("ansible-hosts", f"[bench]\n{hosts}")
        return ["ansible", "-i", inventory, "-f", str(self.job.jobs), "bench", *self.task()]

    def task(self):
        raise NotImplementedError

    def after(self):
        sockets = self.job.bed.path("cp")
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(sockets):
                subprocess.run(
                    ["ssh", "-F", self.job.bed.path("ssh_config"), "-O", "exit",
                     "-o", f"ControlPath={os.path.join(sockets, name)}", "bench"],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                )


class AnsiblePing(Ansible):
    name = "ansible ping"
    phases = ("first",)
    slow = True

    def task(self):
        return ["-m", "ping"]


class AnsiblePingPipelined(AnsiblePing):
    name = "ansible ping, pipelining"

    def env(self):
        return {**super().env(), "ANSIBLE_PIPELINING": "True"}


class AnsibleSynchronize(Ansible):
    name = "ansible synchronize"
    packages = {"ansible": "ansible", "rsync": "rsync"}

    def task(self):
        destination = os.path.join(self.folder, "{{ inventory_hostname }}")
        return [
            "-m", "ansible.posix.synchronize",
            "-a", f"mode=pull src={self.job.data}/ dest={destination}/ delete=yes use_ssh_args=yes",
        ]


PULLING = [
    Fleet, TarZstd, TarGzip, Rsync, RsyncRestic, RsyncBorg, StreamRestic, StreamBorg, Rsnapshot,
    AnsibleSynchronize,
]


def missing(tools):
    """Packages that would have to be installed for `tools`."""
    return {
        package for tool in tools for program, package in tool.packages.items()
        if find_tool(program) is None
    }


def install(tools, say):
    """Installs rivals that are missing, if we may; names those that stay out, loudly."""
    packages = sorted(missing(tools))
    if packages and os.getuid() == 0 and find_tool("apt-get"):
        say(f"installing {' '.join(packages)} …")
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=env, stdout=subprocess.DEVNULL, check=False)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages],
            env=env, stdout=subprocess.DEVNULL, check=False,
        )
    there = []
    for tool in tools:
        lacks = sorted(missing([tool]))
        if lacks:
            say(f"*** SKIPPED: {tool.name}: not installed: {' '.join(lacks)} ***")
        else:
            there.append(tool)
    return there


def versions():
    """One line on what was measured."""
    asked = [
        ["ssh", "-V"], ["rsync", "--version"], ["restic", "version"], ["borg", "--version"],
        ["rsnapshot", "--version"], ["ansible", "--version"], ["zstd", "--version"],
        ["tar", "--version"],
    ]
    said = []
    for words in asked:
        if find_tool(words[0]):
            ran = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            said.append(ran.stdout.strip().splitlines()[0].strip(" *"))
    return "; ".join(said)
