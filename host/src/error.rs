//! From our errors to the runtime's.

use crate::apply::{ApplyError, Stuck};
use crate::cni::{CniError, code};
pub use crate::kernel::errno::chain;
use crate::kernel::{KernelError, Undo};

impl From<KernelError> for CniError {
    fn from(error: KernelError) -> Self {
        let code = if error.is_retryable() { code::TRY_AGAIN_LATER } else { code::INTERNAL };
        CniError::new(code, chain(&error))
    }
}

impl From<ApplyError> for CniError {
    fn from(error: ApplyError) -> Self {
        let ApplyError { action, source, stuck } = error;
        let cause = CniError::from(source);
        if stuck.is_empty() {
            return cause.with_details(format!("step `{action}` failed; all that was done before is undone"));
        }
        let msg = format!("{}; and what was done before could not all be undone", cause.msg);
        CniError::new(code::STUCK, msg).with_details(left(&format!("step `{action}` failed"), &stuck))
    }
}

/// What is left on the machine, one line each, with the command that removes it.
pub fn left(what: &str, stuck: &[Stuck]) -> String {
    let lines =
        stuck.iter().map(|s| format!("\nleft: `{}` removes it; it failed: {}", remedy(&s.undo), s.reason));
    format!("{what}{}\nthe next DEL, ADD or GC tries again", lines.collect::<String>())
}

/// An undo as a command.
pub fn remedy(undo: &Undo) -> String {
    match undo {
        Undo::DeleteLink(identity) => format!("ip link delete {}", identity.link.name),
        Undo::DeleteLinkByAlias { name, .. } | Undo::DeleteEmptyBridge { name, .. } => {
            format!("ip link delete {name}")
        }
        Undo::DeleteAddress { link, address } => format!("ip address delete {address} dev {}", link.name),
        Undo::RestoreAddress { link, address, .. } => format!("ip address add {address} dev {}", link.name),
        Undo::ClearPromiscuous { link } => format!("ip link set {} promisc off", link.name),
        Undo::DeleteMasqueradeNft { rule, .. } => format!(
            "nft --handle list chain inet cni_plugins_masquerade masq_checks  # and delete the rule of {}",
            rule.address.ip()
        ),
        Undo::DeleteCheckSourceMac { check, .. } => {
            let chain = format!("cni-br-iface-{}", check.identity);
            format!(
                "nft --handle list chain bridge nat PREROUTING  # delete the jump to {chain}, and then: \
                 nft delete chain bridge nat {chain}; nft delete chain bridge nat {chain}-mac"
            )
        }
        Undo::RestoreSysctl { key, old, .. } => format!("sysctl -w {key}={old}"),
        Undo::DeleteMasquerade(masquerade) => {
            let tool = if masquerade.address.is_ipv4() { "iptables" } else { "ip6tables" };
            let (chain, address) = (&masquerade.chain, masquerade.address.ip());
            format!(
                "{tool} -t nat -D POSTROUTING -s {address} -j {chain} -m comment --comment '{}'; \
                 {tool} -t nat -F {chain}; {tool} -t nat -X {chain}",
                masquerade.comment
            )
        }
        Undo::EndDelegate(delegate) => format!("CNI_COMMAND=DEL {}", delegate.program.display()),
        Undo::ReleaseLease(lease) => {
            format!("rm {}", lease.store.directory().join(lease.address.to_string()).display())
        }
        Undo::RestoreLastReserved { lease, old } => {
            let path = lease.store.directory().join(format!("last_reserved_ip.{}", lease.set));
            match old {
                Some(old) => format!("printf %s {old} > {}", path.display()),
                None => format!("rm {}", path.display()),
            }
        }
    }
}
