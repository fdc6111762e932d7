//! The lines of a section after its first.

use crate::action::record::{Before, Effect};
use crate::plan::Entry;
use crate::value::Report;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// Written before a step.
    Intent(Vec<(Entry, Before)>),
    /// Written after it: an effect per action, none for one that failed or was not tried.
    Effect(Vec<Option<Effect>>),
    /// Written last: the result.
    Complete(Report),
}

/// A line that was read; what makes no sense in it is none.
#[derive(Debug)]
pub enum Read {
    /// See [`Record::Intent`].
    Intent(Vec<Option<(Entry, Before)>>),
    /// See [`Record::Effect`].
    Effect(Vec<Option<Effect>>),
    /// See [`Record::Complete`].
    Complete(Report),
}

/// The same line, whose values are yet to be read one by one.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Rough {
    Intent(Vec<(Value, Value)>),
    Effect(Vec<Option<Value>>),
    Complete(Report),
}

/// Reads a line. A value that makes no sense costs its own undo, not the section: an unreadable state before, or effect, is an unknown one; an unreadable
/// action has no undo.
pub fn read(line: &[u8]) -> Result<Read, serde_json::Error> {
    match serde_json::from_slice(line) {
        Ok(Record::Intent(intent)) => Ok(Read::Intent(intent.into_iter().map(Some).collect())),
        Ok(Record::Effect(effects)) => Ok(Read::Effect(effects)),
        Ok(Record::Complete(report)) => Ok(Read::Complete(report)),
        Err(_) => read_each(line, value, value, |_, read| value(read)),
    }
}

/// Reads a line value by value, each by its own reader: the entry before its state, an effect with its place.
pub fn read_each(
    line: &[u8],
    entry: impl Fn(Value) -> Option<Entry>,
    before: impl Fn(Value) -> Option<Before>,
    effect: impl Fn(usize, Value) -> Option<Effect>,
) -> Result<Read, serde_json::Error> {
    Ok(match serde_json::from_slice(line)? {
        Rough::Intent(intent) => Read::Intent(
            intent
                .into_iter()
                .map(|(read, found)| {
                    let (entry, before) = (noted(entry(read)), before(found));
                    Some((entry?, before.unwrap_or(Before::Unknown)))
                })
                .collect(),
        ),
        Rough::Effect(effects) => Read::Effect(
            effects
                .into_iter()
                .enumerate()
                .map(|(place, read)| Some(effect(place, read?).unwrap_or(Effect::Unclear)))
                .collect(),
        ),
        Rough::Complete(report) => Read::Complete(report),
    })
}

/// The effects of the actions that could be read.
pub fn of_readable(intent: &[Option<(Entry, Before)>], effects: Vec<Option<Effect>>) -> Vec<Option<Effect>> {
    let effects = effects.into_iter().chain(std::iter::repeat(None));
    intent.iter().zip(effects).filter(|(entry, _)| entry.is_some()).map(|(_, effect)| effect).collect()
}

/// By way of its text, so that there is one reader for each type.
pub(super) fn value<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::to_vec(&value).ok().and_then(|text| serde_json::from_slice(&text).ok())
}

fn noted(entry: Option<Entry>) -> Option<Entry> {
    if entry.is_none() {
        tracing::warn!("an action in a journal makes no sense: it is not undone");
    }
    entry
}
