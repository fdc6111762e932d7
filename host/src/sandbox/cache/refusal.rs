//! A component that the compiler refused. The cache keeps the reason, so that a component that is expensive to compile
//! costs that once, and not at every call.

use super::CodeError;
use super::stamp::Stamp;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::Path;

/// The contents of `DIGEST.ENGINE.refusal`.
#[derive(Serialize, Deserialize)]
pub struct Refusal {
    /// The stamp of the compiler that refused the component. Another compiler may accept it.
    compiler: Stamp,
    reason: Reason,
}

/// The errors that last: [`CodeError::is_lasting`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reason {
    NotAPlugin(String),
    Limit(String),
    Crashed { status: String, message: String },
}

impl Refusal {
    /// The refusal for an error of the compiler at this path. `None` for an error that may not last.
    ///
    /// A process with a limited address space may run out of memory where others do not, so its errors are not kept.
    pub fn new(compiler: &Path, error: &CodeError) -> Option<Self> {
        let reason = match error {
            CodeError::NotAPlugin(text) => Reason::NotAPlugin(text.clone()),
            CodeError::Limit(text) => Reason::Limit(text.clone()),
            CodeError::Crashed { status, message } => {
                Reason::Crashed { status: status.clone(), message: message.clone() }
            }
            _ => return None,
        };
        let (addresses, _) = getrlimit(Resource::RLIMIT_AS).ok()?;
        (addresses == RLIM_INFINITY).then_some(Refusal { compiler: stamp(compiler)?, reason })
    }

    /// The error, if the compiler at this path is the one that refused the component.
    pub fn of(self, compiler: &Path) -> Option<CodeError> {
        let error = match self.reason {
            Reason::NotAPlugin(text) => CodeError::NotAPlugin(text),
            Reason::Limit(text) => CodeError::Limit(text),
            Reason::Crashed { status, message } => CodeError::Crashed { status, message },
        };
        (stamp(compiler)? == self.compiler).then_some(error)
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    Stamp::of(&File::open(file).ok()?).ok()
}
