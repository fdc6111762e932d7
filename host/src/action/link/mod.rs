//! Links: what makes them, changes them, waits for them and deletes them.

pub mod announce;
pub mod attribute;
pub mod bridge;
pub mod delete;
pub mod dummy;
mod end;
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
use crate::machine::MachineError;
use crate::machine::errno::as_go;
use crate::machine::port::{Link, Request};
use crate::value::{Fact, IfName, LinkFact, Mac, Netns, SysctlKey};
use nix::errno::Errno;
use std::io;

/// `ETH_DATA_LEN`: the MTU of a veth or a bridge for which none was given, bytes.
pub const DEFAULT_MTU: u32 = 1500;

/// `ETH_MAX_MTU`, bytes.
pub const MAX_MTU: u32 = 65535;

/// The kind of both ends of a pair.
const VETH: &str = "veth";

/// The kind of a bridge.
const BRIDGE: &str = "bridge";

/// What a look at a link says of something that is done to it.
fn presence(found: Result<Option<Link>, MachineError>, is_done: impl Fn(&Link) -> bool) -> Before {
    match found {
        Ok(Some(link)) if is_done(&link) => Before::Present,
        Ok(_) => Before::Absent,
        Err(_) => Before::Unknown,
    }
}

/// Whether the kernel answered with that error.
pub(super) fn is_errno(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

/// The value of `accept_ra` with which a link ignores router advertisements.
const IGNORED: &str = "0";

/// Keeps a link of the host from taking addresses and routes from router advertisements, unless the kernel has no IPv6.
fn ignore_advertisements(cx: &mut WriteContext<'_>, link: &IfName) -> Result<(), MachineError> {
    let key = SysctlKey::accept_ra(link);
    let now = cx.machine.sysctl(Netns::Host, &key);
    let written = match now {
        Ok(now) if now.trim() == IGNORED => Ok(()),
        Ok(_) => cx.machine.set_sysctl(Netns::Host, &key, IGNORED),
        Err(error) => Err(error),
    };
    match written {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
            let what = format!("failed to set sysctl {:?} to {IGNORED:?}", key.as_str());
            Err(MachineError::File { what, source: as_go(error) })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The same as a command.
fn ignore_advertisements_command(link: &IfName) -> String {
    format!("sysctl -e -w {}={IGNORED}", SysctlKey::accept_ra(link))
}

/// Takes back a mark that hit somebody else's link.
fn unmark(name: &IfName) -> Request {
    Request::Mark { name: name.clone(), alias: String::new(), hairpin: false, isolated: false }
}

/// The text for a link that is not deleted.
fn failed_delete(name: &IfName) -> String {
    format!("failed to delete {:?}", name.as_str())
}

/// The answer to the question about that link, if it is the question.
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

/// The same of a link that is there, or is planned.
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

/// A link that does not exist yet: index 0; MAC and MTU 0 where the kernel or the end of the plan chooses.
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

/// Lays a link that is made unless it is there over the answer to the question about it.
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

/// `on` or `off`, as `ip link` has it.
fn on_off(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}
