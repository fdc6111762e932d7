//! Error codes. Below 100: those of the specification and of libcni. From 100: our own, and the reference's 999.
//!
//! [`super::kind`] says when each is reported.

/// A native plugin failed and reported no code. libcni uses 0 then.
pub const UNKNOWN: u32 = 0;
/// The codes of the host's own errors. SPEC leaves the codes from 100 on to plugins; users of wasm-cni find these in its
/// table, so no component may report one of them.
pub const OF_HOST: std::ops::RangeInclusive<u32> = 100..=110;

/// Whether a component may report a code. These are the codes that SPEC (section 5, and 1.1.0 for STATUS: 50 and 51) or
/// libcni (`pkg/types/types.go`: 8 and 999) define, and those that SPEC leaves to plugins, from 100 on. SPEC reserves all
/// other codes below 100.
pub fn is_of_plugins(code: u32) -> bool {
    match code {
        1..=8 | TRY_AGAIN_LATER | NOT_AVAILABLE | 51 => true,
        _ => code >= 100 && !OF_HOST.contains(&code),
    }
}

/// The configuration's `cniVersion` is not supported.
pub const INCOMPATIBLE_VERSION: u32 = 1;
/// An environment variable is missing or invalid.
pub const INVALID_ENVIRONMENT: u32 = 4;
/// Standard input could not be read.
pub const IO_FAILURE: u32 = 5;
/// The input is not the expected JSON.
pub const DECODING_FAILURE: u32 = 6;
/// The network configuration is invalid.
pub const INVALID_NETWORK_CONFIG: u32 = 7;
/// `CNI_NETNS` is the host's own network namespace.
pub const INVALID_NETNS: u32 = 8;
/// The same call may succeed later: a lock is held.
pub const TRY_AGAIN_LATER: u32 = 11;
/// STATUS: an ADD would fail (SPEC 1.1.0).
pub const NOT_AVAILABLE: u32 = 50;
/// Policy denies the plan. `details` has every violation.
pub const DENIED: u32 = 100;
/// The plugin trapped.
pub const TRAPPED: u32 = 101;
/// The plugin exceeded a limit: time, memory, actions.
pub const LIMIT: u32 = 102;
/// The plugin recorded an invalid value, such as a bad name or prefix.
pub const INVALID_PLAN: u32 = 103;
/// Something could not be undone. `details` lists what is left.
pub const STUCK: u32 = 105;
/// CHECK found differences. `details` has all of them.
pub const DIFFERS: u32 = 106;
/// The file is not a component, or is one for another version of the contract.
pub const NOT_A_PLUGIN: u32 = 108;
/// This was a dry run, and nothing was changed.
pub const DRY_RUN: u32 = 109;
/// Every other error, as in the reference. Also a missing plugin.
pub const INTERNAL: u32 = 999;
