//! The links in the documentation work.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail it")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    [root.join("README.md"), root.join("CHANGELOG.md")].into_iter().chain(docs).collect()
}

/// The anchors that a renderer makes of headings: lower case, hyphens for spaces, without punctuation.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings =
        page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: char| c.is_alphanumeric() || c == '-' || c == ' ' || c == '_';
    headings
        .map(|text| text.to_lowercase().chars().filter(|c| kept(*c)).collect::<String>().replace(' ', "-"))
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_heading_that_are_there() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut tried = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for target in link.captures_iter(&text).map(|found| found[1].to_owned()) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(path.exists(), "{}: {target}", page.display());
            if !anchor.is_empty() {
                let there = anchors(&fs::read_to_string(&path).unwrap());
                assert!(there.contains(anchor), "{}: {target}: {there:?}", page.display());
            }
            tried += 1;
        }
    }
    assert!(tried > 20, "only {tried} links found");
}

#[test]
fn the_readme_is_short() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    assert!(readme.lines().count() < 150, "{} lines", readme.lines().count());
}

#[test]
fn every_page_of_the_documentation_is_reached_from_the_readme() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for page in
        pages().into_iter().filter(|page| page.parent().is_some_and(|parent| parent.ends_with("docs")))
    {
        let name = format!("(docs/{}", page.file_name().unwrap().to_str().unwrap());
        assert!(readme.contains(&name), "{name}");
    }
}

#[test]
fn every_image_is_small_described_and_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let picture = Regex::new(r"!\[([^\]]*)\]\(([^)\s]+)\)").unwrap();
    let mut shown = BTreeSet::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for found in picture.captures_iter(&text) {
            assert!(found[1].len() > 20, "what is to be seen on {}?", &found[2]);
            shown.insert(page.parent().unwrap().join(&found[2]));
        }
    }
    let kept: BTreeSet<PathBuf> =
        fs::read_dir(root.join("docs/images")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(shown, kept);
    for path in shown {
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.starts_with(b"\x89PNG\r\n"), "{}", path.display());
        assert!(bytes.len() < 150 << 10, "{} has {} bytes", path.display(), bytes.len());
    }
}
