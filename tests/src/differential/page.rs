//! `docs/differences.md`: the differences that a user meets, and what shows them.

/// `- **NAME.** TEXT`, then `Cases: …` and `Tests: …`.
#[derive(Debug)]
pub struct Entry {
    /// What a case gives as the reason of a difference.
    pub name: String,
    /// Cases of `tests/differential` in which it shows; `*` for all.
    pub cases: Vec<String>,
    /// Other files with tests of it.
    pub tests: Vec<String>,
}

/// All of them, in order.
///
/// # Panics
/// If one has no name, no text, or nothing that shows it.
pub fn entries() -> Vec<Entry> {
    let path = crate::repository().join("docs/differences.md");
    let text = std::fs::read_to_string(path).expect("docs/differences.md");
    let items = text.split("\n- ").skip(1);
    items.map(|item| entry(item.split("\n\n").next().unwrap_or_default())).collect()
}

fn entry(item: &str) -> Entry {
    let words = item.split_whitespace().collect::<Vec<_>>().join(" ");
    let named = words.strip_prefix("**").and_then(|words| words.split_once(".** "));
    let (name, rest) = named.unwrap_or_else(|| panic!("it has no name: {words}"));
    let (rest, tests) = rest.split_once("Tests: ").unwrap_or((rest, ""));
    let (text, cases) = rest.split_once("Cases: ").unwrap_or((rest, ""));
    let quoted = |list: &str| list.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let cases = if cases.trim() == "all." { vec![super::listed::EVERY.to_owned()] } else { quoted(cases) };
    let entry = Entry { name: name.to_owned(), cases, tests: quoted(tests) };
    assert!(!text.is_empty() && entry.cases.len() + entry.tests.len() > 0, "what shows it? {words}");
    entry
}
