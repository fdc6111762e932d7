//! Expectations for what only HEAD of the reference does, written from its documentation.
//!
//! A block for each call: its label, then fields; `NAME: VALUE`, or `NAME:` and indented lines. A field of the machine
//! that did not change since the last call is left out.

use super::{Fields, OWN, Record, STATE};

/// The expectation as records, each with all fields.
pub fn parse(text: &str) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut field = String::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(content) = line.strip_prefix("  ") {
            let record = records.last_mut().expect("a label comes first");
            record.fields.entry(field.clone()).or_default().push(content.to_owned());
        } else if let Some((name, value)) = line.split_once(':') {
            name.clone_into(&mut field);
            let lines = if value.is_empty() { Vec::new() } else { vec![value[1..].to_owned()] };
            records.last_mut().expect("a label comes first").fields.insert(field.clone(), lines);
        } else {
            let standing = records.last().map(|record| record.fields.clone()).unwrap_or_default();
            let fields = standing.into_iter().filter(|(name, _)| STATE.contains(&name.as_str())).collect();
            records.push(Record { label: line.trim().to_owned(), fields });
        }
    }
    for record in &mut records {
        record.fields.retain(|_, lines| !lines.is_empty());
    }
    records
}

/// Records as an expectation, for a review against the documentation.
pub fn render(records: &[Record]) -> String {
    let mut text = String::new();
    let mut before = Fields::new();
    for record in records {
        text += &format!("{}\n", record.label);
        let gone = before.keys().filter(|name| {
            !OWN.contains(&name.as_str())
                && STATE.contains(&name.as_str())
                && !record.fields.contains_key(*name)
        });
        gone.for_each(|name| text += &format!("{name}:\n"));
        for (name, lines) in record.fields.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
            let is_state = STATE.contains(&name.as_str());
            match lines.as_slice() {
                lines if is_state && before.get(name).is_some_and(|old| old == lines) => {}
                [line] => text += &format!("{name}: {line}\n"),
                lines => {
                    text += &format!("{name}:\n");
                    lines.iter().for_each(|line| text += &format!("  {line}\n"));
                }
            }
        }
        before.clone_from(&record.fields);
    }
    text
}
