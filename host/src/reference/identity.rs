//! The type of a component: it decides what the component may do by default.

use super::{TYPES, Type, of};
use crate::cni::{CniError, Config, ErrorKind};
use crate::policy::{Policy, Rules};
use crate::value::{Kind, NetworkName, PluginName};

/// The digests of the components that were built together with this host: `bridge=SHA256 portmap=SHA256 …`.
/// `cargo xtask dist` sets the variable. Without it, no component is known by its digest.
const SHIPPED: Option<&str> = option_env!("WASM_CNI_SHIPPED");

/// What a component is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The kind, as its manifest says. For a type with an entry, it is the kind of that type.
    pub kind: Kind,
    /// The type.
    of_type: String,
    /// The type of the manifest, where the file name says another one.
    also: Option<String>,
}

impl Identity {
    /// The identity of a component with this file name, kind, claimed type and digest.
    ///
    /// The name of a shipped type fixes type and kind. Under another name, a component has a shipped type if its digest
    /// is that of the shipped component, or if the administrator's policy says so.
    ///
    /// # Errors
    /// The component claims another kind than its type has, or a type that it does not have.
    pub fn of(
        name: &PluginName,
        (kind, claimed): (Kind, Option<&str>),
        digest: &str,
        (policy, network): (Option<&Policy>, Option<&NetworkName>),
    ) -> Result<Self, CniError> {
        let rules = policy.map(|policy| policy.rules(name, network));
        let types: Vec<&str> = rules.iter().flat_map(Rules::types).collect();
        let of_type = if TYPES.contains(&name.as_str()) {
            name.as_str()
        } else if let Some(shipped) = shipped(digest) {
            shipped
        } else {
            match (types.first(), claimed) {
                (Some(allowed), None) => allowed,
                (_, Some(claimed)) if types.contains(&claimed) || !TYPES.contains(&claimed) => claimed,
                (_, Some(claimed)) => return Err(no_such_type(name, claimed, digest)),
                (None, None) => name.as_str(),
            }
        };
        match of(of_type).kind {
            Some(own) if own != kind => {
                let msg =
                    format!("plugin {:?} is of kind {own}, and its component claims {kind}", name.as_str());
                Err(CniError::new(ErrorKind::KindDenied, msg))
            }
            _ => {
                let also = claimed.filter(|claimed| *claimed != of_type).map(str::to_owned);
                Ok(Identity { kind, of_type: of_type.to_owned(), also })
            }
        }
    }

    /// The identity of the plugin that the name stands for.
    pub fn named(name: &PluginName) -> Self {
        let kind = of(name.as_str()).kind.unwrap_or(Kind::Main);
        Identity { kind, of_type: name.as_str().to_owned(), also: None }
    }

    /// The type.
    pub fn of_type(&self) -> &str {
        &self.of_type
    }

    /// What is known about the type.
    pub fn known(&self) -> &'static Type {
        of(&self.of_type)
    }

    /// What is known about the shipped types that the plugin has: none for a plugin of another type, and two where the file
    /// name and the manifest say different ones.
    pub fn shipped(&self) -> Vec<&'static Type> {
        let types = [Some(&self.of_type), self.also.as_ref()].into_iter().flatten();
        types.filter(|of_type| TYPES.contains(&of_type.as_str())).map(|of_type| of(of_type)).collect()
    }

    /// The kind of the plugin in a request. Its place in the request bounds what a component may claim: under `ipam` it
    /// is an IPAM plugin, and behind another plugin of a chain it is a chained one.
    pub fn kind_in(&self, name: &PluginName, config: &Config, is_chained: bool) -> Kind {
        match self.kind {
            _ if config.is_ipam(name) => Kind::Ipam,
            kind if self.known().kind.is_some() => kind,
            Kind::Main if is_chained => Kind::Chained,
            kind @ (Kind::Main | Kind::Ipam | Kind::Chained) => kind,
        }
    }
}

/// The type of the shipped component with this digest.
fn shipped(digest: &str) -> Option<&'static str> {
    let mut pairs =
        SHIPPED.unwrap_or_default().split_ascii_whitespace().filter_map(|pair| pair.split_once('='));
    pairs.find(|(_, shipped)| *shipped == digest).map(|(of_type, _)| of_type)
}

fn no_such_type(name: &PluginName, claimed: &str, digest: &str) -> CniError {
    let msg =
        format!("plugin {:?} claims to be {claimed:?}, and is not the shipped component", name.as_str());
    // A JSON string is also a valid basic string in TOML.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let lines = format!(
        "[[rule]]\nplugin = {}\ntype = {}\nsha256 = [{}]",
        quoted(name.as_str()),
        quoted(claimed),
        quoted(digest)
    );
    CniError::new(ErrorKind::TypeDenied, msg)
        .with_details(format!("what would allow it in the policy:\n{lines}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Ceilings;
    use std::path::Path;

    const DIGEST: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn identity(name: &str, kind: Kind, claimed: Option<&str>, policy: &str) -> Result<Identity, CniError> {
        let ceilings = Ceilings { memory_mib: 64, time_ms: 1000, actions: 4096, log_kib: 64 };
        let policy = Policy::parse(Path::new("p"), policy.to_owned(), &ceilings).unwrap();
        Identity::of(&PluginName::parse(name).unwrap(), (kind, claimed), DIGEST, (Some(&policy), None))
    }

    #[test]
    fn the_name_of_a_shipped_type_fixes_its_kind() {
        assert_eq!(identity("bridge", Kind::Main, None, "").unwrap().of_type, "bridge");
        let error = identity("portmap", Kind::Main, Some("bridge"), "").unwrap_err();
        assert_eq!(error.msg, "plugin \"portmap\" is of kind chained, and its component claims main");
        assert_eq!(identity("mine", Kind::Main, None, "").unwrap().of_type, "mine");
    }

    #[test]
    fn a_claim_under_another_name_needs_a_line_of_policy_which_the_error_has() {
        let error = identity("cnv-tuning", Kind::Chained, Some("tuning"), "").unwrap_err();
        let (_, lines) = error.details.split_once('\n').unwrap();
        let allowed = identity("cnv-tuning", Kind::Chained, Some("tuning"), lines).unwrap();
        assert_eq!(allowed.known().kind, Some(Kind::Chained));
        assert!(identity("another", Kind::Chained, Some("tuning"), lines).is_err());
        assert!(identity("cnv-tuning", Kind::Main, Some("tuning"), lines).is_err());
    }
}
