//! The examples in README.md work.

use signl4_rocketchat::config::{Config, Sources};

use super::{SECRET, Setup};

const README: &str = include_str!("../../README.md");

/// The blocks of code in this language, with their placeholders filled in.
fn blocks(language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let blocks = README.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(|block| block.replace('…', SECRET)).collect()
}

#[test]
fn its_files_load() {
    let [first, trigger] = blocks("toml").try_into().unwrap();
    assert_eq!(Setup::new(&first).loaded().triggers.iter().count(), 1);
    let team = format!(
        "[[signl4.team]]\nname = \"operations\"\nwebhook_url = \"https://connect.signl4.com/webhook/{SECRET}\"\n"
    );
    assert_eq!(Setup::new(&format!("{first}{team}{trigger}")).loaded().triggers.iter().count(), 2);
}

#[test]
fn its_five_variables_are_enough() {
    let block = blocks("sh").into_iter().find(|block| block.starts_with("SIGNL4_BOT_")).unwrap();
    let env: Vec<_> = block.lines().filter_map(|line| line.split_once('=')).collect();
    assert_eq!(env.len(), 5);
    let env = env.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Config::load(&Sources { path: None, env }).unwrap();
}

#[test]
fn its_example_of_an_error_is_what_the_program_prints() {
    let [first, trigger] = blocks("toml").try_into().unwrap();
    let broken = trigger
        .replace("team = \"operations\"", "")
        .replace("service = \"Pumps\"", "message = \"{{ pmup }}\"");
    let complaints = Setup::new(&format!("{first}{broken}")).complaints();
    let after_line = |text: &str| text.split_once(": ").map(|(_, rest)| rest.to_owned());
    let shown = README.lines().find(|line| line.starts_with("bot.toml:")).unwrap();
    assert_eq!(complaints.iter().map(|line| after_line(line)).collect::<Vec<_>>(), [after_line(shown)]);
}
