//! Asks for missing values and tries each answer. A wrong answer is asked for again on a terminal, and is an error
//! otherwise.

use secrecy::{ExposeSecret, SecretString};

use super::answers::{Answers, Given};
use super::rooms_answer::rooms_in;
use super::terminal::{Terminal, print};
use super::{failed, stopped, wrong_usage};
use crate::check::{Clients, Finding, Grade, PublicUrl, Session};
use crate::command::Failure;
use crate::config::{self, Fault, values};
use crate::count;
use rocketchat::{Credentials, ServerUrl, UserId};

const WEBHOOK_URL: &str = "--webhook-url-file";
const WELCOME: [&str; 3] = [
    "A few questions about Rocket.Chat and SIGNL4. Each answer is tried at once, without paging anybody.",
    "Nothing is written before the end. Ctrl+C stops.",
    "",
];
const ROOMS: &str = "Rooms to watch, separated by commas: names, patterns such as alerts-*, or * for every room the bot is in";
const PUBLIC_URL: &str = "The address at which SIGNL4 will reach this machine, such as https://bot.example.com (empty if not known yet)";
const SHOW_LOGO: &str =
    "Show SIGNL4's logo beside the bot's replies? Browsers load it from githubusercontent.com. (y/n)";
/// All rooms.
const ALL: &str = "*";
/// How many rooms of a kind are listed.
const MAX_LISTED: usize = 20;

/// Returns all answers, after trying each.
///
/// # Errors
/// When an answer is missing or wrong and there is no terminal, or the input ends.
pub(super) async fn interview(mut given: Given, terminal: Option<Terminal>) -> Result<Answers, Failure> {
    let public_url = PublicUrl::of_option(given.public_url.as_deref()).map_err(wrong_usage)?;
    given.read_secrets()?;
    let missing = given.missing();
    if terminal.is_none() && !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(wrong_usage(format!("there is no terminal to ask on: also give {missing}")));
    }
    let interview = Interview { terminal, clients: Clients::new().map_err(failed)? };
    if terminal.is_some() {
        WELCOME.into_iter().for_each(print);
    }
    let url = interview.url(given.url.clone()).await?;
    let (account, mut session) = interview.account(&url, &given).await?;
    let rooms = interview.rooms(&mut session, given.rooms).await;
    session.end().await;
    let rooms = rooms?;
    let webhook_url = interview.webhook_url(given.webhook_url).await?;
    let public_url = interview.public_url(public_url)?;
    let logo = !given.no_logo && interview.agrees(SHOW_LOGO, 'y', 'n')?;
    Ok(Answers { url, account, webhook_url, rooms, public_url, logo })
}

struct Interview {
    terminal: Option<Terminal>,
    clients: Clients,
}

impl Interview {
    /// The first address that the text may mean and that Rocket.Chat answers at.
    async fn url(&self, mut given: Option<String>) -> Result<ServerUrl, Failure> {
        const QUESTION: &str = "Rocket.Chat's address, as people open it in the browser";
        loop {
            let text = given.take().map_or_else(|| self.person()?.ask(QUESTION, None), Ok)?;
            let mut first = None;
            for address in server_addresses(&text) {
                let Some(url) = self.valid("--url", config::server_url(&address))? else { break };
                let findings = self.clients.server(&url).await;
                if findings.iter().all(|finding| finding.remark.grade < Grade::Problem) {
                    self.report(&findings)?;
                    return Ok(url);
                }
                first.get_or_insert(findings);
            }
            self.report(&first.unwrap_or_default())?;
        }
    }

    async fn account(&self, url: &ServerUrl, given: &Given) -> Result<(Credentials, Session), Failure> {
        let mut given = given.clone();
        loop {
            let account = self.ask_account(std::mem::take(&mut given))?;
            let (findings, session) = self.clients.account(url, &account).await;
            match (self.report(&findings), session) {
                (Ok(true), Some(session)) => return Ok((account, session)),
                (works, session) => {
                    if let Some(session) = session {
                        session.end().await;
                    }
                    works?;
                }
            }
        }
    }

    fn ask_account(&self, given: Given) -> Result<Credentials, Failure> {
        let by_password = match &given {
            Given { username: None, password: None, user_id: None, auth_token: None, .. } => {
                const QUESTION: &str =
                    "Does the bot log in with a personal access token or with a password? (t/p)";
                self.person()?.choose(QUESTION, 't', 'p')? == 'p'
            }
            given => given.username.is_some() || given.password.is_some(),
        };
        if by_password {
            let username = self.name("--username", "The bot's username", given.username)?;
            let password = self.secret("The bot's password", given.password)?;
            return Ok(Credentials::Password { username, password });
        }
        const USER_ID: &str = "The bot's user ID, which Rocket.Chat shows with the token";
        let user_id = UserId::new(self.name("--user-id", USER_ID, given.user_id)?);
        let token = self.secret("The bot's personal access token", given.auth_token)?;
        Ok(Credentials::Token { user_id, token })
    }

    async fn webhook_url(&self, mut given: Option<SecretString>) -> Result<SecretString, Failure> {
        loop {
            let secret = self.secret("The team's webhook URL, from the SIGNL4 portal", given.take())?;
            let secret = match secret.expose_secret() {
                text if text.starts_with("connect.signl4.com/") => with_scheme(text).into(),
                _ => secret,
            };
            let Some(url) = self.valid(WEBHOOK_URL, values::webhook_url(&secret))? else { continue };
            let findings = self.clients.webhook(&url).await;
            self.report(&findings)?;
            let is_fine = findings.iter().all(|finding| finding.remark.grade == Grade::Fine);
            if is_fine || self.agrees("Use this URL anyway? (y/n)", 'n', 'y')? {
                return Ok(secret);
            }
        }
    }

    /// Empty for every room that the bot is in.
    async fn rooms(&self, session: &mut Session, given: Vec<String>) -> Result<Vec<String>, Failure> {
        let mut given = Some(given).filter(|rooms| !rooms.is_empty());
        if self.terminal.is_some() && given.is_none() {
            list_rooms(session);
        }
        let mut default = ALL.to_owned();
        loop {
            let rooms = match (given.take(), self.terminal) {
                (Some(rooms), _) => rooms,
                (None, None) => return Ok(Vec::new()),
                (None, Some(person)) => {
                    let answer = person.ask(ROOMS, Some(&default))?;
                    let is_known =
                        |text: &str| config::room_pattern(text).is_ok_and(|room| session.sees(&room));
                    let rooms = rooms_in(&answer, is_known);
                    if rooms.iter().all(|room| config::room_pattern(room).is_ok()) {
                        default = answer;
                    }
                    rooms
                }
            };
            let patterns: Result<Vec<_>, _> = rooms.iter().map(|room| config::room_pattern(room)).collect();
            let Some(patterns) = self.valid("--room", patterns)? else { continue };
            let (findings, matched) = session.try_rooms(&patterns).await;
            self.report(&findings)?;
            if matched || self.agrees("Watch these rooms anyway? (y/n)", 'n', 'y')? {
                return Ok(rooms);
            }
        }
    }

    /// Whether the person answers `y`. Without a person, the answer is yes.
    fn agrees(&self, question: &str, default: char, other: char) -> Result<bool, Failure> {
        self.terminal.map_or(Ok(true), |person| Ok(person.choose(question, default, other)? == 'y'))
    }

    fn public_url(&self, given: Option<PublicUrl>) -> Result<Option<PublicUrl>, Failure> {
        if given.is_some() || self.terminal.is_none() {
            return Ok(given);
        }
        let ask = |person: Terminal| person.ask(PUBLIC_URL, Some(""));
        self.answer("--public-url", None, ask, |text| match text {
            "" => Ok(None),
            text => PublicUrl::parse(&with_scheme(text)).map(Some),
        })
    }

    fn name(&self, flag: &str, question: &str, given: Option<String>) -> Result<String, Failure> {
        self.answer(flag, given, |person| person.ask(question, None), config::account_name)
    }

    fn secret(&self, question: &str, given: Option<SecretString>) -> Result<SecretString, Failure> {
        let ask = |person: Terminal| person.ask_secret(question);
        given.map_or_else(|| self.answer(question, None, ask, values::secret), Ok)
    }

    /// The given answer, or what the person enters until it is valid.
    fn answer<T>(
        &self,
        what: &str,
        mut given: Option<String>,
        ask: impl Fn(Terminal) -> Result<String, Failure>,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Result<T, Failure> {
        loop {
            let text = given.take().map_or_else(|| ask(self.person()?), Ok)?;
            if let Some(value) = self.valid(what, parse(&text))? {
                return Ok(value);
            }
        }
    }

    fn person(&self) -> Result<Terminal, Failure> {
        // Without a terminal, missing answers were reported before anything was tried.
        self.terminal.ok_or_else(stopped)
    }

    /// The value; `None` if it has to be asked for again.
    fn valid<T>(&self, what: &str, value: Result<T, Fault>) -> Result<Option<T>, Failure> {
        match value {
            Ok(value) => Ok(Some(value)),
            Err(why) if self.terminal.is_none() => Err(wrong_usage(format!("{what}: {why}"))),
            Err(why) => {
                // The reasons begin with a verb: in bot.toml they follow the key.
                print(&format!("  ✗ this {why}"));
                Ok(None)
            }
        }
    }

    /// Prints the findings of a trial. Returns whether there is no problem.
    fn report(&self, findings: &[Finding]) -> Result<bool, Failure> {
        let problem = findings.iter().find(|finding| finding.remark.grade == Grade::Problem);
        if let (None, Some(problem)) = (self.terminal, problem) {
            let remedy = problem.remark.fix.as_ref().map_or_else(String::new, |fix| format!(": {fix}"));
            return Err(failed(format!("{}: {}{remedy}", problem.subject, problem.remark.text)));
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
        if self.terminal.is_some() && !findings.is_empty() {
            print("");
        }
        Ok(problem.is_none())
    }
}

/// The rooms to choose from.
fn list_rooms(session: &Session) {
    let (joined, channels) = session.rooms_in_sight();
    if !joined.is_empty() {
        print(&format!("The bot is in {}: {}", count(joined.len() as u64, "room"), shortened(&joined)));
    }
    if !channels.is_empty() {
        let more = count(channels.len() as u64, "more public channel");
        print(&format!("It can join {more}: {}", shortened(&channels)));
    }
}

/// The first of them, and how many more there are.
fn shortened(labels: &[String]) -> String {
    let listed = labels[..labels.len().min(MAX_LISTED)].join(", ");
    match labels.len().saturating_sub(MAX_LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

/// The addresses that a URL from the browser may stand for: the page that is open, each folder above it, and the host alone.
/// Where the scheme is missing, first with encryption, then without.
fn server_addresses(text: &str) -> Vec<String> {
    let text = text.split(['?', '#']).next().unwrap_or_default().trim();
    let (schemes, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (vec![scheme], rest),
        None => (vec!["https", "http"], text),
    };
    let rest = rest.trim_end_matches('/');
    let ends: Vec<usize> = rest.match_indices('/').map(|(at, _)| at).chain([rest.len()]).collect();
    let of_scheme = |scheme| ends.iter().rev().map(move |end| format!("{scheme}://{}", &rest[..*end]));
    schemes.into_iter().flat_map(of_scheme).collect()
}

fn with_scheme(text: &str) -> String {
    if text.contains("://") { text.to_owned() } else { format!("https://{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_any_page_of_the_server_is_accepted() {
        let addresses = |text: &str| server_addresses(text);
        for (text, expected) in [
            ("https://chat.example.com", vec!["https://chat.example.com"]),
            ("chat.example.com", vec!["https://chat.example.com", "http://chat.example.com"]),
            (
                " https://chat.example.com/home ",
                vec!["https://chat.example.com/home", "https://chat.example.com"],
            ),
            (
                "http://example.com:3000/chat/channel/general?msg=x",
                vec![
                    "http://example.com:3000/chat/channel/general",
                    "http://example.com:3000/chat/channel",
                    "http://example.com:3000/chat",
                    "http://example.com:3000",
                ],
            ),
            ("https://example.com/chat/", vec!["https://example.com/chat", "https://example.com"]),
        ] {
            assert_eq!(addresses(text), expected);
        }
    }

    #[test]
    fn a_long_list_is_cut() {
        let labels: Vec<String> = (1..=152).map(|number| format!("#{number}")).collect();
        let shown = shortened(&labels);
        assert!(shown.starts_with("#1, #2, ") && shown.ends_with("#20 and 132 more"), "{shown}");
        assert_eq!(shortened(&labels[..2]), "#1, #2");
    }
}
