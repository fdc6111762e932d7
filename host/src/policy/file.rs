//! The policy file: what it says, and where. `docs/policy.md` is its description for administrators.

use super::capability::Capability;
use super::error::PolicyError;
use super::pattern::Patterns;
use super::scope::Scope;
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Where the policy is unless `WASM_CNI_POLICY` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/wasm-cni/policy.toml";

/// More than any real policy; a bound on memory.
const MAX_BYTES: u64 = 1 << 20;

/// What the administrator decided; without a file, nothing.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Where it was read, or would have been.
    pub path: PathBuf,
    /// Whether there is such a file.
    pub exists: bool,
    /// What it says.
    pub content: Content,
    text: String,
}

/// The file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Content {
    /// For what no rule says otherwise.
    pub mode: Mode,
    /// Where applied and refused plans are written down.
    pub audit: Option<AuditLog>,
    /// In no particular order.
    #[serde(rename = "rule")]
    pub rules: Vec<Spanned<Rule>>,
}

/// What becomes of a plan with violations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It is refused.
    #[default]
    Enforce,
    /// It is applied, and the violations are told.
    Audit,
}

/// `[audit]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuditLog {
    /// A file in a directory that is there.
    pub file: PathBuf,
    /// Whether an ADD that cannot be written down fails.
    #[serde(default)]
    pub required: bool,
}

/// `[[rule]]`: every rule that matches counts, in whatever order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// For which plugins, by type; none: every one.
    #[serde(default)]
    pub plugin: Option<Patterns>,
    /// For which networks, by `name`; none: every one.
    #[serde(default)]
    pub network: Option<Patterns>,
    /// What becomes of a plan with violations.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// The digests that the component may have.
    #[serde(default)]
    pub sha256: Option<Spanned<Vec<Sha256>>>,
    /// Capabilities that it has not.
    #[serde(default)]
    pub deny: Vec<Spanned<Capability>>,
    /// What it may reach besides.
    #[serde(default)]
    pub allow: Scope,
    /// What it may reach alone.
    #[serde(default)]
    pub only: Scope,
    /// What it may take of the machine.
    #[serde(default)]
    pub limits: Limits,
}

/// A digest: 64 hexadecimal digits, lower case here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Sha256(String);

impl Sha256 {
    /// Lower-case hexadecimal.
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

/// What a guest may take of the machine; none: as much as the host gives any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Mebibytes of linear memory of one component.
    pub memory_mib: Option<Spanned<u32>>,
    /// Milliseconds that guest code runs.
    pub time_ms: Option<Spanned<u32>>,
    /// Actions of a plan.
    pub actions: Option<Spanned<u32>>,
    /// Kibibytes of log.
    pub log_kib: Option<Spanned<u32>>,
}

/// The limits of the host, which a policy can only lower: what a call may take at most is promised to the runtime.
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
    /// Reads a policy. There need not be one, unless `required`.
    ///
    /// One that somebody else than root, or we, could have written is refused, and so is one that is not understood in full.
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

    /// Understands the text of a policy.
    pub fn parse(path: &Path, text: String, ceilings: &Ceilings) -> Result<Self, PolicyError> {
        let content: Content =
            toml::from_str(&text).map_err(|error| PolicyError::parsing(path, &text, &error))?;
        let policy = Policy { path: path.to_owned(), exists: true, content, text };
        match policy.nonsense(ceilings) {
            None => Ok(policy),
            Some((offset, reason)) => Err(PolicyError::at(path, &policy.text, offset, reason)),
        }
    }

    /// What is well-formed, and cannot be meant; with its offset.
    fn nonsense(&self, ceilings: &Ceilings) -> Option<(usize, String)> {
        for rule in &self.content.rules {
            let start = rule.span().start;
            let rule = rule.get_ref();
            if let Some(list) = &rule.allow.container_sysctls {
                let reason = "in the container every parameter is allowed by default: this is for `only`";
                return Some((list.span().start, reason.to_owned()));
            }
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

    /// The line of an offset, from 1.
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
            deny: Vec::new(),
            allow: Scope::default(),
            only: Scope::default(),
            limits: Limits::default(),
        }
    }
}

/// Refuses a file, or a directory that it is in, that others than root and we can write.
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
