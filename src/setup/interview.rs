//! Asks for what is not given, and tries each answer. A wrong answer is asked for again on a terminal, and is an error
//! elsewhere.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Write};

use secrecy::SecretString;
use tokio::task::block_in_place;

use super::{Answers, Given, SetupError};
use crate::check::{Finding, Grade, PublicUrl, Trial};
use crate::config::{self, Account, values};
use rocketchat::{ServerUrl, UserId};

const WEBHOOK_URL: &str = "--webhook-url-file";
const ROOMS: &str =
    "Rooms to watch, separated by commas, such as #ops, alerts-* (empty for every room the bot is in)";
const PUBLIC_URL: &str =
    "Address at which SIGNL4 reaches this machine, such as https://bot.example.com (empty if not known yet)";

/// Returns all answers, each of them tried.
///
/// # Errors
/// When an answer is missing or wrong and there is no terminal, or the input ends.
pub(crate) async fn interview(given: Given, terminal: Option<Terminal>) -> Result<Answers, SetupError> {
    let missing = given.missing();
    if terminal.is_none() && !missing.is_empty() {
        return Err(SetupError::Missing(missing.join(", ")));
    }
    let trial = Trial::new().map_err(|why| {
        SetupError::Tried(format!(
            "cannot prepare outgoing connections ({why}): check the system's certificates"
        ))
    })?;
    let interview = Interview { terminal, trial };
    let url = interview.url(given.url.clone()).await?;
    let account = interview.account(&url, &given).await?;
    let webhook_url = interview.webhook_url(given.webhook_url).await?;
    let rooms = interview.rooms(given.rooms)?;
    let public_url = interview.public_url(given.public_url)?;
    Ok(Answers { url, account, webhook_url, rooms, public_url })
}

struct Interview {
    terminal: Option<Terminal>,
    trial: Trial,
}

impl Interview {
    async fn url(&self, mut given: Option<String>) -> Result<ServerUrl, SetupError> {
        loop {
            let text = match given.take() {
                Some(text) => text,
                None => {
                    self.person()?.ask("Rocket.Chat's address, as people open it in the browser", None)?
                }
            };
            let Some(url) = self.valid("--url", config::server_url(&server_address(&text)))? else {
                continue;
            };
            if self.report(&self.trial.server(&url).await)? {
                return Ok(url);
            }
        }
    }

    async fn account(&self, url: &ServerUrl, given: &Given) -> Result<Account, SetupError> {
        let mut given = given.clone();
        loop {
            let Some(account) = self.ask_account(std::mem::take(&mut given))? else { continue };
            if self.report(&self.trial.account(url, &account).await)? {
                return Ok(account);
            }
        }
    }

    fn ask_account(&self, given: Given) -> Result<Option<Account>, SetupError> {
        let by_password = match &given {
            Given { username: None, password: None, user_id: None, auth_token: None, .. } => {
                let answer =
                    self.person()?.ask("Does the bot log in with a token or a password? (t/p)", Some("t"))?;
                answer.to_lowercase().starts_with('p')
            }
            given => given.username.is_some() || given.password.is_some(),
        };
        if by_password {
            let Some(username) = self.name("--username", "The bot's username", given.username)? else {
                return Ok(None);
            };
            let Some(password) = self.secret("Its password", given.password)? else { return Ok(None) };
            return Ok(Some(Account::Password { username, password }));
        }
        let Some(user_id) =
            self.name("--user-id", "The bot's user ID, shown with the token", given.user_id)?
        else {
            return Ok(None);
        };
        let Some(auth_token) = self.secret("Its personal access token", given.auth_token)? else {
            return Ok(None);
        };
        Ok(Some(Account::Token { user_id: UserId::new(user_id), auth_token }))
    }

    async fn webhook_url(&self, mut given: Option<SecretString>) -> Result<SecretString, SetupError> {
        loop {
            let Some(secret) = self.secret("Webhook URL of the SIGNL4 team", given.take())? else { continue };
            let Some(url) = self.valid(WEBHOOK_URL, values::webhook_url(&secret))? else { continue };
            if self.report(&self.trial.webhook(&url).await)? {
                return Ok(secret);
            }
        }
    }

    fn rooms(&self, given: Vec<String>) -> Result<Vec<String>, SetupError> {
        let mut given = Some(given).filter(|rooms| !rooms.is_empty());
        loop {
            let rooms = match (given.take(), self.terminal) {
                (Some(rooms), _) => rooms,
                (None, None) => return Ok(Vec::new()),
                (None, Some(person)) => listed(&person.ask(ROOMS, Some(""))?),
            };
            let valid = |room: &String| config::room_pattern(room).map(|_| room.trim().to_owned());
            let rooms: Result<Vec<String>, _> = rooms.iter().map(valid).collect();
            if let Some(rooms) = self.valid("--room", rooms)? {
                return Ok(rooms);
            }
        }
    }

    fn public_url(&self, given: Option<PublicUrl>) -> Result<Option<PublicUrl>, SetupError> {
        let Some(person) = self.terminal.filter(|_| given.is_none()) else { return Ok(given) };
        loop {
            let text = person.ask(PUBLIC_URL, Some(""))?;
            if text.is_empty() {
                return Ok(None);
            }
            if let Some(url) = self.valid("--public-url", text.parse::<PublicUrl>())? {
                return Ok(Some(url));
            }
        }
    }

    fn name(&self, flag: &str, question: &str, given: Option<String>) -> Result<Option<String>, SetupError> {
        let text = match given {
            Some(text) => text,
            None => self.person()?.ask(question, None)?,
        };
        self.valid(flag, config::account_name(&text))
    }

    fn secret(
        &self,
        question: &str,
        given: Option<SecretString>,
    ) -> Result<Option<SecretString>, SetupError> {
        match given {
            Some(secret) => Ok(Some(secret)),
            None => self.valid(question, values::secret(&self.person()?.ask_secret(question)?)),
        }
    }

    fn person(&self) -> Result<Terminal, SetupError> {
        // Without a terminal, missing answers were reported before anything was tried.
        self.terminal.ok_or(SetupError::Stopped)
    }

    /// The value; `None` where it has to be asked for again.
    fn valid<T>(&self, what: &str, value: Result<T, impl Display>) -> Result<Option<T>, SetupError> {
        match value {
            Ok(value) => Ok(Some(value)),
            Err(why) if self.terminal.is_none() => {
                Err(SetupError::Wrong { what: what.to_owned(), why: why.to_string() })
            }
            Err(why) => {
                print(&format!("  ✗ {why}"));
                Ok(None)
            }
        }
    }

    /// Prints the findings of a trial. Returns whether there is no problem.
    fn report(&self, findings: &[Finding]) -> Result<bool, SetupError> {
        let problem = findings.iter().find(|finding| finding.remark.grade == Grade::Problem);
        if let (None, Some(problem)) = (self.terminal, problem) {
            let remedy = problem.remark.fix.as_ref().map_or_else(String::new, |fix| format!(": {fix}"));
            return Err(SetupError::Tried(format!("{}: {}{remedy}", problem.subject, problem.remark.text)));
        }
        for finding in findings {
            let mark = match finding.remark.grade {
                Grade::Fine => "✓",
                Grade::Warning => "!",
                Grade::Problem => "✗",
            };
            print(&format!("  {mark} {}: {}", finding.subject, finding.remark.text));
            if let Some(fix) = &finding.remark.fix {
                print(&format!("    → {fix}"));
            }
        }
        Ok(problem.is_none())
    }
}

/// The server's address in what a person copies from the browser: with a scheme, and without the page that was open.
fn server_address(text: &str) -> String {
    const PAGES: [&str; 8] = ["home", "channel", "group", "direct", "live", "login", "account", "admin"];
    let text = text.trim();
    let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let mut parts: Vec<&str> = rest.split(['?', '#']).next().unwrap_or_default().split('/').collect();
    if let Some(page) = parts.iter().skip(1).position(|part| PAGES.contains(part)) {
        parts.truncate(page + 1);
    }
    format!("{scheme}://{}", parts.join("/"))
}

/// Rooms separated by commas, semicolons or line breaks; by spaces only where each begins with `#`, for names have spaces.
fn listed(text: &str) -> Vec<String> {
    let by_space = text.split_whitespace().all(|room| room.starts_with('#'));
    let is_separator = |c: char| matches!(c, ',' | ';' | '\n') || (by_space && c.is_whitespace());
    text.split(is_separator).map(|room| room.trim().to_owned()).filter(|room| !room.is_empty()).collect()
}

/// Control characters are replaced: a server's texts must not control the terminal.
#[expect(clippy::print_stdout, reason = "output of the command")]
fn print(text: &str) {
    println!("{}", text.replace(char::is_control, "\u{fffd}"));
}

/// A person at a terminal: standard input and output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal(());

impl Terminal {
    /// `None` where standard input or output is not a terminal.
    pub(crate) fn of_process() -> Option<Self> {
        (io::stdin().is_terminal() && io::stdout().is_terminal()).then_some(Self(()))
    }

    /// Asks for one line. An empty line means the default.
    ///
    /// # Errors
    /// When the input ends.
    pub(crate) fn ask(self, question: &str, default: Option<&str>) -> Result<String, SetupError> {
        let hint =
            default.filter(|text| !text.is_empty()).map_or_else(String::new, |text| format!(" [{text}]"));
        let answer = block_in_place(|| {
            let mut stdout = io::stdout();
            write!(stdout, "{question}{hint}: ")?;
            stdout.flush()?;
            let mut line = String::new();
            match io::stdin().lock().read_line(&mut line)? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(line),
            }
        });
        let answer = answer.map_err(|_: io::Error| SetupError::Stopped)?;
        Ok(match answer.trim() {
            "" => default.unwrap_or_default().to_owned(),
            text => text.to_owned(),
        })
    }

    /// Asks for one line without echo.
    ///
    /// # Errors
    /// When the input ends.
    fn ask_secret(self, question: &str) -> Result<String, SetupError> {
        let prompt = format!("{question} (not shown): ");
        let answer = block_in_place(|| rpassword::prompt_password(prompt));
        answer.map(|text| text.trim().to_owned()).map_err(|_| SetupError::Stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_any_page_of_the_server_will_do() {
        for (text, address) in [
            ("chat.example.com", "https://chat.example.com"),
            (" https://chat.example.com/home ", "https://chat.example.com"),
            ("https://chat.example.com/channel/general?msg=x", "https://chat.example.com"),
            ("http://example.com:3000/chat/channel/general", "http://example.com:3000/chat"),
            ("https://example.com/chat/", "https://example.com/chat/"),
            ("home.example.com", "https://home.example.com"),
        ] {
            assert_eq!(server_address(text), address);
        }
    }

    #[test]
    fn rooms_are_separated_as_people_separate_them() {
        for text in ["#ops, alerts-*", "#ops; alerts-*", " #ops ,;alerts-*,"] {
            assert_eq!(listed(text), ["#ops", "alerts-*"]);
        }
        assert_eq!(listed("#ops #night"), ["#ops", "#night"]);
        assert_eq!(listed("Störung Halle 3, ops"), ["Störung Halle 3", "ops"]);
        assert_eq!(listed(""), Vec::<String>::new());
    }
}
