//! Writes what `init` makes so that nobody else ever sees a secret, and each file whole or not at all.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf, absolute};

use secrecy::{ExposeSecret, SecretString};
use tempfile::NamedTempFile;

use super::secrets::{FILE_NAMES, Secret, secrets};
use super::{Answers, SetupError, draft};
use crate::config::{Config, Sources};

const OUTPUT: &str = "--output";
const SECRETS_DIR: &str = "--secrets-dir";
/// For what holds a secret.
const PRIVATE: u32 = 0o600;
/// For a `bot.toml` without one: the user that systemd makes up for the bot has to read it.
const PUBLIC: u32 = 0o644;

/// Where everything goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    output: PathBuf,
    /// `None` where the secrets go into `bot.toml`.
    secrets: Option<PathBuf>,
    replace: bool,
}

/// What was written.
pub(crate) struct Written {
    /// The configuration that it is, together with the environment.
    pub(crate) config: Config,
    /// The files that hold the secrets; none where `bot.toml` does.
    pub(crate) secrets: Vec<PathBuf>,
}

impl Target {
    /// # Errors
    /// When the paths are none, or something is there that may not be replaced.
    pub(crate) fn new(output: PathBuf, secrets: Option<PathBuf>, replace: bool) -> Result<Self, SetupError> {
        // The bot may be started in another directory than this one.
        let secrets = secrets.map(|directory| match absolute(&directory) {
            Ok(path) if path.to_str().is_some() => Ok(path),
            _ => Err(SetupError::Wrong {
                what: SECRETS_DIR.to_owned(),
                why: "is no path that bot.toml can name".to_owned(),
            }),
        });
        let target = Self { output, secrets: secrets.transpose()?, replace };
        if !replace {
            refuse_existing(&target.output, OUTPUT)?;
            for name in FILE_NAMES {
                target
                    .secrets
                    .iter()
                    .try_for_each(|directory| refuse_existing(&directory.join(name), SECRETS_DIR))?;
            }
        }
        Ok(target)
    }

    pub(crate) fn output(&self) -> &Path {
        &self.output
    }

    /// Writes everything; `bot.toml` last, so that there is none that names files that are not there.
    ///
    /// # Errors
    /// When something cannot be written, is no configuration, or is there and may not be replaced.
    pub(crate) fn write(&self, answers: &Answers) -> Result<Written, SetupError> {
        let mut secrets = secrets(answers);
        let mut beside = Vec::new();
        if let Some(directory) = &self.secrets {
            self.make(directory).map_err(|why| unwritable(directory, why, SECRETS_DIR))?;
            secrets = secrets.into_iter().map(|secret| secret.kept_in(directory)).collect();
            for secret in &secrets {
                let line = SecretString::from(format!("{}\n", secret.value.expose_secret()));
                let file = written(directory, &line, PRIVATE);
                beside.push(file.map_err(|why| unwritable(directory, why, SECRETS_DIR))?);
            }
        }
        let config = self.tried(answers, &secrets, &beside)?;
        let files: Vec<PathBuf> = secrets.iter().filter_map(|secret| secret.file.clone()).collect();
        for (file, path) in beside.into_iter().zip(&files) {
            self.place(file, path, SECRETS_DIR)?;
        }
        let mode = if files.is_empty() { PRIVATE } else { PUBLIC };
        let text = self.written(&draft(answers, &secrets), mode)?;
        self.place(text, &self.output, OUTPUT)?;
        Ok(Written { config, secrets: files })
    }

    /// The configuration that all of this will be, read while the secrets still stand in the files beside their own.
    fn tried(
        &self,
        answers: &Answers,
        secrets: &[Secret],
        beside: &[NamedTempFile],
    ) -> Result<Config, SetupError> {
        let mut secrets = secrets.to_vec();
        for (secret, file) in secrets.iter_mut().zip(beside) {
            secret.file = Some(file.path().to_owned());
        }
        let text = self.written(&draft(answers, &secrets), PRIVATE)?;
        Ok(Config::load(&Sources::of_process(Some(text.path().to_owned())))?)
    }

    /// Makes the directory of the secrets, closed to others unless it is also the one of `bot.toml`.
    fn make(&self, directory: &Path) -> io::Result<()> {
        if directory.is_dir() {
            return Ok(());
        }
        let shared = absolute(parent(&self.output))? == *directory;
        DirBuilder::new().mode(if shared { 0o755 } else { 0o700 }).create(directory)
    }

    fn written(&self, text: &SecretString, mode: u32) -> Result<NamedTempFile, SetupError> {
        written(parent(&self.output), text, mode).map_err(|why| unwritable(&self.output, why, OUTPUT))
    }

    fn place(&self, file: NamedTempFile, path: &Path, flag: &'static str) -> Result<(), SetupError> {
        let placed = match self.replace {
            true => file.persist(path),
            false => file.persist_noclobber(path),
        };
        placed.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => SetupError::Exists { path: path.to_owned(), flag },
            _ => unwritable(path, error.error, flag),
        })?;
        let directory = File::open(parent(path)).and_then(|directory| directory.sync_all());
        directory.map_err(|why| unwritable(path, why, flag))
    }
}

fn refuse_existing(path: &Path, flag: &'static str) -> Result<(), SetupError> {
    match path.symlink_metadata() {
        Ok(_) => Err(SetupError::Exists { path: path.to_owned(), flag }),
        Err(_) => Ok(()),
    }
}

fn unwritable(path: &Path, why: io::Error, flag: &'static str) -> SetupError {
    SetupError::Unwritable { path: path.to_owned(), why, flag }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The text in a file beside the one that it will be.
fn written(directory: &Path, text: &SecretString, mode: u32) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".bot.toml-")
        .permissions(Permissions::from_mode(PRIVATE))
        .tempfile_in(directory)?;
    file.write_all(text.expose_secret().as_bytes())?;
    // Once more, for what the file is made with passes through the umask.
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    Ok(file)
}
