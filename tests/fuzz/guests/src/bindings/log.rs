//! `log`.

use super::{call, host};
pub use host::log::Level;

/// See `wit/log.wit`.
pub fn write(level: Level, message: &str) {
    call(|guest| host::log::Host::write(guest, level, message.to_owned()));
}
