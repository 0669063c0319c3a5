//! Writes the files of `init`: secrets are never readable by others, and each file is written completely or not at all.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf, absolute};

use secrecy::{ExposeSecret, SecretString};
use tempfile::NamedTempFile;

use super::answers::Answers;
use super::draft::draft;
use super::secrets::{FILE_NAMES, secrets};
use super::{failed, wrong_usage};
use crate::command::Failure;
use crate::config::{Config, Sources};

const OUTPUT: &str = "--output";
const SECRETS_DIR: &str = "--secrets-dir";
/// The mode of a file with a secret.
const PRIVATE: u32 = 0o600;
/// The mode of a `bot.toml` without secrets: systemd's dynamic user has to read it.
const PUBLIC: u32 = 0o644;

/// Where the files are written.
#[derive(Clone, Debug)]
pub(super) struct Target {
    output: PathBuf,
    /// The directory of the secrets; `None` if they go into `bot.toml`.
    secrets: Option<PathBuf>,
    replace: bool,
}

/// What was written.
pub(super) struct Written {
    /// The new configuration, together with the environment.
    pub(super) config: Config,
    /// The files with the secrets; none if they are in `bot.toml`.
    pub(super) secrets: Vec<PathBuf>,
}

impl Target {
    /// Tries the paths before anything is asked: Rocket.Chat shows a token only once.
    ///
    /// # Errors
    /// When a path is invalid or cannot be written, or a file exists that may not be replaced.
    pub(super) fn new(output: PathBuf, secrets: Option<PathBuf>, replace: bool) -> Result<Self, Failure> {
        // The bot may be started in another directory.
        let secrets = secrets.map(|directory| match absolute(&directory) {
            Ok(path) if path.to_str().is_some() => Ok(path),
            _ => Err(wrong_usage(format!("{SECRETS_DIR}: is not a path that bot.toml can contain"))),
        });
        let target = Self { output, secrets: secrets.transpose()?, replace };
        if !replace {
            refuse_existing(&target.output, OUTPUT)?;
            let in_directory = |directory: &PathBuf| FILE_NAMES.map(|name| directory.join(name));
            let mut files = target.secrets.iter().flat_map(in_directory);
            files.try_for_each(|file| refuse_existing(&file, SECRETS_DIR))?;
        }
        if let Some(directory) = &target.secrets {
            let tried = target.try_writing(directory);
            tried.map_err(|why| unwritable(directory, why, SECRETS_DIR))?;
        }
        let tried = match target.output.is_dir() {
            true => Err(io::ErrorKind::IsADirectory.into()),
            false => target.try_writing(parent(&target.output)),
        };
        tried.map_err(|why| unwritable(&target.output, why, OUTPUT))?;
        Ok(target)
    }

    /// Writes and deletes an empty file. The directory of the secrets may be created later, in its parent.
    fn try_writing(&self, directory: &Path) -> io::Result<()> {
        let directory = absolute(directory)?;
        let is_created = !directory.exists() && self.secrets.as_ref() == Some(&directory);
        let tried = if is_created { parent(&directory) } else { &directory };
        write_temporary(tried, &SecretString::default(), PRIVATE).map(drop)
    }

    pub(super) fn output(&self) -> &Path {
        &self.output
    }

    /// Writes everything; `bot.toml` last, so that it never names missing files.
    ///
    /// # Errors
    /// When a file cannot be written or may not be replaced, or the configuration is invalid.
    pub(super) fn write(&self, answers: &Answers) -> Result<Written, Failure> {
        let secrets = secrets(answers);
        if let Some(directory) = &self.secrets {
            self.create(directory).map_err(|why| unwritable(directory, why, SECRETS_DIR))?;
        }
        // Read while all secrets are still in one file.
        let trial = self.temporary_config(&draft(answers, &secrets, None), PRIVATE)?;
        let config = Config::load(&Sources::of_process(Some(trial.path().to_owned())))?;
        let mut temporary = Vec::new();
        if let Some(directory) = &self.secrets {
            for secret in &secrets {
                let line = SecretString::from(format!("{}\n", secret.value.expose_secret()));
                let file = write_temporary(directory, &line, PRIVATE);
                let file = file.map_err(|why| unwritable(directory, why, SECRETS_DIR))?;
                temporary.push((file, directory.join(secret.file_name)));
            }
        }
        let mut files = Vec::new();
        for (file, path) in temporary {
            self.place(file, &path, SECRETS_DIR)?;
            files.push(path);
        }
        let mode = if self.secrets.is_none() { PRIVATE } else { PUBLIC };
        let text = self.temporary_config(&draft(answers, &secrets, self.secrets.as_deref()), mode)?;
        self.place(text, &self.output, OUTPUT)?;
        Ok(Written { config, secrets: files })
    }

    /// Creates the directory of the secrets, closed to others unless it is also the directory of `bot.toml`.
    fn create(&self, directory: &Path) -> io::Result<()> {
        if directory.is_dir() {
            return Ok(());
        }
        let shared = absolute(parent(&self.output))? == *directory;
        DirBuilder::new().mode(if shared { 0o755 } else { 0o700 }).create(directory)
    }

    fn temporary_config(&self, text: &SecretString, mode: u32) -> Result<NamedTempFile, Failure> {
        write_temporary(parent(&self.output), text, mode).map_err(|why| unwritable(&self.output, why, OUTPUT))
    }

    fn place(&self, file: NamedTempFile, path: &Path, flag: &str) -> Result<(), Failure> {
        let placed = if self.replace { file.persist(path) } else { file.persist_noclobber(path) };
        placed.map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => exists(path, flag),
            _ => unwritable(path, error.error, flag),
        })?;
        let directory = File::open(parent(path)).and_then(|directory| directory.sync_all());
        directory.map_err(|why| unwritable(path, why, flag))
    }
}

fn refuse_existing(path: &Path, flag: &str) -> Result<(), Failure> {
    match path.symlink_metadata() {
        Ok(_) => Err(exists(path, flag)),
        Err(_) => Ok(()),
    }
}

fn exists(path: &Path, flag: &str) -> Failure {
    let path = path.display();
    wrong_usage(format!(
        "{path} already exists: choose another place with {flag}, or replace it with --force"
    ))
}

/// The usual reasons without the name of the temporary file.
fn unwritable(path: &Path, why: io::Error, flag: &str) -> Failure {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull};
    let why = match why.kind() {
        NotFound => io::Error::other("its directory does not exist"),
        kind @ (NotADirectory | PermissionDenied | ReadOnlyFilesystem | StorageFull) => kind.into(),
        _ => why,
    };
    let path = path.display();
    failed(format!("{path} cannot be written ({why}): choose a place that you may write to with {flag}"))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The text in a temporary file in the directory of its target.
fn write_temporary(directory: &Path, text: &SecretString, mode: u32) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".bot.toml-")
        .permissions(Permissions::from_mode(PRIVATE))
        .tempfile_in(directory)?;
    file.write_all(text.expose_secret().as_bytes())?;
    // Set again, because the umask applies when the file is created.
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    Ok(file)
}
