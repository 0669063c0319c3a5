//! Where the configuration comes from: a file, and the environment laid over it.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::problem::{Fault, Place};
use super::report::{PREFIX, Report};
use super::tree::{Origin, Step, Table, overlay, parse_file, path_of};

/// The file read where none is named. It may be absent.
const DEFAULT_FILE: &str = "bot.toml";

/// The longest file read, in bytes. The example, which has every key, is a hundredth of it.
const LONGEST_FILE: u64 = 1 << 20;

/// Variables with our prefix that belong to the command line, not to the configuration.
const COMMAND_LINE: [&str; 2] = ["CONFIG", "LOG_FORMAT"];

/// What a configuration is made of.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file that was named; `None` means `bot.toml` in the working directory, which may be absent.
    pub path: Option<PathBuf>,
    /// The environment. Only variables that begin with `SIGNL4_BOT_` are looked at.
    pub env: Vec<(String, String)>,
}

impl Sources {
    /// The file named, and the environment of this process.
    ///
    /// Variables that are not UTF-8 are taken with replacement characters, so that they are refused with a clear word.
    pub fn of_process(path: Option<PathBuf>) -> Self {
        let variables = env::vars_os();
        let variables = variables.filter(|(name, _)| name.to_string_lossy().starts_with(PREFIX));
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        Self { path, env: variables.map(|(name, value)| (text(name), text(value))).collect() }
    }

    /// The name of the file as a person would know it.
    pub(super) fn file(&self) -> PathBuf {
        self.path.clone().unwrap_or_else(|| DEFAULT_FILE.into())
    }

    /// One tree of both. `None` where the file cannot be used at all: then nothing else is worth telling.
    pub(super) fn read(&self, report: &Report) -> Option<Table> {
        let mut root = self.read_file(report)?;
        let mut variables: Vec<(Vec<Step>, &str, &str)> = self
            .env
            .iter()
            .filter_map(|(variable, value)| {
                let name = variable.strip_prefix(PREFIX)?;
                (!is_foreign(name)).then(|| (path_of(name), variable.as_str(), value.as_str()))
            })
            .collect();
        variables.sort();
        for (path, variable, value) in variables {
            let place = Place { origin: Origin::Env { variable: variable.to_owned() }, key: String::new() };
            report.accept(&place, overlay(&mut root, &path, variable, value.to_owned()));
        }
        Some(root)
    }

    fn read_file(&self, report: &Report) -> Option<Table> {
        let whole = Place { origin: Origin::Absent, key: String::new() };
        let text = match read(&self.file()) {
            Ok(bytes) if bytes.len() as u64 > LONGEST_FILE => {
                Err(Fault::new("is far too long for a configuration", "name another file with --config"))
            }
            Ok(bytes) => {
                String::from_utf8(bytes).map_err(|_| Fault::new("is not UTF-8 text", "save it as UTF-8"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.path.is_none() => Ok(String::new()),
            Err(error) => Err(Fault::new(
                format!("cannot be read ({error})"),
                "name a file that is there with --config, and see that the bot's user may read it",
            )),
        };
        let text = report.accept(&whole, text)?;
        parse_file(&text)
            .map_err(|error| {
                let place = Place { origin: Origin::File { line: error.line }, key: String::new() };
                let fault = Fault::new(
                    format!("is not TOML ({})", error.why),
                    "mend this line; texts stand in quotes, as in key = \"text\"",
                );
                report.note(&place, fault);
            })
            .ok()
    }
}

/// Reads a file, but for what is too long all the same.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a variable that happens to begin with our prefix is none of ours.
///
/// Kubernetes gives every container variables for every service of its namespace. For a service named `signl4-bot` those
/// are `SIGNL4_BOT_SERVICE_HOST`, `SIGNL4_BOT_PORT_8080_TCP_ADDR` and so on, and the bot must start all the same.
fn is_foreign(name: &str) -> bool {
    if COMMAND_LINE.contains(&name) {
        return true;
    }
    let name = format!("_{name}");
    let service = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"].iter().any(|end| name.ends_with(end));
    let ports = ["_SERVICE_PORT_", "_PORT_"].iter().any(|part| name.contains(part));
    !name.contains("__") && (service || ports)
}
