//! Handling of panics, which are bugs in wasm-cni. After a panic the host still undoes its changes, and the runtime
//! gets one CNI error.

use crate::cni::{CniError, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};

/// The message and the location of the last panic.
static LAST: Mutex<String> = Mutex::new(String::new());

/// Stops panics from printing to stderr. [`caught`] returns the message instead.
pub fn silence() {
    set_hook(Box::new(|info| *LAST.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string()));
}

/// Runs `f`. Turns a panic into an error with the panic's message.
pub fn caught<T>(f: impl FnOnce() -> T) -> Result<T, CniError> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|_| {
        let text = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
        CniError::new(ErrorKind::Bug, "wasm-cni panicked: this is a bug in wasm-cni").with_details(text)
    })
}
