//! The kinds of errors that the host reports: one table from each kind to its CNI code, and what to do about it.
//!
//! `docs/error-codes.md` is generated from it. A plugin chooses the codes of its own errors
//! ([`super::code::is_of_plugins`]), and they have no kind.

use super::code::*;

/// Advice for the reader of an error of this kind, in one or two sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// Reported in `details`, unless the error has more specific details.
    Details(&'static str),
    /// Only on the page: the reference reports this failure too, with empty `details`, and so do we.
    Page(&'static str),
}

/// The row of a kind in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The CNI code: one of [`super::code`].
    pub code: u32,
    /// When errors of the kind occur.
    pub when: &'static str,
    /// What to do then.
    pub hint: Hint,
}

/// Declares the kinds. The doc comment of a kind is its text on the page.
macro_rules! kinds {
    ($($(#[doc = $when:literal])+ $kind:ident => $code:ident, $hint:expr;)+) => {
        /// What went wrong, in the terms of the CNI specification and of this project.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorKind {
            $($(#[doc = $when])+ $kind,)+
        }

        impl ErrorKind {
            /// Every kind, by code.
            pub const ALL: &[ErrorKind] = &[$(ErrorKind::$kind),+];

            /// The row of this kind.
            pub const fn entry(self) -> Entry {
                match self {
                    $(ErrorKind::$kind => Entry { code: $code, when: concat!($($when),+), hint: $hint },)+
                }
            }
        }
    };
}

use Hint::{Details, Page};

kinds! {
    /// A native plugin failed without a CNI error object on stdout; the message quotes what it wrote.
    NativeWithoutError => UNKNOWN, Page("Run the native plugin by hand with the same variables and configuration.");

    /// The plugin does not support the configuration's `cniVersion`; `details` has both.
    IncompatibleVersion => INCOMPATIBLE_VERSION, Page("Set `cniVersion` to a version that the plugin supports.");
    /// The configuration's or the plugin's version of the specification does not have the verb.
    VerbNotInVersion => INCOMPATIBLE_VERSION, Page("Raise `cniVersion`: CHECK needs 0.4.0, GC and STATUS need 1.1.0.");

    /// Required `CNI_*` variables are missing; the message names all of them.
    MissingVariable => INVALID_ENVIRONMENT, Page("Call the plugin through a runtime, or use `wasm-cni add`.");
    /// A `CNI_*` variable, `CAP_ARGS` or an argument of `wasm-cni` has an invalid value.
    InvalidVariable => INVALID_ENVIRONMENT, Page("Correct the value; the runtime or the command line sets it.");
    /// `CNI_COMMAND` is not a verb of the specification.
    UnknownCommand => INVALID_ENVIRONMENT, Page("Use ADD, DEL, CHECK, GC, STATUS or VERSION.");

    /// Standard input could not be read.
    StdinUnreadable => IO_FAILURE, Page("The runtime passes the configuration on stdin; look at its log.");
    /// The result could not be written to stdout. The ADD is undone.
    ResultNotDelivered => IO_FAILURE,
        Details("the runtime closed stdout before it read the result; look at its log");
    /// The result could not be stored in the cache of results. The ADD is undone.
    ResultNotCached => IO_FAILURE, Details("check the free space and the permissions of the directory");
    /// The audit log could not be written, and policy requires it. The ADD is undone.
    AuditNotWritten => IO_FAILURE, Details("make the log writable, or do not require it in the policy");
    /// A file or a directory that the operator named could not be read or written.
    FileInaccessible => IO_FAILURE, Details("check the path, its permissions and the free space");

    /// Something is not the JSON that it should be: the configuration, a cached result, a file of `wasm-cni gc`.
    InvalidJson => DECODING_FAILURE, Page("The message names the place; `jq . FILE` finds syntax errors.");
    /// `cniVersion` is not a version number.
    InvalidVersion => DECODING_FAILURE, Page("Write three numbers, such as `1.1.0`.");
    /// The list of valid attachments is not the one that SPEC 1.1.0 describes.
    InvalidAttachments => DECODING_FAILURE,
        Details(r#"the list has the form [{"containerID": "...", "ifname": "..."}]"#);

    /// The network's name is missing, too long, or has characters that the specification does not allow.
    InvalidNetworkName => INVALID_NETWORK_CONFIG,
        Page("A name begins with a letter or a digit; `_`, `.` and `-` may follow. It has at most 255 bytes.");
    /// The configuration is too large.
    ConfigTooLarge => INVALID_NETWORK_CONFIG, Details("remove what no plugin reads");
    /// A file of `NETCONFPATH` is not a network configuration or a list of them.
    InvalidList => INVALID_NETWORK_CONFIG, Page("The message names the file and the key.");
    /// No file of `NETCONFPATH` has that network.
    NetworkNotFound => INVALID_NETWORK_CONFIG, Details("NETCONFPATH names the directory of the configurations");
    /// GC has no list of valid attachments. Nothing was removed.
    NoValidAttachments => INVALID_NETWORK_CONFIG,
        Details("the runtime lists the attachments to keep in `cni.dev/valid-attachments`; an empty list keeps none");

    /// `CNI_NETNS` is the namespace that the runtime itself runs in. Nothing was changed.
    OwnNetns => INVALID_NETNS, Page("Pass the container's namespace; `CNI_NETNS_OVERRIDE=1` allows the host's.");
    /// The host's own network namespace could not be read.
    OwnNetnsUnreadable => INVALID_NETNS, Page("Check that `/proc` is mounted.");

    /// Another process holds a lock (attachment, lease store, xtables) or keeps changing a lease store or rules, or the
    /// kernel is busy.
    Busy => TRY_AGAIN_LATER, Details("try again; if it lasts, find the process that holds the lock (`lslocks`)");
    /// The component is being written to.
    ComponentChanging => TRY_AGAIN_LATER, Details("try again when the file is complete");
    /// A signal ended the call. What it had done is undone.
    Ended => TRY_AGAIN_LATER, Details("try again; the runtime or an operator sent the signal");

    /// STATUS: ADD would fail. The policy cannot be used or denies a plugin, or a component is missing, is not trusted or
    /// was refused by the compiler. Plugins report it themselves when their
    /// configuration is unusable, or asks for it when no address is left.
    NotAvailable => NOT_AVAILABLE, Page("The message is the one of the ADD that would fail.");

    /// Policy denies actions of the plan; `details` lists every violation and the lines of policy that would allow
    /// them.
    PlanDenied => DENIED, Details("add the lines of policy that `details` has, or change the configuration");
    /// Policy denies a capability that the component imports: it is not started.
    ImportDenied => DENIED, Details("allow the capability in the policy, or use another plugin");
    /// The component claims another kind of plugin than its name has.
    KindDenied => DENIED, Details("give the component a name of its own, or install the plugin that the name stands for");
    /// The component claims the type of a shipped plugin under another name.
    TypeDenied => DENIED, Details("add the lines of policy that `details` has, or install the shipped component");
    /// Policy pins the plugin to another digest.
    DigestDenied => DENIED, Details("install the pinned component, or pin the new digest");
    /// Policy denies an action that a repair needs.
    RepairDenied => DENIED, Details("allow it in the policy, or delete the attachment and add it again");
    /// Others than root or the caller can write the component or its directory, or own it: it is not run.
    ComponentUntrusted => DENIED,
        Details("`chown root` and `chmod go-w` the component and its directory, or use `wasm-cni install`");
    /// The policy file cannot be used: everything is denied.
    PolicyUnusable => DENIED, Details("`wasm-cni policy check` reads it in the same way");

    /// The plugin trapped or exited; `details` has the trap and what the plugin wrote to stderr last.
    Trapped => TRAPPED, Details("this is a bug in the plugin: report it to its author");
    /// The process that runs the plugin failed, or sent what it may not send.
    PlannerFailed => TRAPPED, Details("the plugin broke the sandbox's protocol: report it to its author");

    /// The plugin exceeded a limit, which is named: time, memory, actions, log, delegation.
    LimitExceeded => LIMIT, Details("raise the limit if the policy lowers it; otherwise this is a bug in the plugin");
    /// The compiler exceeded a limit: the component is too large or too complex.
    CompileLimitExceeded => LIMIT, Details("build a smaller component; the refusal is remembered until the compiler or the component changes");

    /// The plan has an action that makes no sense: a bad name, a bad prefix, an unknown handle.
    InvalidPlan => INVALID_PLAN,
        Page("The value is the configuration's or IPAM's: correct it there. Else it is a bug in the plugin.");

    /// The rollback of a failed ADD, or a DEL, is incomplete; `details` lists what is left, each with the command that
    /// removes it. The journal is kept. Code 11 instead, with the same `details`, when only a lock is in the way.
    NotUndone => STUCK, Details("the next DEL, ADD or GC tries again");
    /// GC could not remove everything; `details` has every failure.
    NotCollected => STUCK, Details("the next GC tries again");

    /// CHECK found that the machine differs from what ADD configured; `details` lists every difference.
    Differs => DIFFERS, Details("`wasm-cni repair NETWORK` restores it");

    /// The file is not a component, or one for another version of the interface; the message has both versions.
    NotAPlugin => NOT_A_PLUGIN, Details("`wasm-cni inspect FILE` shows what a component imports and exports");

    /// This was a dry run (`WASM_CNI_DRY_RUN`): nothing was changed.
    DryRun => DRY_RUN, Details("unset WASM_CNI_DRY_RUN");

    /// No directory of `CNI_PATH` has the plugin, or its file cannot be opened; `details` lists the files tried.
    PluginNotFound => INTERNAL, Page("Install the plugin into a directory of `CNI_PATH`, or correct `type`.");
    /// `type`, or the name that this program was executed by, is not a plugin's name.
    InvalidPluginName => INTERNAL, Page("A plugin's name is a file name without `/`, of at most 255 bytes.");
    /// The plugin is an executable where a component is needed.
    NativePlugin => INTERNAL, Details("put the component, NAME.wasm, into a directory of CNI_PATH");
    /// The component could not be read or compiled.
    NotCompiled => INTERNAL, Details("wasm-cni-compile has to be beside wasm-cni; check free space and permissions");
    /// The sandbox could not be started.
    SandboxNotStarted => INTERNAL, Details("check the limits of processes and memory (`ulimit -a`) of the runtime that calls");
    /// The container's network namespace could not be opened.
    NetnsUnusable => INTERNAL, Page("The container may be gone: the runtime makes the namespace before ADD.");
    /// A key of the configuration has the wrong type.
    InvalidConfig => INTERNAL, Page("The message names the key and the type that it needs.");
    /// `prevResult` is missing or is not a result of the configuration's version.
    InvalidPrevResult => INTERNAL, Page("The runtime passes the result of the plugin before, or of ADD, unchanged.");
    /// A result cannot be expressed in the configuration's version.
    InvalidResult => INTERNAL, Page("Use a newer `cniVersion`; before 0.3.0 a result needs an IP address.");
    /// The kernel, a file or a program refused a step, or a read that a plan needs; the message has the reason. Of a
    /// failed
    /// ADD, `details` names the step: the earlier ones are undone.
    Refused => INTERNAL, Page("Remove the reason that the message gives, and try again.");
    /// A link that the plan created no longer exists, or cannot be read.
    LinkVanished => INTERNAL, Details("another program removed the link; `ip -timestamp monitor link` shows when");
    /// The link's name is taken: by another program's attachment, or all derived names are.
    NameTaken => INTERNAL, Details("delete the attachment or the link that has the name");
    /// CHECK of an IPAM plugin: the lease store has no address of the container.
    LeaseNotFound => INTERNAL, Page("Delete the attachment and add it again.");
    /// A delegation is nested too deeply, or from a plugin that may not delegate to a native one.
    DelegationRefused => INTERNAL, Details("delegate to fewer plugins; only the plugin that the runtime calls can delegate to a native one");
    /// A native plugin printed something that is not a result.
    InvalidNativeResult => INTERNAL, Page("Run the native plugin by hand with the same variables and configuration.");
    /// A native plugin could not be executed.
    NativeNotExecuted => INTERNAL, Page("Check that the file is an executable for this machine.");
    /// Somebody or something is in the way of an installation or a removal. Nothing was changed.
    NotInstalled => INTERNAL, Details("`wasm-cni install --help` lists the options");
    /// A repair is incomplete; `details` lists what still differs.
    NotRepaired => INTERNAL, Details("delete the attachment and add it again");
    /// The host did what it never should.
    Bug => INTERNAL, Details("this is a bug in wasm-cni: report it with this text");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The page that readers look codes up on.
    fn page() -> String {
        let row = |kind: &ErrorKind| {
            let Entry { code, when, hint } = kind.entry();
            let hint = match hint {
                Details(hint) => format!("hint: {hint}"),
                Page(hint) => hint.to_owned(),
            };
            format!("| {code} |{when} | {hint} |\n")
        };
        let rows: String = ErrorKind::ALL.iter().map(row).collect();
        format!("{INTRODUCTION}\n| Code | When | What to do |\n|---:|---|---|\n{rows}")
    }

    const INTRODUCTION: &str = "\
<!-- Made of host/src/cni/kind.rs: `BLESS=1 cargo test -p wasm-cni --lib error_codes` writes it anew. -->

# Error codes

Every failure is one CNI error object on stdout, with exit code 1. Nothing was done, or everything was undone, unless
the row says otherwise. STATUS reports code 50 instead of the code of the missing part.

A text after `hint:` is in `details`, unless something more specific is there. The other hints are only on this page:
the reference reports these failures too, with empty `details`, and so do we.

A plugin chooses the codes of its own errors. The host passes the code of a native plugin on unchanged. Of a component
it passes on what SPEC or libcni gives to plugins: 1 to 8, 11, 50, 51, and from 100 on. The codes 100 to 110 are the
host's own: a component reports one only if it got it from a delegate. Any other code becomes 999.
Our plugins use the codes of the reference: 999 for nearly everything, and 50 for STATUS of host-local. They never use
code 2 of the specification (a key that is not supported), because they support every key of the reference.
";

    #[test]
    fn the_page_of_error_codes_is_made_of_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/error-codes.md");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, page()).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written, page(), "BLESS=1 writes docs/error-codes.md anew");
    }

    #[test]
    fn the_kinds_are_in_the_order_of_their_codes() {
        let codes: Vec<u32> = ErrorKind::ALL.iter().map(|kind| kind.entry().code).collect();
        assert!(codes.is_sorted(), "{codes:?}");
    }

    /// A runtime logs `details` as lines: a hint is one.
    #[test]
    fn every_kind_has_one_line_and_a_hint() {
        for kind in ErrorKind::ALL {
            let Entry { when, hint: Details(hint) | Page(hint), .. } = kind.entry();
            assert!(when.ends_with('.') && !when.contains(['\n', '|']), "{kind:?}");
            assert!(!hint.is_empty() && !hint.contains(['\n', '|']), "{kind:?}");
        }
    }
}
