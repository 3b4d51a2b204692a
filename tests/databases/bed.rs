//! A host with a PostgreSQL server, checkpoints of it, and sessions that may write.

use std::sync::{Arc, Mutex};

use fleet::guard::{Operation, permit};
use fleet::inventory::{Dump, DumpFormat, PostgresSource};
use fleet::name::RestoreId;
use fleet::restore::databases::{
    CapturedDatabases, DatabasePlan, DatabaseState, DatabaseTarget, Error, PlanOptions,
    ServerAccess, make_roles, plan, read,
};
use fleet::ssh::{Connector, Options, ReadSession, Sent, WriteSession};
use fleet::store::{SealedCheckpoint, Store};
use serde_json::{Value, json};

use crate::support::host_fixture::HostFixture;
use crate::support::postgres::Postgres;
use crate::support::sshd::inventory;

pub(super) const TABLES: &str = "
    CREATE TABLE traces (trace_id varchar(255) PRIMARY KEY, started_at timestamp NOT NULL, note text);
    CREATE TABLE audit (id serial PRIMARY KEY, trace_id varchar(255) REFERENCES traces, said jsonb);
    CREATE TABLE \"it's \"\"odd\"\"\" (a int);
    CREATE INDEX traces_started ON traces (started_at);
    CREATE FUNCTION two() RETURNS int LANGUAGE sql AS $$ SELECT 2; -- \\! id
    $$;
    CREATE VIEW recent AS SELECT * FROM traces WHERE started_at > '2026-01-01';
    COMMENT ON TABLE traces IS E'it''s\\n\\\\! id\\n';";

pub(super) const ROWS: &str = "
    INSERT INTO traces VALUES ('a', '2026-11-21', E'\\\\! touch x'), ('b', '2026-11-22', NULL);
    INSERT INTO audit (trace_id, said)
        SELECT 'a', to_jsonb(repeat(md5(i::text), 20)) FROM generate_series(1, 3000) i;
    SELECT lo_from_bytea(4711, convert_to('large', 'UTF8'));";

/// What a plain dump leaves out.
pub(super) const SETTINGS: &str = "
    CREATE ROLE owner;
    CREATE ROLE clerk LOGIN PASSWORD 'x';
    CREATE ROLE clerks;
    GRANT clerks TO clerk;
    ALTER DATABASE app OWNER TO owner;
    ALTER DATABASE app CONNECTION LIMIT 7;
    ALTER DATABASE app SET work_mem = '8MB';
    ALTER DATABASE app SET default_transaction_read_only = on;
    ALTER DATABASE app SET search_path = public, \"it's a\";
    ALTER ROLE clerk IN DATABASE app SET statement_timeout = '5s';
    REVOKE CONNECT ON DATABASE app FROM PUBLIC;
    GRANT CONNECT ON DATABASE app TO clerk;
    COMMENT ON DATABASE app IS E'it''s\\n\\\\restrict x\\n';";

pub(super) struct Bed {
    pub(super) scene: HostFixture,
    pub(super) postgres: Postgres,
    pub(super) sent: Arc<Mutex<Vec<String>>>,
}

impl Bed {
    /// With a database `app` that has tables and rows.
    pub(super) fn start() -> Option<Self> {
        Self::on(HostFixture::start()?)
    }

    pub(super) fn on(scene: HostFixture) -> Option<Self> {
        let postgres = Postgres::start()?;
        postgres.sql("postgres", "CREATE DATABASE app");
        postgres.sql("app", TABLES);
        postgres.sql("app", ROWS);
        Some(Self {
            scene,
            postgres,
            sent: Arc::default(),
        })
    }

    /// A checkpoint whose source `db` has these settings.
    pub(super) fn take(&self, settings: Value) -> Arc<SealedCheckpoint> {
        let mut source = json!({
            "postgres": "app", "host": self.postgres.socket(), "user": "operator", "dump": "full",
            "may_shrink": true,
        });
        if let (Some(all), Value::Object(settings)) = (source.as_object_mut(), settings) {
            all.extend(settings);
        }
        self.scene.sources(json!({ "db": source }));
        let ran = self.scene.fleet.checkpoint(&["web"]).exits(0);
        assert_eq!(ran.state(), "complete", "{}", ran.stderr);
        let store = Store::open(self.scene.fleet.store()).expect("a store");
        let id = ran.id().parse().expect("an ID");
        Arc::new(store.open_checkpoint(&id).expect("a checkpoint"))
    }

    /// How the server is reached: as `operator`.
    pub(super) fn source(&self) -> PostgresSource {
        PostgresSource {
            databases: vec!["app".to_owned()],
            dump: Dump::Full,
            format: DumpFormat::Plain,
            globals: false,
            run_as: None,
            host: Some(self.postgres.socket().display().to_string()),
            port: None,
            user: Some("operator".to_owned()),
            password: None,
        }
    }

    pub(super) async fn access(&self) -> ServerAccess {
        ServerAccess::of(&self.source(), false)
            .await
            .expect("no secret")
    }

    /// A session that may write; what is sent on it is kept.
    pub(super) async fn session(&self) -> WriteSession {
        self.session_at(self.scene.sshd.port).await
    }

    /// The same through another port.
    pub(super) async fn session_at(&self, port: u16) -> WriteSession {
        let keep = Arc::clone(&self.sent);
        let options = Options {
            recorder: Some(Arc::new(move |sent: &Sent<'_>| {
                if let Sent::Command(command) = sent {
                    let text = String::from_utf8_lossy(command.preamble);
                    let request = text.lines().last().expect("a request");
                    let line = format!("{} {request}", command.writes);
                    keep.lock().expect("no panic").push(line);
                }
            })),
            ..Options::default()
        };
        let mut host = self.scene.sshd.host("web");
        host.port = Some(port);
        let inventory = inventory(vec![host.clone()]);
        let permit = permit(&inventory, &host, Operation::Restore).expect("a writable host");
        let connector = Connector::new(self.scene.sshd.ssh_config(), options);
        let gathered = crate::support::evidence::gather(&inventory, &connector).await;
        WriteSession::open(permit, &gathered.evidence, &connector, &inventory)
            .await
            .expect("a session")
    }

    pub(super) async fn plan(
        &self,
        session: &ReadSession,
        captured: &CapturedDatabases,
        replace: bool,
    ) -> DatabasePlan {
        let options = PlanOptions {
            replace,
            ..PlanOptions::default()
        };
        self.plan_with(session, captured, options).await
    }

    pub(super) async fn plan_with(
        &self,
        session: &ReadSession,
        captured: &CapturedDatabases,
        options: PlanOptions,
    ) -> DatabasePlan {
        plan(session, &self.access().await, captured, options)
            .await
            .expect("a plan")
    }

    /// The databases of the server.
    pub(super) fn databases(&self) -> String {
        self.postgres.sql(
            "postgres",
            "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname !~ '^template|^postgres$'",
        )
    }

    /// Everything of a database that a restore should bring back.
    pub(super) fn whole(&self, name: &str) -> String {
        let settings = self.postgres.schema(name, &["--create", "--schema-only"]);
        settings + &self.postgres.schema(name, &[])
    }
}

/// A restore of all databases of a checkpoint that a plan changes.
pub(super) struct Restore {
    pub(super) id: RestoreId,
    pub(super) checkpoint: Arc<SealedCheckpoint>,
    pub(super) captured: CapturedDatabases,
}

pub(super) fn id(number: u8) -> RestoreId {
    RestoreId::of([0, 0, 0, 0, 0, number])
}

pub(super) fn captured(checkpoint: &SealedCheckpoint) -> CapturedDatabases {
    read(checkpoint, &"db".parse().expect("a source")).expect("captured")
}

impl Restore {
    pub(super) fn new(number: u8, checkpoint: &Arc<SealedCheckpoint>) -> Self {
        Self {
            id: id(number),
            checkpoint: Arc::clone(checkpoint),
            captured: captured(checkpoint),
        }
    }

    pub(super) fn target(
        &self,
        access: &ServerAccess,
        name: &str,
        creates: bool,
    ) -> DatabaseTarget {
        DatabaseTarget::new(access.clone(), name, &self.id, creates)
    }

    /// Makes roles and loads everything that the plan changes.
    pub(super) async fn load(
        &self,
        bed: &Bed,
        session: &WriteSession,
    ) -> Result<Vec<DatabaseTarget>, Error> {
        let access = bed.access().await;
        let options = PlanOptions {
            replace: true,
            resumes: Some(self.id.clone()),
            ..PlanOptions::default()
        };
        let plan = bed
            .plan_with(session.reader(), &self.captured, options)
            .await;
        make_roles(session, &access, &self.id, plan.making_roles()).await?;
        let mut targets = Vec::new();
        for (planned, captured) in plan.databases.iter().zip(&self.captured.databases) {
            assert!(
                planned.action.changes(),
                "{}: {}",
                planned.name,
                planned.why
            );
            let creates = planned.action == fleet::restore::databases::DatabaseAction::Create;
            let target = self.target(&access, &planned.name, creates);
            target
                .load(session, &self.checkpoint, captured, planned)
                .await?;
            assert_eq!(target.state(session.reader()).await?, DatabaseState::Ready);
            targets.push(target);
        }
        Ok(targets)
    }

    /// From loading to the end.
    pub(super) async fn all(&self, bed: &Bed, session: &WriteSession) -> Result<(), Error> {
        for target in self.load(bed, session).await? {
            target.switch(session).await?;
            assert_eq!(
                target.state(session.reader()).await?,
                DatabaseState::Switched
            );
            target.drop_old(session).await?;
            assert_eq!(
                target.state(session.reader()).await?,
                DatabaseState::Untouched
            );
        }
        Ok(())
    }
}
