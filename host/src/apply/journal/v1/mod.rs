//! Version 1 of the format. It is frozen: it has types of its own, which are converted to those of version 2.
//!
//! In version 1, values are text. The meaning of a text depends on the action at the same position of the intent.

mod action;
mod address;
mod convert;
mod value;

use super::record::{Read, read_each, value as parsed};
use crate::plan::Entry;
use crate::value::PluginName;
use action::{Action, Lifetime};
use serde::Deserialize;
use std::cell::RefCell;
use value::Meaning;

/// The version in the header.
pub const VERSION: u32 = 1;

/// A reader of the lines of a section.
#[derive(Default)]
pub struct Reader {
    /// The meanings of the values of the last intent, in its order.
    meanings: Vec<Meaning>,
}

/// An action and the plugin that recorded it.
#[derive(Deserialize)]
struct EntryV1 {
    plugin: PluginName,
    lifetime: Lifetime,
    action: Action,
}

impl Reader {
    /// Reads a line after the first.
    pub fn line(&mut self, line: &[u8]) -> Result<Read, serde_json::Error> {
        let meanings = RefCell::new(Vec::new());
        let entry = |read| {
            let read: Option<EntryV1> = parsed(read);
            let meaning = read.as_ref().map_or(Meaning::None, |entry| Meaning::of(&entry.action));
            meanings.borrow_mut().push(meaning);
            let EntryV1 { plugin, lifetime, action } = read?;
            Some(Entry { plugin, lifetime: lifetime.into(), action: action.into() })
        };
        let before = |read| {
            let meaning = meanings.borrow().last().cloned().unwrap_or(Meaning::None);
            parsed::<value::Before>(read)?.with(&meaning)
        };
        let effect = |place: usize, read| {
            let meaning = self.meanings.get(place).unwrap_or(&Meaning::None);
            parsed::<value::Effect>(read)?.with(meaning)
        };
        let read = read_each(line, entry, before, effect)?;
        if let Read::Intent(_) = read {
            self.meanings = meanings.into_inner();
        }
        Ok(read)
    }
}
