//! Asks for what is not given, and tries each answer. On a terminal a wrong one is asked for again; elsewhere it is the
//! end.

use secrecy::SecretString;

use super::{Answers, Given, SetupError, Terminal};
use crate::check::{Finding, Grade, PublicUrl, Trial};
use crate::config::{Account, answer};
use rocketchat::{ServerUrl, UserId};

const WEBHOOK_URL: &str = "--webhook-url-file";
const ROOMS: &str =
    "Rooms to watch, with commas between, as #ops, alerts-* (empty: every room the bot is in)";
const PUBLIC_URL: &str =
    "Address under which SIGNL4 reaches this machine, as https://bot.example.com (empty: not known yet)";

/// Brings all answers, each of them tried.
///
/// # Errors
/// When something is missing or wrong and there is nobody to ask, or whoever is asked goes away.
pub(crate) async fn interview(given: Given, terminal: Option<Terminal>) -> Result<Answers, SetupError> {
    let missing = given.missing();
    if terminal.is_none() && !missing.is_empty() {
        return Err(SetupError::Missing(missing.join(", ")));
    }
    let trial = Trial::new().map_err(|why| {
        SetupError::Tried(format!(
            "outgoing connections cannot be prepared ({why}): check the system's certificates"
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
            let Some(url) = self.sound("--url", answer::server_url(&text))? else { continue };
            if self.tell(&self.trial.server(&url).await)? {
                return Ok(url);
            }
        }
    }

    async fn account(&self, url: &ServerUrl, given: &Given) -> Result<Account, SetupError> {
        let mut given = given.clone();
        loop {
            let Some(account) = self.ask_account(std::mem::take(&mut given))? else { continue };
            if self.tell(&self.trial.account(url, &account).await)? {
                return Ok(account);
            }
        }
    }

    fn ask_account(&self, given: Given) -> Result<Option<Account>, SetupError> {
        let by_password = match &given {
            Given { username: None, password: None, user_id: None, auth_token: None, .. } => {
                let answer = self
                    .person()?
                    .ask("Does the bot log in by a token or by a password? (t/p)", Some("t"))?;
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
            self.name("--user-id", "The bot's user ID, as it is shown with the token", given.user_id)?
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
            let Some(url) = self.sound(WEBHOOK_URL, answer::webhook_url(&secret))? else { continue };
            if self.tell(&self.trial.webhook(&url).await)? {
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
            let rooms: Result<Vec<String>, String> = rooms.iter().map(|room| answer::room(room)).collect();
            if let Some(rooms) = self.sound("--room", rooms)? {
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
            let url = text.parse::<PublicUrl>().map_err(|error| error.to_string());
            if let Some(url) = self.sound("--public-url", url)? {
                return Ok(Some(url));
            }
        }
    }

    fn name(&self, flag: &str, question: &str, given: Option<String>) -> Result<Option<String>, SetupError> {
        let text = match given {
            Some(text) => text,
            None => self.person()?.ask(question, None)?,
        };
        self.sound(flag, answer::account_name(&text))
    }

    fn secret(
        &self,
        question: &str,
        given: Option<SecretString>,
    ) -> Result<Option<SecretString>, SetupError> {
        match given {
            Some(secret) => Ok(Some(secret)),
            None => self.sound(question, answer::secret(self.person()?.ask_secret(question)?)),
        }
    }

    fn person(&self) -> Result<Terminal, SetupError> {
        // What is missing without a terminal was told before anything was tried.
        self.terminal.ok_or(SetupError::Stopped)
    }

    /// The value; `None` where it is to be asked for again.
    fn sound<T>(&self, what: &str, value: Result<T, String>) -> Result<Option<T>, SetupError> {
        match value {
            Ok(value) => Ok(Some(value)),
            Err(why) if self.terminal.is_none() => Err(SetupError::Wrong { what: what.to_owned(), why }),
            Err(why) => {
                say(&format!("  ✗ {why}"));
                Ok(None)
            }
        }
    }

    /// Says what a trial found; whether it found no problem.
    fn tell(&self, findings: &[Finding]) -> Result<bool, SetupError> {
        let problem = findings.iter().find(|finding| finding.remark.grade == Grade::Problem);
        if let (None, Some(problem)) = (self.terminal, problem) {
            let remedy = problem.remark.mend.as_ref().map_or_else(String::new, |mend| format!(": {mend}"));
            return Err(SetupError::Tried(format!("{}: {}{remedy}", problem.subject, problem.remark.text)));
        }
        for finding in findings {
            let mark = match finding.remark.grade {
                Grade::Fine => "✓",
                Grade::Warning => "!",
                Grade::Problem => "✗",
            };
            say(&format!("  {mark} {}: {}", finding.subject, finding.remark.text));
            if let Some(mend) = &finding.remark.mend {
                say(&format!("    → {mend}"));
            }
        }
        Ok(problem.is_none())
    }
}

fn listed(text: &str) -> Vec<String> {
    text.split(',').map(|room| room.trim().to_owned()).filter(|room| !room.is_empty()).collect()
}

/// What a server says of itself must not reach the terminal as a command.
#[expect(clippy::print_stdout, reason = "tells a person how setting up goes")]
fn say(text: &str) {
    println!("{}", text.replace(char::is_control, "\u{fffd}"));
}
