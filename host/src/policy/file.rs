//! The policy file and its positions in the text. `docs/policy.md` describes it for administrators.

use super::capability::Capability;
use super::demand::DemandKey;
use super::error::PolicyError;
use super::pattern::Patterns;
use super::scope::Scope;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The path of the policy file, unless `WASM_CNI_POLICY` names another.
pub const DEFAULT_PATH: &str = "/etc/wasm-cni/policy.toml";

/// The maximum size of the file, in bytes. It is above any real policy and limits the memory for it.
const MAX_BYTES: u64 = 1 << 20;

/// The administrator's policy. Without a file it is empty.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The path of the file, even if it does not exist.
    pub path: PathBuf,
    /// Whether the file exists.
    pub exists: bool,
    /// The parsed contents.
    pub content: Content,
    text: String,
}

/// The contents of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Content {
    /// The mode where no rule sets one.
    pub mode: Mode,
    /// The audit log of applied and refused plans, if any.
    pub audit: Option<AuditLog>,
    /// The rules. Their order has no meaning.
    #[serde(rename = "rule")]
    pub rules: Vec<Spanned<Rule>>,
}

/// The treatment of a plan with violations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The plan is refused.
    #[default]
    Enforce,
    /// The plan is applied, and the violations are reported.
    Audit,
}

/// `[audit]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuditLog {
    /// The path of the log. Its directory must exist.
    pub file: PathBuf,
    /// Whether an ADD fails if its line cannot be written.
    #[serde(default)]
    pub required: bool,
}

/// `[[rule]]`. Every rule that matches applies; their order has no meaning.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// The plugin types that the rule applies to. `None`: all.
    #[serde(default)]
    pub plugin: Option<Patterns>,
    /// The networks that the rule applies to, by `name`. `None`: all.
    #[serde(default)]
    pub network: Option<Patterns>,
    /// The treatment of a plan with violations.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// The allowed digests of the component.
    #[serde(default)]
    pub sha256: Option<Spanned<Vec<Sha256>>>,
    /// The type of a shipped plugin that the component has under another name.
    #[serde(default, rename = "type")]
    pub of_type: Option<Spanned<String>>,
    /// The denied capabilities.
    #[serde(default)]
    pub deny: Vec<Spanned<Capability>>,
    /// The keys of the configuration without whose protection a plan of a type that is not shipped is refused.
    #[serde(default)]
    pub demand: Vec<Spanned<DemandKey>>,
    /// What the plugin may use in addition to the default.
    #[serde(default)]
    pub allow: Scope,
    /// What the plugin may use at most.
    #[serde(default)]
    pub only: Scope,
    /// Limits of time, memory, actions and log.
    #[serde(default)]
    pub limits: Limits,
}

/// A SHA-256 digest: 64 hexadecimal digits, stored in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Sha256(String);

impl Sha256 {
    /// The digest in lower-case hexadecimal.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Sha256 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_prefix("sha256:").unwrap_or(&text);
        if digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Sha256(digits.to_ascii_lowercase()))
        } else {
            Err(format!("{text:?} is no SHA-256: 64 hexadecimal digits, as `sha256sum` prints them"))
        }
    }
}

/// The limits of a guest. `None`: the limit of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Linear memory of one component, in MiB.
    pub memory_mib: Option<Spanned<u32>>,
    /// Running time of guest code, in milliseconds.
    pub time_ms: Option<Spanned<u32>>,
    /// The number of actions of a plan.
    pub actions: Option<Spanned<u32>>,
    /// The size of the log, in KiB.
    pub log_kib: Option<Spanned<u32>>,
}

/// The limits of the host. A policy can only lower them, because the host guarantees a maximum to the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceilings {
    /// See [`Limits::memory_mib`].
    pub memory_mib: u32,
    /// See [`Limits::time_ms`].
    pub time_ms: u32,
    /// See [`Limits::actions`].
    pub actions: u32,
    /// See [`Limits::log_kib`].
    pub log_kib: u32,
}

impl Policy {
    /// Loads a policy. A missing file is an empty policy, unless `required`.
    ///
    /// Fails if a user other than root or this user could have written the file, or if any part of it is invalid.
    pub fn load(path: &Path, required: bool, ceilings: &Ceilings) -> Result<Self, PolicyError> {
        let unusable =
            |source: io::Error| PolicyError::Unusable { path: path.to_owned(), reason: source.to_string() };
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
        let file = match File::options().read(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !required => {
                return Ok(Policy { path: path.to_owned(), ..Policy::default() });
            }
            Err(error) => return Err(unusable(error)),
        };
        let mut text = String::new();
        check_owner(path, &file)?;
        (&file).take(MAX_BYTES + 1).read_to_string(&mut text).map_err(unusable)?;
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_BYTES {
            let reason = format!("it is larger than {} MiB", MAX_BYTES >> 20);
            return Err(PolicyError::Unusable { path: path.to_owned(), reason });
        }
        Policy::parse(path, text, ceilings)
    }

    /// Parses the text of a policy.
    pub fn parse(path: &Path, text: String, ceilings: &Ceilings) -> Result<Self, PolicyError> {
        let content: Content =
            toml::from_str(&text).map_err(|error| PolicyError::parsing(path, &text, &error))?;
        let policy = Policy { path: path.to_owned(), exists: true, content, text };
        match policy.nonsense(ceilings) {
            None => Ok(policy),
            Some((offset, reason)) => Err(PolicyError::at(path, &policy.text, offset, reason)),
        }
    }

    /// Finds the first value that is well-formed but cannot be intended. Returns its offset and the reason.
    fn nonsense(&self, ceilings: &Ceilings) -> Option<(usize, String)> {
        for rule in &self.content.rules {
            let start = rule.span().start;
            let rule = rule.get_ref();
            let Limits { memory_mib, time_ms, actions, log_kib } = &rule.limits;
            let limits = [
                ("memory-mib", memory_mib, ceilings.memory_mib),
                ("time-ms", time_ms, ceilings.time_ms),
                ("actions", actions, ceilings.actions),
                ("log-kib", log_kib, ceilings.log_kib),
            ];
            for (name, limit, ceiling) in limits {
                let Some(limit) = limit else { continue };
                if *limit.get_ref() > ceiling {
                    let reason = format!("`{name}` is {ceiling} already: policy can only lower it");
                    return Some((limit.span().start, reason));
                }
            }
            let empty = Rule { plugin: rule.plugin.clone(), network: rule.network.clone(), ..Rule::none() };
            if *rule == empty {
                return Some((start, "this rule says nothing".to_owned()));
            }
        }
        let relative = self.content.audit.as_ref().filter(|audit| !audit.file.is_absolute());
        relative.map(|audit| {
            let offset = self.text.find("[audit]").unwrap_or(0);
            (offset, format!("`file` of the audit log is {:?}: it has to be an absolute path", audit.file))
        })
    }

    /// The line of a byte offset, from 1.
    pub fn line(&self, offset: usize) -> usize {
        super::error::position(&self.text, offset).0
    }
}

impl Rule {
    fn none() -> Self {
        Rule {
            plugin: None,
            network: None,
            mode: None,
            sha256: None,
            of_type: None,
            deny: Vec::new(),
            demand: Vec::new(),
            allow: Scope::default(),
            only: Scope::default(),
            limits: Limits::default(),
        }
    }
}

/// Refuses a file if a user other than root or this user can write it or its directory.
fn check_owner(path: &Path, file: &File) -> Result<(), PolicyError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let refused = |what: &Path, reason: String| {
        Err(PolicyError::Unusable { path: what.to_owned(), reason: format!("not trusted: {reason}") })
    };
    for (what, metadata) in [(path, file.metadata()), (directory, std::fs::metadata(directory))] {
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(error) => return refused(what, error.to_string()),
        };
        if what == path && !metadata.is_file() {
            return refused(what, "it is no regular file".to_owned());
        }
        if metadata.uid() != 0 && metadata.uid() != nix::unistd::geteuid().as_raw() {
            return refused(what, format!("it belongs to user {}, not to root", metadata.uid()));
        }
        if metadata.mode() & 0o022 != 0 {
            let mode = metadata.mode() & 0o7777;
            return refused(what, format!("others than its owner can write it (mode {mode:04o})"));
        }
    }
    Ok(())
}
