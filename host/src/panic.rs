//! Panics: bugs of ours. What was begun is undone all the same, and the runtime gets one CNI error.

use crate::cni::{CniError, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};

/// What the last one said, and where.
static LAST: Mutex<String> = Mutex::new(String::new());

/// Panics print nothing: [`caught`] tells of them.
pub fn silence() {
    set_hook(Box::new(|info| *LAST.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string()));
}

/// Runs `f`; a panic in it is an error with its text.
pub fn caught<T>(f: impl FnOnce() -> T) -> Result<T, CniError> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|_| {
        let text = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
        CniError::new(ErrorKind::Bug, "wasm-cni panicked: this is a bug in wasm-cni").with_details(text)
    })
}
