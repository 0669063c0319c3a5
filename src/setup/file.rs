//! Writes the file so that nobody else ever sees it, and whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use tempfile::NamedTempFile;

use super::SetupError;
use crate::config::{Config, Sources};

/// # Errors
/// When the file is there and may not be replaced.
pub(crate) fn refuse_existing(path: &Path, replace: bool) -> Result<(), SetupError> {
    match path.symlink_metadata() {
        Ok(_) if !replace => Err(SetupError::Exists(path.to_owned())),
        _ => Ok(()),
    }
}

/// Writes the text, and brings the configuration that it is, together with the environment.
///
/// # Errors
/// When it cannot be written, is no configuration, or the file is there and may not be replaced.
pub(crate) fn write(path: &Path, text: &SecretString, replace: bool) -> Result<Config, SetupError> {
    let failed = |why| SetupError::Unwritable { path: path.to_owned(), why };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let beside = written(directory, text).map_err(failed)?;
    let config = Config::load(&Sources::of_process(Some(beside.path().to_owned())))?;
    let placed = match replace {
        true => beside.persist(path),
        false => beside.persist_noclobber(path),
    };
    placed.map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => SetupError::Exists(path.to_owned()),
        _ => failed(error.error),
    })?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
    Ok(config)
}

/// The text in a file beside the one that it will be.
fn written(directory: &Path, text: &SecretString) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".bot.toml-")
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(directory)?;
    file.write_all(text.expose_secret().as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}
