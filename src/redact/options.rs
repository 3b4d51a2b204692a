//! Options of well-known programs that take a secret, and programs that run another program.
//!
//! From the manual pages of the programs.

/// How a program takes secrets on its command line. Options are single letters.
pub(super) struct Secrets {
    programs: &'static [&'static str],
    /// The value, attached or in the next argument, is a secret.
    pub(super) secret: &'static str,
    /// Only an attached value is a secret; without one the program asks.
    pub(super) attached: &'static str,
    /// Takes another value, so that no letter behind it in the same argument is an option.
    pub(super) valued: &'static str,
    /// Long options, without dashes, whose value is a secret although their name does not say so.
    pub(super) long: &'static [&'static str],
    /// Arguments that are no options: from which one on they are secrets, counted from 1.
    pub(super) positional: Option<usize>,
}

const NOTHING: Secrets = Secrets {
    programs: &[],
    secret: "",
    attached: "",
    valued: "",
    long: &[],
    positional: None,
};

const KNOWN: &[Secrets] = &[
    Secrets {
        programs: &["curl"],
        secret: "uUb",
        valued: "AcCdDeEFhHKmoPQrtTwxXyYz",
        long: &["user", "proxy-user", "cookie"],
        ..NOTHING
    },
    Secrets {
        programs: &["sshpass"],
        secret: "p",
        valued: "fdP",
        ..NOTHING
    },
    Secrets {
        programs: &["redis-cli", "valkey-cli", "keydb-cli"],
        secret: "a",
        valued: "hpusnrid",
        ..NOTHING
    },
    Secrets {
        programs: &[
            "ldapsearch",
            "ldapadd",
            "ldapmodify",
            "ldapdelete",
            "ldapwhoami",
            "ldapmodrdn",
            "ldapcompare",
            "ldapexop",
        ],
        secret: "w",
        valued: "abdDeEfFhHlmoOpPRsSTUXYyz",
        ..NOTHING
    },
    Secrets {
        programs: &["ldappasswd"],
        secret: "was",
        valued: "dDeEhHoOpPRTUXYy",
        ..NOTHING
    },
    Secrets {
        programs: &["smbclient"],
        valued: "UAWIpLmOnkDcst",
        positional: Some(2),
        ..NOTHING
    },
    Secrets {
        programs: &[
            "mongo",
            "mongosh",
            "mongodump",
            "mongorestore",
            "mongoexport",
            "mongoimport",
            "mongofiles",
            "mongostat",
            "mongotop",
        ],
        secret: "p",
        valued: "uhdcoqfn",
        ..NOTHING
    },
    Secrets {
        programs: &["sqlcmd", "bcp", "osql", "isql", "tsql"],
        secret: "P",
        valued: "SUdQqiovaAHhtlwsDf",
        ..NOTHING
    },
    Secrets {
        programs: &["zip", "unzip"],
        secret: "P",
        valued: "bintdx",
        ..NOTHING
    },
    Secrets {
        programs: &["7z", "7za", "7zr", "7zz", "rar", "unrar"],
        attached: "p",
        ..NOTHING
    },
    Secrets {
        programs: &["ipmitool"],
        secret: "Pk",
        valued: "HUpILfCoOAcstyz",
        ..NOTHING
    },
    Secrets {
        programs: &["mosquitto_pub", "mosquitto_sub", "mosquitto_rr"],
        secret: "P",
        valued: "uhptmiqVklAL",
        ..NOTHING
    },
    Secrets {
        programs: &["cqlsh", "ncftpget", "ncftpput", "ncftpls", "rdesktop"],
        secret: "p",
        valued: "uekfdgsTrxznP",
        ..NOTHING
    },
    Secrets {
        programs: &["lftp"],
        secret: "u",
        valued: "ecfp",
        ..NOTHING
    },
    Secrets {
        programs: &[
            "snmpget",
            "snmpgetnext",
            "snmpwalk",
            "snmpbulkwalk",
            "snmpset",
            "snmptable",
            "snmpstatus",
            "snmptrap",
        ],
        secret: "cAX",
        valued: "vulanEmMrtO",
        ..NOTHING
    },
    Secrets {
        programs: &["openssl"],
        secret: "kK",
        ..NOTHING
    },
    Secrets {
        programs: &["useradd", "usermod"],
        secret: "p",
        valued: "bcdefgGkKsuRPZ",
        ..NOTHING
    },
    Secrets {
        programs: &["http", "https", "xh", "xhs"],
        secret: "a",
        valued: "opA",
        ..NOTHING
    },
    Secrets {
        programs: &["htpasswd"],
        valued: "C",
        positional: Some(3),
        ..NOTHING
    },
    Secrets {
        programs: &["wpa_passphrase"],
        positional: Some(2),
        ..NOTHING
    },
    Secrets {
        programs: &["rabbitmqctl"],
        valued: "npt",
        positional: Some(3),
        ..NOTHING
    },
    Secrets {
        programs: &["sqlplus", "exp", "imp", "expdp", "impdp", "rman"],
        positional: Some(1),
        ..NOTHING
    },
];

const MYSQL: Secrets = Secrets {
    attached: "p",
    valued: "uhPDSeR",
    ..NOTHING
};

/// Programs whose `-p` and `-P` are a port, a package, a path or a switch, by alphabet.
const PLAIN_P: &[&str] = &[
    "ab",
    "autossh",
    "bash",
    "cargo",
    "chrt",
    "cp",
    "createdb",
    "dash",
    "dnsmasq",
    "docker",
    "docker-proxy",
    "dropbear",
    "dropdb",
    "egrep",
    "find",
    "fuser",
    "gcc",
    "git",
    "grep",
    "gunzip",
    "haproxy",
    "install",
    "ionice",
    "ip6tables",
    "iptables",
    "java",
    "journalctl",
    "kill",
    "ksh",
    "kubectl",
    "ln",
    "loginctl",
    "lsof",
    "make",
    "memcached",
    "mkdir",
    "mosh",
    "mosh-server",
    "mount",
    "mv",
    "nc",
    "ncat",
    "netcat",
    "netstat",
    "nginx",
    "nmap",
    "node",
    "nodejs",
    "npm",
    "npx",
    "patch",
    "perf",
    "perl",
    "php",
    "ping",
    "pkill",
    "pnpm",
    "podman",
    "postgres",
    "postmaster",
    "ps",
    "psql",
    "pwd",
    "redis-server",
    "renice",
    "reindexdb",
    "rm",
    "rsync",
    "ruby",
    "scp",
    "screen",
    "sftp",
    "sh",
    "socat",
    "ss",
    "ssh",
    "sshd",
    "strace",
    "swapon",
    "sysctl",
    "systemctl",
    "tar",
    "taskset",
    "test",
    "tmux",
    "top",
    "touch",
    "traceroute",
    "ulimit",
    "umount",
    "uvicorn",
    "vacuumdb",
    "wget",
    "xargs",
    "yarn",
    "zsh",
];

/// Programs that run another one: their options that take a value, and how many arguments come before it.
const WRAPPERS: &[(&str, &str, usize)] = &[
    ("chroot", "", 1),
    ("command", "", 0),
    ("doas", "uC", 0),
    ("dumb-init", "r", 0),
    ("env", "uCS", 0),
    ("exec", "a", 0),
    ("flock", "wE", 1),
    ("gosu", "", 1),
    ("ionice", "cn", 0),
    ("nice", "n", 0),
    ("nohup", "", 0),
    ("runuser", "ugGs", 0),
    ("setsid", "", 0),
    ("setuidgid", "", 1),
    ("sshpass", "fdPp", 0),
    ("stdbuf", "ioe", 0),
    ("strace", "eopsuEPaS", 0),
    ("su-exec", "", 1),
    ("sudo", "ugCDhprRTtU", 0),
    ("time", "fo", 0),
    ("timeout", "ks", 1),
    ("tini", "pe", 0),
    ("xargs", "adEILnPs", 0),
];

/// How `program` takes secrets.
pub(super) fn of(program: &str) -> &'static Secrets {
    known(program).unwrap_or(&NOTHING)
}

fn known(program: &str) -> Option<&'static Secrets> {
    if program.starts_with("mysql") || program.starts_with("mariadb") {
        return Some(&MYSQL);
    }
    KNOWN.iter().find(|known| known.programs.contains(&program))
}

/// Whether nothing is known about the options of `program`, here or at [`has_plain_p`].
pub(super) fn is_unknown(program: &str) -> bool {
    known(program).is_none() && !has_plain_p(program)
}

/// Whether `-p` and `-P` of `program` are a port, a package, a path or a switch.
pub(super) fn has_plain_p(program: &str) -> bool {
    PLAIN_P.contains(&program)
        || program.starts_with("pg_")
        || program.starts_with("python")
        || program.starts_with("systemd")
}

/// For a program that runs another one: its options that take a value, and how many arguments come
/// before the other program.
pub(super) fn wrapper(program: &str) -> Option<(&'static str, usize)> {
    WRAPPERS
        .iter()
        .find(|(name, _, _)| *name == program)
        .map(|(_, valued, positional)| (*valued, *positional))
}
