//! `init`: makes a `bot.toml` by asking, tries every answer, and says what to do next.

use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use super::Failure;
use crate::check::{PublicUrl, webhook_base};
use crate::config::answer;
use crate::setup::{Given, SetupError, Target, Terminal, Written, interview};

/// What `init` need not ask. Secrets come from files, from the environment, or are typed: a flag can be seen by everybody
/// on the machine.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Secrets also come from SIGNL4_BOT_ROCKETCHAT__AUTH_TOKEN, SIGNL4_BOT_ROCKETCHAT__PASSWORD and \
                        SIGNL4_BOT_SIGNL4__WEBHOOK_URL.\nWithout a terminal nothing is asked, and what is missing is an error."
)]
pub struct InitOptions {
    /// Rocket.Chat's address, as people open it in the browser.
    #[arg(long, env = "SIGNL4_BOT_ROCKETCHAT__URL")]
    url: Option<String>,
    /// The bot's user ID, as it is shown with its personal access token.
    #[arg(long, env = "SIGNL4_BOT_ROCKETCHAT__USER_ID", value_name = "ID")]
    user_id: Option<String>,
    /// A file that holds the token and nothing else.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The bot's username, where it logs in by a password.
    #[arg(long, env = "SIGNL4_BOT_ROCKETCHAT__USERNAME", value_name = "NAME", conflicts_with_all = ["user_id", "token_file"])]
    username: Option<String>,
    /// A file that holds the password and nothing else.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user_id", "token_file"])]
    password_file: Option<PathBuf>,
    /// A file that holds the webhook URL of the SIGNL4 team and nothing else.
    #[arg(long, value_name = "FILE")]
    webhook_url_file: Option<PathBuf>,
    /// A room to watch: a name, a glob, or id:…; may be repeated. Without it every room the bot is in.
    #[arg(long = "room", value_name = "ROOM")]
    rooms: Vec<String>,
    /// Where SIGNL4 reaches the listener, without /signl4/…; shown, and kept nowhere.
    #[arg(long, value_name = "https://bot.example.com")]
    public_url: Option<PublicUrl>,
    /// The file to write.
    #[arg(long, default_value = "bot.toml", value_name = "bot.toml")]
    output: PathBuf,
    /// Write each secret to a file of its own in this directory, for systemd and containers, and only its path to bot.toml.
    #[arg(long, value_name = "DIR")]
    secrets_dir: Option<PathBuf>,
    /// Replace what is there already.
    #[arg(long)]
    force: bool,
    /// Ask nothing, even on a terminal.
    #[arg(long)]
    yes: bool,
}

/// Writes the file, and the secrets so that nobody but this user can read them.
///
/// # Errors
/// [`Failure::Setup`]; then there is no new `bot.toml`.
pub async fn init(options: InitOptions) -> Result<(), Failure> {
    let target = Target::new(options.output.clone(), options.secrets_dir.clone(), options.force)?;
    let terminal = if options.yes { None } else { Terminal::of_process() };
    let answers = interview(given(options)?, terminal).await?;
    let written = target.write(&answers)?;
    tell(target.output(), &written, answers.public_url.as_ref());
    Ok(())
}

fn given(options: InitOptions) -> Result<Given, SetupError> {
    let auth_token = secret("--token-file", options.token_file, "SIGNL4_BOT_ROCKETCHAT__AUTH_TOKEN")?;
    let password = secret("--password-file", options.password_file, "SIGNL4_BOT_ROCKETCHAT__PASSWORD")?;
    let webhook_url =
        secret("--webhook-url-file", options.webhook_url_file, "SIGNL4_BOT_SIGNL4__WEBHOOK_URL")?;
    Ok(Given {
        url: options.url,
        user_id: options.user_id,
        auth_token,
        username: options.username,
        password,
        webhook_url,
        rooms: options.rooms,
        public_url: options.public_url,
    })
}

/// A secret from a file, or else from the environment.
fn secret(flag: &str, file: Option<PathBuf>, variable: &str) -> Result<Option<SecretString>, SetupError> {
    let (what, secret) = match (file, std::env::var(variable)) {
        (Some(file), _) => (flag, answer::secret_of_file(&file)),
        (None, Ok(text)) => (variable, answer::secret(text)),
        (None, Err(_)) => return Ok(None),
    };
    secret.map(Some).map_err(|why| SetupError::Wrong { what: what.to_owned(), why })
}

/// The one place that shows a secret, and only to whoever sits in front of the terminal.
#[expect(clippy::print_stdout, reason = "what the command is for")]
fn tell(output: &Path, Written { config, secrets }: &Written, public: Option<&PublicUrl>) {
    let base = webhook_base(config, public);
    let secret =
        if stdout().is_terminal() { config.listener.secret.expose_secret() } else { "<listener.secret>" };
    let written = output.display();
    if secrets.is_empty() {
        println!("\nWrote {written}, which nobody but you can read: it holds the secrets.");
    } else {
        println!("\nWrote {written}, and the secrets that it needs, which nobody but you can read:\n");
        for file in secrets {
            println!("  {}", file.display());
        }
    }
    println!("\nIn the SIGNL4 portal, make an outbound webhook with this URL, which is a secret too:");
    println!("\n  {base}/signl4/{secret}\n");
    if base.contains('<') {
        println!(
            "Write the name under which SIGNL4 reaches this machine, or its proxy, for <this machine>.\n"
        );
    }
    let named = match output == Path::new("bot.toml") {
        true => String::new(),
        false => format!(" --config {}", output.display()),
    };
    println!("Next:\n\n  signl4-rocketchat check{named}\n  signl4-rocketchat run{named}");
}
