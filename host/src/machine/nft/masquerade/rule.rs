//! The rule of an address, as it is written and as it is listed.

use super::super::super::MachineError;
use super::super::table::Rule;
use super::{CHECKS, TABLE};
use crate::action::MasqueradeNft;
use ipnetwork::IpNetwork;
use serde_json::{Value, json};
use std::net::IpAddr;

/// Table and chains, with comments where nft and kernel have them, and what leads to the rules.
pub const FRAME: &str = r#"add table inet cni_plugins_masquerade { comment "Masquerading for plugins from github.com/containernetworking/plugins" ; }
add chain inet cni_plugins_masquerade masq_checks { comment "Masquerade traffic from certain IPs to any (non-multicast) IP outside their subnet" ; }
add chain inet cni_plugins_masquerade postrouting { type nat hook postrouting priority 100 ; }
flush chain inet cni_plugins_masquerade postrouting
add rule inet cni_plugins_masquerade postrouting ip daddr == 224.0.0.0/4 return
add rule inet cni_plugins_masquerade postrouting ip6 daddr == ff00::/8 return
add rule inet cni_plugins_masquerade postrouting goto masq_checks
"#;

/// `nft` and the kernel take so many bytes in a comment.
const MAX_COMMENT_BYTES: usize = 128;

/// How many bytes of a comment tell whose the rule is: [`derive::nft_owner`].
const OWNER_BYTES: usize = 33;

/// The statement that adds a rule.
pub fn words(action: &MasqueradeNft) -> String {
    let MasqueradeNft { address, comment } = action;
    let family = if address.is_ipv4() { "ip" } else { "ip6" };
    format!(
        "add rule {} {} {CHECKS} {family} saddr == {} {family} daddr != {}/{} masquerade comment \"{comment}\"",
        TABLE.0,
        TABLE.1,
        address.ip(),
        address.network(),
        address.prefix()
    )
}

/// The statement that deletes one.
pub fn delete_rule(rule: &Rule) -> String {
    format!("delete rule {} {} {CHECKS} handle {}\n", TABLE.0, TABLE.1, rule.handle)
}

/// The same as it is listed.
fn statements(action: &MasqueradeNft) -> Value {
    let address = action.address;
    let family = if address.is_ipv4() { "ip" } else { "ip6" };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let network = match address.prefix() {
        prefix if prefix == whole => json!(address.ip()),
        prefix => json!({"prefix": {"addr": address.network(), "len": prefix}}),
    };
    let saddr = compare("==", family, "saddr", &json!(address.ip()));
    json!([saddr, compare("!=", family, "daddr", &network), {"masquerade": null}])
}

/// What leads to the rules, as it is listed.
pub fn frame() -> [Value; 3] {
    let groups = |family: &str, address: &str, length: u8| {
        let groups = json!({"prefix": {"addr": address, "len": length}});
        json!([compare("==", family, "daddr", &groups), {"return": null}])
    };
    [groups("ip", "224.0.0.0", 4), groups("ip6", "ff00::", 8), json!([{"goto": {"target": CHECKS}}])]
}

fn compare(operator: &str, protocol: &str, field: &str, with: &Value) -> Value {
    json!({"match": {"op": operator, "left": {"payload": {"protocol": protocol, "field": field}}, "right": with}})
}

/// Whether a listed rule is an action's.
pub fn is(rule: &Rule, action: &MasqueradeNft) -> bool {
    rule.comment.as_deref() == Some(&action.comment) && rule.statements == statements(action)
}

/// Whether a listed rule is the same attachment's, by its comment.
pub fn is_owned(rule: &Rule, action: &MasqueradeNft) -> bool {
    let own = owner(&action.comment);
    own.is_some() && rule.comment.as_deref().and_then(owner) == own
}

/// The part of a comment that tells whose a rule is.
pub fn owner(comment: &str) -> Option<&str> {
    comment.get(..OWNER_BYTES)
}

/// The address that a listed rule hides.
pub fn source(rule: &Rule) -> Option<IpAddr> {
    rule.statements.pointer("/0/match/right")?.as_str()?.parse().ok()
}

/// The same with the length of the network that sees it.
pub fn address(rule: &Rule) -> Option<IpNetwork> {
    let source = source(rule)?;
    let length = rule.statements.pointer("/1/match/right/prefix/len").and_then(Value::as_u64);
    let whole = IpNetwork::from(source);
    let length = length.and_then(|length| u8::try_from(length).ok());
    IpNetwork::new(source, length.unwrap_or(whole.prefix())).ok()
}

/// What is written into a script must stay one text: nobody gets a statement of his own in. Within quotes nothing but a
/// quote has a meaning.
pub fn validate(action: &MasqueradeNft) -> Result<(), MachineError> {
    let comment = &action.comment;
    let is_text = !comment.chars().any(|c| c == '"' || c.is_control());
    if is_text && comment.len() <= MAX_COMMENT_BYTES && owner(comment).is_some() {
        return Ok(());
    }
    Err(MachineError::Conflict(format!("{comment:?} is no comment of a rule in nftables")))
}
