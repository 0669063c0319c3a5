//! A PostgreSQL server of its own for the bot's store, on the same disk as the files of SQLite.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::Failure;

/// What runs beside the server: prints its URL, and then creates each database that it is asked for.
const DATABASES: &str = r#"
    echo "$SIGNL4_TEST_POSTGRES"
    while read -r name; do createdb --maintenance-db "$SIGNL4_TEST_POSTGRES" "$name" && echo "$name"; done
"#;
/// How long the server may take to start, to create a database and to stop.
const LIMIT: Duration = Duration::from_secs(60);

/// A running server. It stops, and its files go, once this process closes the pipe.
pub struct Postgres {
    url: String,
    databases: u32,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    child: Child,
}

impl Postgres {
    /// Starts a server that syncs its commits and keeps its files below `scratch`. `None` if its programs are missing.
    pub async fn start(root: &Path, scratch: &Path) -> Result<Option<Self>, Failure> {
        let mut command = Command::new(root.join("tests/postgres.sh"));
        command.arg("--durable").arg(scratch).args(["sh", "-c", DATABASES]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (commands, answers) = child.stdin.take().zip(child.stdout.take()).ok_or("no pipes")?;
        let mut answers = BufReader::new(answers).lines();
        let url = timeout(LIMIT, answers.next_line()).await??;
        Ok(url.map(|url| Self { url, databases: 0, commands, answers, child }))
    }

    /// Creates an empty database and returns its URL.
    pub async fn database(&mut self) -> Result<String, Failure> {
        self.databases += 1;
        let name = format!("bot{}", self.databases);
        self.commands.write_all(format!("{name}\n").as_bytes()).await?;
        let created = timeout(LIMIT, self.answers.next_line()).await??;
        if created.as_ref() != Some(&name) {
            return Err("PostgreSQL creates no database".into());
        }
        Ok(self.url.replacen("/postgres?", &format!("/{name}?"), 1))
    }

    pub async fn stop(mut self) -> Result<(), Failure> {
        drop(self.commands);
        timeout(LIMIT, self.child.wait()).await??;
        Ok(())
    }
}
