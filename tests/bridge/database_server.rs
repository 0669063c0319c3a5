//! A PostgreSQL server of a test's own, on a port of the loopback, which the test may stop, reconfigure and fill.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::harness::{SOON, fill_disk, free_port};

/// The password of the bot's user.
pub const PASSWORD: &str = "a-database-passw0rd";
/// PostgreSQL does not run as root, and so takes root for another user.
const AS_A_USER: [&str; 4] = ["unshare", "--user", "--map-user=1000", "--map-group=1000"];

/// The server.
pub struct Server {
    dir: TempDir,
    pub port: u16,
    process: Child,
}

impl Server {
    /// Starts one with the user `bot` and its database.
    pub async fn start() -> Self {
        Self::start_with(&[], "").await
    }

    /// The same with more settings, after a shell command. `DIR` in both is the server's directory.
    pub async fn start_with(settings: &[&str], prepare: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let data = dir.path().join("data");
        let mut initdb = Command::new(AS_A_USER[0]);
        initdb.args(&AS_A_USER[1..]).arg(program("initdb")).arg(format!("--pgdata={}", data.display()));
        initdb.args(["--username=test", "--auth=trust", "--no-sync", "--no-instructions", "--wal-segsize=1"]);
        assert!(initdb.stdout(Stdio::null()).status().await.unwrap().success());
        let access = "hostssl encrypted all 127.0.0.1/32 trust\nhost encrypted all 127.0.0.1/32 reject\n\
            host all test 127.0.0.1/32 trust\nhost replication test 127.0.0.1/32 trust\n\
            host all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(data.join("pg_hba.conf"), access).unwrap();
        let in_dir = |text: &str| text.replace("DIR", dir.path().to_str().unwrap());
        let settings: String = settings.iter().map(|setting| in_dir(setting) + "\n").collect();
        fs::write(data.join("postgresql.auto.conf"), settings).unwrap();
        let (port, prepare) = (free_port(), in_dir(prepare));
        let process = spawn(&data, port, &prepare);
        let server = Self { dir, port, process };
        server.wait_until_up().await;
        server
    }

    /// A standby server with the same data.
    pub async fn standby(&self) -> Self {
        let dir = TempDir::new().unwrap();
        let data = dir.path().join("data");
        let mut backup = Command::new(program("pg_basebackup"));
        backup.args(["--host=127.0.0.1", "--username=test", "--checkpoint=fast", "--no-sync"]);
        backup.arg("--write-recovery-conf").arg(format!("--port={}", self.port));
        backup.arg(format!("--pgdata={}", data.display()));
        assert!(backup.status().await.unwrap().success());
        let port = free_port();
        let process = spawn(&data, port, "");
        let server = Self { dir, port, process };
        server.wait_until_up().await;
        server
    }

    /// The bot's URL.
    pub fn url(&self) -> String {
        format!("postgres://bot:{PASSWORD}@127.0.0.1:{}/bot", self.port)
    }

    /// A path in the server's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub async fn administrator(&self) -> sqlx::Result<PgConnection> {
        PgConnection::connect(&format!("postgres://test@127.0.0.1:{}/postgres", self.port)).await
    }

    /// Executes statements, each in its own transaction.
    pub async fn execute(&self, statements: &[&str]) {
        let mut administrator = self.administrator().await.unwrap();
        for statement in statements {
            administrator.execute(AssertSqlSafe(*statement)).await.unwrap();
        }
    }

    /// Stops it as an administrator does who does not wait for clients.
    pub async fn stop(&mut self) {
        self.signal("-INT").await;
        self.process.wait().await.unwrap();
    }

    /// Like a failure of its machine.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
        // Its processes notice that it is gone.
        while self.administrator().await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts it again.
    pub fn spawn(&mut self) {
        self.process = spawn(&self.path("data"), self.port, "");
    }

    /// Makes a standby server the primary one.
    pub async fn promote(&self) {
        File::create(self.path("data/promote")).unwrap();
        self.signal("-USR1").await;
    }

    pub async fn wait_until_up(&self) {
        let since = Instant::now();
        while self.administrator().await.is_err() {
            assert!(since.elapsed() < SOON, "the server does not start");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Fills the disk that is mounted at a path to the last byte. Removing the file frees it.
    pub fn fill_disk(&self, mounted: &Path) -> PathBuf {
        fill_disk(&self.process, mounted)
    }

    async fn signal(&self, signal: &str) {
        let pid = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
    }
}

/// Where the program is: `tests/postgres.sh` says it.
fn program(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("SIGNL4_TEST_POSTGRES_BIN").unwrap()).join(name)
}

fn spawn(data: &Path, port: u16, prepare: &str) -> Child {
    // A disk is mounted as root of a namespace, in which PostgreSQL then is a user.
    let prepared = format!("{prepare} && exec \"$0\" \"$@\"");
    let prepare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &prepared];
    let prepare = if prepared.starts_with(' ') { &[][..] } else { &prepare[..] };
    let mut command = prepare.iter().chain(&AS_A_USER).copied();
    let log = File::options().create(true).append(true).open(data.with_extension("log")).unwrap();
    Command::new(command.next().unwrap())
        .args(command)
        .arg(program("postgres"))
        .arg("-D")
        .arg(data)
        .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"])
        .args(["-c", "max_wal_size=32MB", "-c", "min_wal_size=2MB", "-c", &format!("port={port}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
