//! Links: their creation, changes, waits and deletion.

pub mod announce;
pub mod attribute;
pub mod bridge;
pub mod delete;
pub mod dummy;
mod end;
pub mod mtu;
pub mod port;
pub mod promiscuous;
pub mod save;
pub mod settings;
pub mod settle;
pub mod stale;
pub mod up;
pub mod veth;
pub mod vlan_gateway;

use super::context::WriteContext;
use super::profile::LinkName;
use super::query::{Answer, Query};
use super::record::Before;
use super::sysctl::is_tolerated;
use crate::machine::MachineError;
use crate::machine::errno::as_go;
use crate::machine::port::{Link, Request};
use crate::value::{Fact, IfName, LinkFact, Mac, Netns, SysctlKey};
use nix::errno::Errno;
use std::io;

/// `ETH_DATA_LEN`: the default MTU of a veth or a bridge, in bytes.
pub const DEFAULT_MTU: u32 = 1500;

/// `ETH_MAX_MTU`, in bytes.
pub const MAX_MTU: u32 = 65535;

/// `IFLA_INFO_KIND` of both ends of a veth pair.
const VETH: &str = "veth";

/// `IFLA_INFO_KIND` of a bridge.
const BRIDGE: &str = "bridge";

/// The state before an action that changes or creates a link. `is_done` says whether the link already has the state
/// that the action makes.
fn presence(found: Result<Option<Link>, MachineError>, is_done: impl Fn(&Link) -> bool) -> Before {
    match found {
        Ok(Some(link)) if is_done(&link) => Before::Present,
        Ok(_) => Before::Absent,
        Err(_) => Before::Unknown,
    }
}

/// Whether the kernel answered with this error.
pub(super) fn is_errno(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

/// The value of `accept_ra` with which a link ignores router advertisements.
const IGNORED: &str = "0";

/// Makes a link of the host ignore router advertisements, so that it gets no addresses and routes from them. Does
/// nothing if the kernel has no IPv6, or if nobody may write the parameter; the reference ignores every failure.
fn ignore_advertisements(cx: &mut WriteContext<'_>, link: &IfName) -> Result<(), MachineError> {
    let key = SysctlKey::accept_ra(link);
    let now = cx.machine.sysctl(Netns::Host, &key);
    let written = match now {
        Ok(now) if now.trim() == IGNORED => Ok(()),
        Ok(_) => cx.machine.set_sysctl(Netns::Host, &key, IGNORED),
        Err(error) => Err(error),
    };
    match written {
        Err(error) if !is_tolerated(&error) => {
            let what = format!("failed to set sysctl {:?} to {IGNORED:?}", key.as_str());
            Err(MachineError::File { what, source: as_go(error) })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The equivalent shell command.
fn ignore_advertisements_command(link: &IfName) -> String {
    format!("sysctl -e -w {}={IGNORED}", SysctlKey::accept_ra(link))
}

/// The request that removes our alias from a link of somebody else.
fn unmark(name: &IfName) -> Request {
    Request::Mark { name: name.clone(), alias: String::new(), hairpin: false, isolated: false }
}

/// The error text for a link that could not be deleted.
fn failed_delete(name: &IfName) -> String {
    format!("failed to delete {:?}", name.as_str())
}

/// The fact about `link` in the answer, if the query asks for this link.
pub(super) fn link_fact<'a>(
    query: &Query,
    answer: &'a mut Answer,
    link: LinkName<'_>,
) -> Option<&'a mut Fact<LinkFact>> {
    match (query, answer) {
        (Query::Link(asked), Answer::Link(fact)) if link.is(asked) => Some(fact),
        _ => None,
    }
}

/// The same, for a link that exists or is planned.
pub(super) fn known_link<'a>(
    query: &Query,
    answer: &'a mut Answer,
    link: LinkName<'_>,
) -> Option<&'a mut LinkFact> {
    match link_fact(query, answer, link) {
        Some(Fact::Known(fact)) => Some(fact),
        Some(Fact::Absent | Fact::Unreadable) | None => None,
    }
}

/// A link that does not exist yet. Its index is 0. MAC address and MTU are 0 if the kernel or the completion of the
/// plan chooses them.
fn planned(link: LinkName<'_>, kind: &str, mac: Mac, mtu: Option<u32>) -> LinkFact {
    LinkFact {
        netns: link.netns,
        name: link.name.clone(),
        index: 0,
        kind: kind.to_owned(),
        mac,
        mtu: mtu.unwrap_or(0),
        up: false,
        alias: None,
        master: None,
        addresses: Vec::new(),
    }
}

/// Adds a planned link to the answer to a query about it, unless the link exists.
fn overlay_created(
    query: &Query,
    answer: &mut Answer,
    link_as_created: impl FnOnce() -> LinkFact,
    link: LinkName<'_>,
) {
    if let Some(fact @ (Fact::Absent | Fact::Unreadable)) = link_fact(query, answer, link) {
        *fact = Fact::Known(link_as_created());
    }
}

/// `on` or `off`, in the syntax of `ip link`.
fn on_off(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}
