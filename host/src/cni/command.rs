//! The environment of a call (SPEC, section 2). The validation has the reference's order.

use super::{CniError, ErrorKind, version};
use crate::value::{Attachment, ContainerId, IDENTIFIER_BYTES, IfName, NameError, NetworkName};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The `CNI_*` variables, not validated. An empty one counts as missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// `CNI_COMMAND`.
    pub command: String,
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_NETNS`.
    pub netns: String,
    /// `CNI_IFNAME`.
    pub interface: String,
    /// `CNI_ARGS`.
    pub args: String,
    /// `CNI_PATH`.
    pub path: String,
    /// Whether `CNI_NETNS_OVERRIDE` is `1` or `true`: the host's own namespace is allowed.
    pub netns_override: bool,
    /// Whether `WASM_CNI_DRY_RUN` is `1` or `true`: print the plan, change nothing, and fail.
    pub dry_run: bool,
}

/// A verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// Attach a container.
    Add,
    /// Detach a container.
    Del,
    /// Compare an attachment with the machine.
    Check,
    /// Remove the remains of attachments that are not valid.
    Gc,
    /// Check whether ADD would work.
    Status,
    /// Print the supported versions.
    Version,
}

/// The call that the environment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// No command: print a banner on stderr, and succeed.
    Banner,
    /// A verb with validated variables.
    Verb(Command),
    /// An unknown command. The reference validates the configuration before it reports this error, so we do too.
    Unknown(String),
}

/// Validates the variables that the verb needs.
pub fn decode(env: &Environment) -> Result<Call, CniError> {
    use Command::*;
    let call = match env.command.as_str() {
        "ADD" => Call::Verb(Add),
        "DEL" => Call::Verb(Del),
        "CHECK" => Call::Verb(Check),
        "GC" => Call::Verb(Gc),
        "STATUS" => Call::Verb(Status),
        "VERSION" => Call::Verb(Version),
        "" => Call::Banner,
        other => Call::Unknown(other.to_owned()),
    };
    let attachment = matches!(call, Call::Verb(Add | Del | Check));
    let mut missing = Vec::new();
    let mut require = |needed: bool, name: &'static str, value: &str| {
        if needed && value.is_empty() {
            missing.push(name);
        }
        needed && !value.is_empty()
    };
    if require(attachment, "CNI_CONTAINERID", &env.container_id)
        && ContainerId::parse(&env.container_id).is_err()
    {
        if env.container_id.len() > IDENTIFIER_BYTES {
            let msg = format!("containerID is longer than {IDENTIFIER_BYTES} bytes");
            return Err(CniError::new(ErrorKind::InvalidVariable, msg));
        }
        return Err(CniError::new(ErrorKind::InvalidVariable, "invalid characters in containerID")
            .with_details(env.container_id.clone()));
    }
    require(matches!(call, Call::Verb(Add | Check)), "CNI_NETNS", &env.netns);
    if require(attachment, "CNI_IFNAME", &env.interface) {
        interface(&env.interface)?;
    }
    require(matches!(call, Call::Verb(Add | Del | Check | Gc | Status)), "CNI_PATH", &env.path);
    if missing.is_empty() {
        Ok(call)
    } else {
        let msg = format!("required env variables [{}] missing", missing.join(","));
        Err(CniError::new(ErrorKind::MissingVariable, msg))
    }
}

/// Validates `CNI_IFNAME`. The errors have the reference's texts. Names that only the kernel would refuse have our
/// own.
fn interface(name: &str) -> Result<(), CniError> {
    let error = |msg: &str| Err(CniError::new(ErrorKind::InvalidVariable, msg));
    if name.len() > 15 {
        return error("interface name is too long")
            .map_err(|e: CniError| e.with_details("interface name should be less than 16 characters"));
    }
    if matches!(name, "." | "..") {
        return error("interface name is . or ..");
    }
    if name.chars().any(|c| c == '/' || c == ':' || c.is_whitespace()) {
        return error("interface name contains / or : or whitespace characters");
    }
    match IfName::parse(name) {
        Ok(_) => Ok(()),
        Err(rule) => error(&rule.to_string()),
    }
}

/// The release of the reference whose behaviour we have.
const REFERENCE_RELEASE: &str = "v1.9.1";

/// The banner of a call without a command. The first line is the reference's: nerdctl parses the version in it to find
/// out whether `firewall` can isolate networks, and nomad takes the first version in the text.
pub fn banner(plugin: &str, versions: &[String]) -> String {
    format!(
        "CNI {plugin} plugin {REFERENCE_RELEASE}\nCNI protocol versions supported: {}\nwasm-cni {}\n",
        versions.join(", "),
        env!("CARGO_PKG_VERSION"),
    )
}

/// Checks that the configuration's version is exactly one of the plugin's versions.
pub fn gate_version(version: &str, supported: &[String]) -> Result<(), CniError> {
    if supported.iter().any(|s| s == version) {
        return Ok(());
    }
    let list: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
    Err(CniError::new(ErrorKind::IncompatibleVersion, "incompatible CNI versions")
        .with_details(format!("config is {version:?}, plugin supports [{}]", list.join(" "))))
}

/// The first version check of CHECK (at least 0.4.0), GC and STATUS (at least 1.1.0): that of the configuration.
pub fn gate_config(verb: &str, floor: &str, config_version: &str) -> Result<(), CniError> {
    match version::at_least(config_version, floor) {
        Ok(true) => Ok(()),
        Ok(false) => Err(too_old("config", verb)),
        Err(text) => Err(CniError::new(ErrorKind::InvalidVersion, text)),
    }
}

/// The second version check of these verbs: the plugin's versions, and then the exact match.
pub fn gate_plugin(verb: &str, config_version: &str, supported: &[String]) -> Result<(), CniError> {
    for known in supported {
        let covers = version::at_least(known, config_version);
        if covers.map_err(|text| CniError::new(ErrorKind::InvalidVersion, text))? {
            return gate_version(config_version, supported);
        }
    }
    Err(too_old("plugin", verb))
}

fn too_old(whose: &str, verb: &str) -> CniError {
    CniError::new(ErrorKind::VerbNotInVersion, format!("{whose} version does not allow {verb}"))
}

/// The directories in a `CNI_PATH`.
pub fn path(text: &str) -> Vec<PathBuf> {
    text.split(':').filter(|dir| !dir.is_empty()).map(PathBuf::from).collect()
}

/// The error for an invalid name in the environment or in an argument.
pub fn invalid(error: NameError) -> CniError {
    CniError::new(ErrorKind::InvalidVariable, error.to_string())
}

/// The attachment with these names.
pub fn attachment(network: &NetworkName, container: &str, interface: &str) -> Result<Attachment, CniError> {
    Ok(Attachment {
        network: network.clone(),
        container: ContainerId::parse(container).map_err(invalid)?,
        interface: IfName::parse(interface).map_err(invalid)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cni::code;

    fn add() -> Environment {
        Environment {
            command: "ADD".into(),
            container_id: "c1".into(),
            netns: "/run/netns/c1".into(),
            interface: "eth0".into(),
            path: "/opt/cni/bin".into(),
            ..Environment::default()
        }
    }

    #[test]
    fn all_missing_variables_are_reported_at_once() {
        let env = Environment { command: "ADD".into(), path: "/x".into(), ..Environment::default() };
        let error = decode(&env).unwrap_err();
        assert_eq!(error.msg, "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME] missing");
        assert_eq!(error.code, code::INVALID_ENVIRONMENT);
    }

    #[test]
    fn a_bad_container_id_is_reported_before_missing_variables() {
        let env = Environment { container_id: "a/b".into(), netns: String::new(), ..add() };
        let error = decode(&env).unwrap_err();
        assert_eq!(
            (error.msg.as_str(), error.details.as_str()),
            ("invalid characters in containerID", "a/b")
        );
    }

    #[test]
    fn a_name_of_more_than_255_bytes_is_refused() {
        let network = NetworkName::parse(&"n".repeat(255)).unwrap();
        assert!(NetworkName::parse(&"n".repeat(256)).is_err());
        attachment(&network, &"c".repeat(255), "eth0").unwrap();
        let error = attachment(&network, &"c".repeat(256), "eth0").unwrap_err();
        assert_eq!(error.code, code::INVALID_ENVIRONMENT);
    }

    #[test]
    fn an_empty_element_of_the_path_is_ignored() {
        assert_eq!(path(":/a::/b:"), ["/a", "/b"].map(PathBuf::from));
    }

    /// The order and texts are those of the bridge plugin in Debian.
    #[test]
    fn the_gates_of_a_verb_come_in_the_reference_order() {
        let supported = version::ALL.map(str::to_owned);
        let gates = |text: &str| {
            let gated =
                gate_config("CHECK", "0.4.0", text).and_then(|()| gate_plugin("CHECK", text, &supported));
            gated.map_err(|e| (e.code, e.msg))
        };
        assert_eq!(gates("0.4.0"), Ok(()));
        for (text, code, msg) in [
            (
                "x",
                code::DECODING_FAILURE,
                r#"failed to convert major version part "x": strconv.Atoi: parsing "x": invalid syntax"#,
            ),
            ("-1", code::INCOMPATIBLE_VERSION, "config version does not allow CHECK"),
            ("0.3.1", code::INCOMPATIBLE_VERSION, "config version does not allow CHECK"),
            ("9.0", code::INCOMPATIBLE_VERSION, "plugin version does not allow CHECK"),
            ("0.5.0", code::INCOMPATIBLE_VERSION, "incompatible CNI versions"),
            ("1.0", code::INCOMPATIBLE_VERSION, "incompatible CNI versions"),
        ] {
            assert_eq!(gates(text), Err((code, msg.to_owned())), "{text}");
        }
        let broken = ["one".to_owned()];
        assert_eq!(gate_plugin("GC", "1.1.0", &broken).unwrap_err().code, code::DECODING_FAILURE);
    }

    #[test]
    fn del_needs_no_netns() {
        let env = Environment { command: "DEL".into(), netns: String::new(), ..add() };
        assert_eq!(decode(&env), Ok(Call::Verb(Command::Del)));
    }

    #[test]
    fn interface_names_that_the_kernel_refuses_are_refused() {
        for bad in ["sixteen-bytes-xx", ".", "..", "a/b", "a:b", "a b", "a%d", "a\u{7}"] {
            let env = Environment { interface: bad.into(), ..add() };
            assert_eq!(decode(&env).unwrap_err().code, code::INVALID_ENVIRONMENT, "{bad}");
        }
        let env = Environment { interface: "fifteen-bytes-x".into(), ..add() };
        assert_eq!(decode(&env), Ok(Call::Verb(Command::Add)));
    }
}
