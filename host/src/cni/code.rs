//! Error codes: below 100 those of the specification and of the reference library, from 100 ours.
//!
//! [`super::kind`] says when each is reported.

/// A native plugin failed and reported no error: the reference gives none either.
pub const UNKNOWN: u32 = 0;
/// The configuration's `cniVersion` is not supported.
pub const INCOMPATIBLE_VERSION: u32 = 1;
/// An environment variable is missing or invalid.
pub const INVALID_ENVIRONMENT: u32 = 4;
/// Standard input could not be read.
pub const IO_FAILURE: u32 = 5;
/// Something is not the JSON that it should be.
pub const DECODING_FAILURE: u32 = 6;
/// The network configuration is invalid.
pub const INVALID_NETWORK_CONFIG: u32 = 7;
/// `CNI_NETNS` is not to be used: it is the host's own.
pub const INVALID_NETNS: u32 = 8;
/// The same call may succeed later: a lock is held.
pub const TRY_AGAIN_LATER: u32 = 11;
/// STATUS: ADD would not work (SPEC 1.1.0).
pub const NOT_AVAILABLE: u32 = 50;
/// Policy refuses the plan; `details` has every violation.
pub const DENIED: u32 = 100;
/// The plugin trapped.
pub const TRAPPED: u32 = 101;
/// The plugin exceeded a limit: time, memory, actions.
pub const LIMIT: u32 = 102;
/// The plugin recorded something that makes no sense: a bad name, a bad prefix.
pub const INVALID_PLAN: u32 = 103;
/// Applying the plan failed, and something could not be undone; `details` has what.
pub const STUCK: u32 = 105;
/// CHECK found the machine to differ from what was made; `details` has every difference.
pub const DIFFERS: u32 = 106;
/// The file is no component, or one for another version of the interface.
pub const NOT_A_PLUGIN: u32 = 108;
/// This was a dry run: nothing was changed.
pub const DRY_RUN: u32 = 109;
/// Anything else, as in the reference; also a missing plugin.
pub const INTERNAL: u32 = 999;
