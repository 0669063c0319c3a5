//! What holds for any template, pattern and text. `§` separates them.

use std::collections::BTreeMap;

use minijinja::context;

use super::fixtures::{general, message, trigger as trigger_of};
use super::{Pattern, Template, TriggerSet, Vocabulary, render_event};

/// The longest text that a template may write.
const MOST: usize = 256 << 10;

/// A template, and the text of a message.
pub fn template(bytes: &[u8]) {
    let input = String::from_utf8_lossy(bytes);
    let (source, text) = input.split_once('§').unwrap_or((&input, "some text"));
    let vocabulary = Vocabulary::from(["text", "room.id", "room.name", "pump"].map(String::from));
    let values = context! { text, pump => "", room => context! { id => "GENERAL", name => "general" } };
    match Template::compile(source, &vocabulary) {
        Ok(template) => match template.render("title", &values) {
            Ok(written) => assert!(written.len() <= MOST, "{} bytes", written.len()),
            Err(error) => {
                let is_told = text.len() >= 8 && !source.contains(text) && error.to_string().contains(text);
                assert!(!is_told, "{error}");
            }
        },
        Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
    }
    let plain = Template::compile("{{ text }}", &vocabulary).ok();
    let written = plain.and_then(|plain| plain.render("title", &values).ok());
    assert!(text.len() > MOST || written.as_deref() == Some(text));
}

/// A pattern, a word, and the text of a message.
pub fn trigger(bytes: &[u8]) {
    let input = String::from_utf8_lossy(bytes);
    let mut parts = input.splitn(3, '§');
    let [pattern, word, text] = [(); 3].map(|()| parts.next().unwrap_or_default());
    let message = message(text);
    for pattern in [Pattern::expression(pattern), Pattern::word(word)].into_iter().flatten() {
        let is_match = pattern.is_match(text);
        let mut trigger = trigger_of("t", &[]);
        trigger.patterns = vec![pattern];
        let Ok(set) = TriggerSet::new(vec![trigger]) else { continue };
        // What the first look at a text drops would not have matched.
        assert!(set.may_match(text) || !is_match, "{:?}", set.get("t"));
        let found = set.matches(&message, &general(), true);
        assert_eq!(!found.is_empty(), is_match);
        for found in found {
            let Ok(server) = "https://chat.example.com".parse() else { continue };
            let (event, faults) = render_event(&found, &message, &general(), &server);
            assert!(faults.is_empty() || text.len() > MOST, "{faults:?}");
            assert!(event.title.lines().count() == 1 && event.title.chars().count() <= 500);
            assert_eq!(event.external_id.as_deref(), Some("GENERAL"));
            assert!(event.message == text.trim() || event.message == text, "{:?}", event.message);
            let groups: BTreeMap<_, _> = found.trigger.patterns[0].groups().map(|name| (name, ())).collect();
            assert!(found.captures.keys().map(String::as_str).eq(groups.into_keys()));
            assert!(found.captures.values().all(|caught| text.contains(caught.as_str())));
        }
    }
}
