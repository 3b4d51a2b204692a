//! Tests of redaction: secrets are hidden, everything else stays readable.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn secrets_are_replaced_and_nothing_else_is() {
    for (arguments, shown) in [
        (
            &["node", "conference-server.js", "--port=3000"][..],
            "node conference-server.js --port=3000",
        ),
        (
            &["x", "--password=my secret; all of it"],
            "x --password=***",
        ),
        (&["x", "--password", "my secret"], "x --password ***"),
        (&["x", "--password", "--verbose"], "x --password --verbose"),
        (&["x", "-token", "abc", "file"], "x -token *** file"),
        (&["x", "DEEPGRAM_API_KEY=abc"], "x DEEPGRAM_API_KEY=***"),
        (
            &["redis-server", "--requirepass", "abc"],
            "redis-server --requirepass ***",
        ),
        (&["redis-cli", "-a", "abc"], "redis-cli -a ***"),
        (
            &["mysqldump", "-pabc", "-u", "root"],
            "mysqldump -p*** -u root",
        ),
        (&["/usr/bin/mysql", "-p", "db"], "/usr/bin/mysql -p db"),
        (
            &["sshpass", "-p", "abc", "ssh", "x"],
            "sshpass -p *** ssh x",
        ),
        (&["ssh", "-p", "2222", "x"], "ssh -p 2222 x"),
        (
            &["curl", "-u", "me:abc", "https://x.example"],
            "curl -u *** https://x.example",
        ),
        (
            &["curl", "-H", "Authorization: Bearer abc.def"],
            "curl -H Authorization: Bearer ***",
        ),
        (&["curl", "-H", "X-Api-Key: abc"], "curl -H X-Api-Key: ***"),
        (
            &["app", "postgres://me:a%40b@db.example/x"],
            "app postgres://me:***@db.example/x",
        ),
        (
            &["app", "https://abc@git.example/x.git"],
            "app https://***@git.example/x.git",
        ),
        (
            &["app", "http://x.example/?a=1&token=abc&b=2"],
            "app http://x.example/?a=1&token=***&b=2",
        ),
        (
            &["app", "--url=amqp://me:abc@mq.example"],
            "app --url=amqp://me:***@mq.example",
        ),
        (
            &["sh", "-c", "PGPASSWORD='a b' psql -c x"],
            "sh -c PGPASSWORD=***",
        ),
        (
            &["sh", "-c", "export PGPASSWORD='a b'; y"],
            "sh -c export PGPASSWORD='***'; y",
        ),
        (&["x", "--password=abc", "file"], "x --password=*** file"),
        (
            &["sh", "-c", "tool --secret abc --more"],
            "sh -c tool --secret *** --more",
        ),
        (
            &["app", r#"{"password":"abc","a":"b"}"#],
            r#"app {"password":"***","a":"b"}"#,
        ),
        (&["app", "sk-test-abcdef123"], "app ***"),
        (
            &["app", "--model", "--x=sk-test-abcdef123"],
            "app --model --x=***",
        ),
        (&["app", "0123456789abcdef0123456789abcdef"], "app ***"),
        (&["app", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.abc"], "app ***"),
        (
            &["disk-usage", "task-runner-number-one"],
            "disk-usage task-runner-number-one",
        ),
        (
            &["nginx: master process /usr/sbin/nginx -g daemon on;"],
            "nginx: master process /usr/sbin/nginx -g daemon on;",
        ),
        (
            &["/opt/keys/run", "monkey", "a=b"],
            "/opt/keys/run monkey a=b",
        ),
        (&["größe", "--paßwort", "é=ü"], "größe --paßwort é=ü"),
        (&["app", "--token="], "app --token="),
        (&["app", "--token"], "app --token"),
    ] {
        assert_eq!(command_line(arguments), shown, "{arguments:?}");
    }
    assert_eq!(command_line(&[]), "");
}

/// Command lines as a person would type them, without quotes; `shown` is the whole line.
#[test]
fn the_options_of_known_programs_are_hidden() {
    for (line, shown) in [
        // curl
        (
            "curl -u me:abc https://x.example",
            "curl -u *** https://x.example",
        ),
        (
            "curl -ume:abc https://x.example",
            "curl -u*** https://x.example",
        ),
        ("curl -sSu me:abc x", "curl -sSu *** x"),
        ("curl -sSume:abc x", "curl -sSu*** x"),
        ("curl --user=me:abc x", "curl --user=*** x"),
        ("curl --user me:abc x", "curl --user *** x"),
        ("curl --proxy-user me:abc x", "curl --proxy-user *** x"),
        ("curl --proxy-user=me:abc x", "curl --proxy-user=*** x"),
        ("curl -U me:abc x", "curl -U *** x"),
        ("curl -b session=abc x", "curl -b *** x"),
        ("curl --oauth2-bearer abc x", "curl --oauth2-bearer *** x"),
        (
            "curl -k -o u.txt -w %{http_code} x",
            "curl -k -o u.txt -w %{http_code} x",
        ),
        ("curl -ou https://x.example", "curl -ou https://x.example"),
        (
            "wget --user=me --password=abc x",
            "wget --user=me --password=*** x",
        ),
        ("wget -P downloads x", "wget -P downloads x"),
        ("http -a me:abc GET x", "http -a *** GET x"),
        // databases
        ("mysql -pabc db", "mysql -p*** db"),
        ("mysql -uroot -pabc db", "mysql -uroot -p*** db"),
        ("mysql -u root -p db", "mysql -u root -p db"),
        ("mysql -h db -P 3306 -p", "mysql -h db -P 3306 -p"),
        (
            "mariadb-dump --password=abc db",
            "mariadb-dump --password=*** db",
        ),
        ("mysqladmin password abc", "mysqladmin password ***"),
        ("psql -p 5432 -U clerk -w db", "psql -p 5432 -U clerk -w db"),
        ("psql -W -U clerk db", "psql -W -U clerk db"),
        (
            "psql host=db user=me password=abc",
            "psql host=db user=me password=***",
        ),
        (
            "psql postgresql://me:abc@db/x",
            "psql postgresql://me:***@db/x",
        ),
        ("pg_dump -p 5433 orders", "pg_dump -p 5433 orders"),
        (
            "redis-cli -h r -p 6379 -a abc ping",
            "redis-cli -h r -p 6379 -a *** ping",
        ),
        ("redis-cli -aabc ping", "redis-cli -a*** ping"),
        ("redis-cli --pass abc ping", "redis-cli --pass *** ping"),
        ("redis-cli auth abc", "redis-cli auth ***"),
        (
            "redis-cli config set requirepass abc",
            "redis-cli config set requirepass ***",
        ),
        (
            "mongosh -u me -p abc --port 27017",
            "mongosh -u me -p *** --port 27017",
        ),
        ("mongodump -pabc", "mongodump -p***"),
        ("sqlcmd -S db -U sa -P abc", "sqlcmd -S db -U sa -P ***"),
        ("sqlplus me/abc@orders", "sqlplus me/***@orders"),
        ("cqlsh -u me -p abc", "cqlsh -u me -p ***"),
        // Windows networks, directories
        (
            "smbclient //s/share -U me%abc",
            "smbclient //s/share -U me%***",
        ),
        (
            "smbclient //s/share -Ume%abc",
            "smbclient //s/share -Ume%***",
        ),
        (
            "smbclient --user=me%abc //s/share",
            "smbclient --user=me%*** //s/share",
        ),
        ("smbclient //s/share abc", "smbclient //s/share ***"),
        ("rpcclient -U me%abc s", "rpcclient -U me%*** s"),
        (
            "mount -t cifs -o username=me,password=abc,vers=3 //s/x /mnt",
            "mount -t cifs -o username=me,password=***,vers=3 //s/x /mnt",
        ),
        (
            "ldapsearch -x -D cn=me -w abc -b dc=x",
            "ldapsearch -x -D cn=me -w *** -b dc=x",
        ),
        ("ldapsearch -xwabc", "ldapsearch -xw***"),
        ("ldappasswd -s abc -D cn=me", "ldappasswd -s *** -D cn=me"),
        (
            "xfreerdp /v:host /u:me /p:abc",
            "xfreerdp /v:host /u:me /p:***",
        ),
        // logins
        ("sshpass -pabc ssh -p 22 x", "sshpass -p*** ssh -p 22 x"),
        (
            "sshpass -p abc scp -P 2222 a b:",
            "sshpass -p *** scp -P 2222 a b:",
        ),
        ("sshpass -f /root/pw ssh x", "sshpass -f /root/pw ssh x"),
        (
            "docker login -u me -p abc registry.example",
            "docker login -u me -p *** registry.example",
        ),
        ("docker login -pabc", "docker login -p***"),
        ("podman login --password abc", "podman login --password ***"),
        (
            "helm registry login -u me -p abc x",
            "helm registry login -u me -p *** x",
        ),
        ("az login -u me -p abc", "az login -u me -p ***"),
        (
            "skopeo copy --src-creds me:abc docker://x",
            "skopeo copy --src-creds *** docker://x",
        ),
        // others
        ("zip -P abc x.zip a", "zip -P *** x.zip a"),
        ("zip -rPabc x.zip a", "zip -rP*** x.zip a"),
        ("7z a -pabc x.7z a", "7z a -p*** x.7z a"),
        (
            "openssl enc -aes-256-cbc -k abc -in a",
            "openssl enc -aes-256-cbc -k *** -in a",
        ),
        (
            "openssl rsa -passin pass:abc -in a",
            "openssl rsa -passin *** -in a",
        ),
        (
            "ipmitool -H bmc -U me -P abc power",
            "ipmitool -H bmc -U me -P *** power",
        ),
        (
            "mosquitto_pub -u me -P abc -p 1883 -t x",
            "mosquitto_pub -u me -P *** -p 1883 -t x",
        ),
        ("snmpwalk -v2c -c abc host", "snmpwalk -v2c -c *** host"),
        ("useradd -m -p abc me", "useradd -m -p *** me"),
        ("htpasswd -b file me abc", "htpasswd -b file me ***"),
        ("htpasswd -nb me abc", "htpasswd -nb me ***"),
        ("htpasswd file me", "htpasswd file me"),
        (
            "nmcli dev wifi connect net password abc",
            "nmcli dev wifi connect net password ***",
        ),
        (
            "aws configure set aws_secret_access_key abc",
            "aws configure set aws_secret_access_key ***",
        ),
        ("rabbitmqctl add_user me abc", "rabbitmqctl add_user me ***"),
        (
            "rabbitmqctl change_password me abc",
            "rabbitmqctl change_password me ***",
        ),
        // wrapped
        ("sudo -u me mysql -pabc", "sudo -u me mysql -p***"),
        (
            "env A=b timeout 5 redis-cli -a abc",
            "env A=b timeout 5 redis-cli -a ***",
        ),
        (
            "/usr/bin/nice -n 5 /usr/bin/curl -u me:abc x",
            "/usr/bin/nice -n 5 /usr/bin/curl -u *** x",
        ),
        // of no known program
        ("worker -p abc", "worker -p ***"),
        ("worker -u me:abc", "worker -u me:***"),
        ("worker -ume:abc", "worker -ume:***"),
        ("worker --user me:abc", "worker --user me:***"),
        ("worker --user=me:abc", "worker --user=me:***"),
        ("worker -U me%abc", "worker -U me%***"),
        ("worker --http-password abc", "worker --http-password ***"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(command_line(&words), shown, "{line}");
        // Within a script, and behind another command, it is the same.
        let script = format!("cd /srv && {line}; echo done");
        let expected = format!("sh -c cd /srv && {shown}; echo done");
        if !line.contains(['"', '%']) {
            assert_eq!(command_line(&["sh", "-c", &script]), expected, "{line}");
        }
    }
}

#[test]
fn what_is_no_secret_stays_readable() {
    for line in [
        "server -p 8080",
        "server -p 127.0.0.1:8080:80",
        "server -P 4",
        "mkdir -p dir",
        "ssh -p 22 host",
        "ssh -p 22 login",
        "scp -P 22 a host:b",
        "rsync -a -p src dst",
        "docker run -p 8080:80 -u 1000:1000 --user www-data:www-data image",
        "docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 80",
        "cp -p a b",
        "tar -xpf a.tar",
        "nginx -p /srv/www -c conf/nginx.conf",
        "gunicorn -w 4 -k gevent -b 0.0.0.0:80 app:app",
        "grep -P pattern file",
        "find -P dir",
        "xargs -P 4 echo",
        "python3 -m http.server -p 80",
        "java -jar app.jar --server.port=80",
        "node server.js --port=3000 --env=dev",
        "postgres -D /var/lib/postgresql/15/main -p 5432",
        "uwsgi --uid 33 --user www-data",
        "ps -p 1234",
        "git clone https://git.example/a/b.git",
        "wget https://x.example/hooks.html",
        "curl https://x.example/api/v1/users/4711/orders",
        "FOO=bar app A=b",
        "app --tokenizer-path /srv/t --max-tokens 4096",
        "keyboard -layout de",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(command_line(&words), line);
    }
}

#[test]
fn addresses_and_headers_are_shown_without_their_secrets() {
    for (word, shown) in [
        (
            "https://hooks.slack.com/services/T0/B0/abc",
            "https://hooks.slack.com/services/***",
        ),
        (
            "https://api.telegram.org/bot123:abc-DEF/getMe",
            "https://api.telegram.org/bot***/getMe",
        ),
        (
            "https://discord.com/api/webhooks/123/abc-DEF",
            "https://discord.com/api/webhooks/***",
        ),
        (
            "https://x.webhook.office.com/webhookb2/a@b/c/d",
            "https://x.webhook.office.com/webhookb2/***",
        ),
        (
            "https://maker.ifttt.com/trigger/x/with/key/abc",
            "https://maker.ifttt.com/trigger/x/with/key/***",
        ),
        ("https://hc-ping.com/0f3c-11", "https://hc-ping.com/***"),
        (
            "https://x.example/a/9AbC3xYzQ1w2E3r4T5y6U7/b?q=1",
            "https://x.example/a/***/b?q=1",
        ),
        (
            "https://x.example/?a=1&sig=abc&b=2",
            "https://x.example/?a=1&sig=***&b=2",
        ),
        (
            "https://x.example/?X-Amz-Signature=abc",
            "https://x.example/?X-Amz-Signature=***",
        ),
        (
            "https://me:abc@x.example/hooks/def",
            "https://me:***@x.example/hooks/***",
        ),
        ("https://x.example/webhooks/", "https://x.example/webhooks/"),
        ("http://x.example:80/status", "http://x.example:80/status"),
        ("unix:///run/app.sock", "unix:///run/app.sock"),
        (
            "Authorization: Digest username=a, response=b",
            "Authorization: Digest ***",
        ),
        ("Authorization: abc def", "Authorization: ***"),
        ("Cookie: a=b; c=d", "Cookie: ***"),
        (
            "Proxy-Authorization: Basic abc",
            "Proxy-Authorization: Basic ***",
        ),
        ("MYSQL_PWD=abc", "MYSQL_PWD=***"),
        ("REDIS_AUTH=abc", "REDIS_AUTH=***"),
        ("WIFI_PSK=abc", "WIFI_PSK=***"),
        ("LANG=de_DE.UTF-8", "LANG=de_DE.UTF-8"),
    ] {
        assert_eq!(command_line(&["x", word]), format!("x {shown}"));
    }
    assert_eq!(
        text("curl -u \"me:abc\" -H 'Cookie: a=b; c=d' x | mysql -p'abc def' db"),
        "curl -u \"***\" -H 'Cookie: ***' x | mysql -p*** db"
    );
    assert_eq!(
        text("fatal: cannot read https://abc@git.example/x.git"),
        "fatal: cannot read https://***@git.example/x.git"
    );
}

#[test]
fn any_text_ends() {
    for text in [
        "",
        "=",
        "://",
        "://@",
        "token",
        "token=",
        "token=\"",
        "password:",
        "\"'\"'",
        "-",
        "é\"=:",
        "token: \"é",
    ] {
        drop(command_line(&["x", text]));
        drop(command_line(&[text, text]));
    }
}
