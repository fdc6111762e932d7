//! What a human types to remove what we could not: an undo as a command for a shell.

use crate::action::Action;
use crate::action::{Delegate, Masquerade, SetLink};
use crate::machine::Undo;
use crate::machine::netlink::address;
use crate::machine::sysctl::parse_saved;
use crate::plan::render;
use crate::value::LinkIdentity;
use crate::value::{LinkRef, Netns};

/// The command; for what is in the container, in the namespace at the path `netns`.
pub fn command(undo: &Undo, netns: &str) -> String {
    match undo {
        Undo::DeleteLink(LinkIdentity { link, .. }) => {
            within(link.netns, netns, format!("ip link delete {}", word(link.name.as_str())))
        }
        Undo::DeleteLinkByAlias { name, .. } | Undo::DeleteEmptyBridge { name, .. } => {
            format!("ip link delete {}", word(name.as_str()))
        }
        Undo::DeleteAddress { link, address } => of_link(link, netns, &format!("address delete {address}")),
        Undo::RestoreAddress { link, address, saved } => {
            let more: String = address::words(saved).iter().map(|text| format!(" {}", word(text))).collect();
            of_link(link, netns, &format!("address add {address}{more}"))
        }
        Undo::SetDown { link } => {
            let name = word(link.name.as_str());
            within(link.netns, netns, format!("ip link set dev {name} down"))
        }
        Undo::ClearPromiscuous { link } => {
            let name = word(link.name.as_str());
            within(link.netns, netns, format!("ip link set dev {name} promisc off"))
        }
        Undo::RestoreLink { link, old, .. } => {
            let set = SetLink { link: link.clone(), attribute: old.clone() };
            let commands = render::commands(&Action::SetLink(set));
            within(link.netns, netns, commands.into_iter().next().unwrap_or_default())
        }
        Undo::ForgetLink { path } => format!("rm {}", file(path)),
        Undo::DeleteMasqueradeNft { rule, .. } => {
            let chain = "inet cni_plugins_masquerade masq_checks";
            delete_rules(chain, &format!("comment \"{}\"", rule.comment))
        }
        Undo::DeleteMapPorts { ports, unmake } => render::portmap::undo(ports, unmake).join("; "),
        Undo::DeletePortMap(map) => render::portmap::removal(map).join("; "),
        Undo::DeleteFilter { rule, .. } => render::filter::undo(rule).join("; "),
        Undo::Unshape { shape, .. } => render::shape::undo(shape).join("; "),
        Undo::DeleteIfb { name } => format!("ip link delete {}", word(name.as_str())),
        Undo::DeleteCheckSourceMac { check, .. } => {
            let chain = format!("cni-br-iface-{}", check.identity);
            let jump = delete_rules("bridge nat PREROUTING", &format!("jump {chain} "));
            let (chain, macs) = (word(&chain), word(&format!("{chain}-mac")));
            format!("{jump}; nft delete chain bridge nat {chain}; nft delete chain bridge nat {macs}")
        }
        Undo::RestoreSysctl { netns: of, key, old, .. } => {
            let (value, others) = parse_saved(old);
            let mut command = format!("sysctl -w {}", word(&format!("{key}={value}")));
            for (key, value) in others {
                command += &format!(" {}", word(&format!("{key}={value}")));
            }
            within(*of, netns, command)
        }
        Undo::DeleteMasquerade(masquerade) => delete_masquerade(masquerade),
        Undo::EndDelegate(delegate) => end(delegate),
        Undo::ReleaseLease(lease) => {
            format!("rm {}", file(&lease.store.directory().join(lease.address.to_string())))
        }
        Undo::RestoreLastReserved { lease, old } => {
            let path = file(&lease.store.directory().join(format!("last_reserved_ip.{}", lease.set)));
            match old {
                Some(old) => format!("printf %s {old} > {path}"),
                None => format!("rm {path}"),
            }
        }
    }
}

fn of_link(link: &LinkRef, netns: &str, what: &str) -> String {
    within(link.netns, netns, format!("ip {what} dev {}", word(link.name.as_str())))
}

fn within(of: Netns, netns: &str, command: String) -> String {
    match of {
        Netns::Host => command,
        Netns::Container => format!("nsenter {} {command}", word(&format!("--net={netns}"))),
    }
}

/// The rules of a chain that are listed with a text; only their numbers delete them.
fn delete_rules(chain: &str, text: &str) -> String {
    let text = word(text);
    format!(
        "nft -a list chain {chain} | grep -F -- {text} | sed 's/.*# handle //' | \
         while read -r number; do nft delete rule {chain} handle $number; done"
    )
}

/// The chain goes unless another interface of the container has a jump to it.
fn delete_masquerade(masquerade: &Masquerade) -> String {
    let tool = if masquerade.address.is_ipv4() { "iptables" } else { "ip6tables" };
    let (chain, address) = (word(&masquerade.chain), masquerade.address.ip());
    let comment = word(&masquerade.comment);
    format!(
        "{tool} -t nat -D POSTROUTING -s {address} -j {chain} -m comment --comment {comment}; \
         {tool} -t nat -S POSTROUTING | grep -qF -- '-j {}' || {{ {tool} -t nat -F {chain}; {tool} -t nat -X {chain}; }}",
        masquerade.chain
    )
}

fn end(delegate: &Delegate) -> String {
    let variables = [
        ("CNI_COMMAND", "DEL"),
        ("CNI_CONTAINERID", delegate.owner.container.as_str()),
        ("CNI_IFNAME", delegate.owner.interface.as_str()),
        ("CNI_NETNS", delegate.netns.as_str()),
        ("CNI_ARGS", delegate.args.as_str()),
        ("CNI_PATH", delegate.path.as_str()),
    ];
    let variables: Vec<String> =
        variables.iter().map(|(name, value)| format!("{name}={}", word(value))).collect();
    // Line ends of JSON are between its words.
    let config = word(&delegate.config.replace(['\n', '\r'], " "));
    format!("printf %s {config} | {} {}", variables.join(" "), file(&delegate.program))
}

fn file(path: &std::path::Path) -> String {
    word(&path.display().to_string())
}

/// A text as one word of a shell.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_for_a_shell() {
        for text in ["plain", "", "two words", "it's", "$(boom)", "name: \"a\" id: \"b\"", "line\nline"] {
            let script = format!("printf %s {}", word(text));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
