//! Fixed names for what each implementation names freely: host ends of veths, and their MACs.

use serde_json::Value;
use std::collections::BTreeMap;

/// The links of a machine, by namespace (`host` or the container's name) and by name.
#[derive(Debug, Default)]
pub struct Names {
    roles: BTreeMap<String, String>,
    macs: BTreeMap<(String, String), String>,
}

impl Names {
    /// Reads them from the output of `ip -json link` in each namespace.
    pub fn new(links: &BTreeMap<String, Vec<Value>>) -> Self {
        let mut names = Names::default();
        let text = |link: &Value, key: &str| link[key].as_str().unwrap_or_default().to_owned();
        for (space, links_here) in links {
            for link in links_here {
                names.macs.insert((space.clone(), text(link, "ifname")), text(link, "address"));
                if link["linkinfo"]["info_kind"] != "veth" {
                    continue;
                }
                if space == "host" {
                    // A pair with both ends on the host: a VLAN's gateway; its port has the free name.
                    if link["link"].is_string() && link["master"].is_string() {
                        names.roles.insert(text(link, "ifname"), format!("veth({})", text(link, "link")));
                    }
                    continue;
                }
                let peer = links["host"].iter().find(|host| {
                    host["ifindex"] == link["link_index"]
                        && host["link_index"] == link["ifindex"]
                        && host["linkinfo"]["info_kind"] == "veth"
                });
                if let Some(peer) = peer {
                    names
                        .roles
                        .insert(text(peer, "ifname"), format!("veth({space}/{})", text(link, "ifname")));
                }
            }
        }
        names
    }

    /// The text with names of host ends replaced by the link in the container.
    pub fn replace(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, role) in &self.roles {
            text = text.replace(name.as_str(), role);
        }
        text
    }

    /// The MAC of a link in a sandbox (a path; empty for the host).
    pub fn mac(&self, sandbox: &str, name: &str) -> Option<&str> {
        let space = if sandbox.is_empty() { "host" } else { sandbox.rsplit('/').next().unwrap_or_default() };
        self.macs.get(&(space.to_owned(), name.to_owned())).map(String::as_str)
    }
}

/// The text with every MAC replaced by `MAC`, except those that `keep` accepts.
pub fn without_macs(text: &str, keep: impl Fn(&str) -> bool) -> String {
    let is_mac = |part: &str| {
        part.len() == 17
            && part.bytes().enumerate().all(
                |(at, byte)| {
                    if at % 3 == 2 { byte == b':' } else { byte.is_ascii_hexdigit() }
                },
            )
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match rest.get(..17).filter(|part| is_mac(part) && !keep(part)) {
            Some(mac) => {
                out += "MAC";
                rest = &rest[mac.len()..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}
