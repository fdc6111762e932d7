//! The netlink message of each [`Request`].

use super::link::Builder;
use super::socket::Message;
use super::{address, link, qdisc, route, vlan};
use crate::machine::linux::no_container;
use crate::machine::port::Request;
use crate::value::Netns;
use std::io;
use std::os::fd::BorrowedFd;

/// The message of a request. `container` is the container's namespace.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] for a request that no message can express: a gateway of another family than the
/// destination, or an index that is too large. [`io::ErrorKind::NotFound`] for a link in a container whose namespace is
/// gone.
pub fn encode(request: &Request, container: Option<BorrowedFd<'_>>) -> io::Result<Message> {
    Ok(match request {
        Request::CreateLink(link) => link::create(link),
        Request::CreateVeth(veth) => match veth.netns {
            Netns::Host => link::create_veth(veth, None),
            Netns::Container => link::create_veth(veth, Some(container.ok_or_else(no_container)?)),
        },
        Request::Mark { name, alias, hairpin, isolated } => link::mark(name, alias, *hairpin, *isolated),
        Request::Delete(index) => link::delete(*index),
        Request::SetUp(index, true) => link::set(*index, Builder::up),
        Request::SetUp(index, false) => link::set(*index, Builder::down),
        Request::SetPromiscuous(index, on) => link::set(*index, |link| link.promiscuous(*on)),
        Request::SetAllMulticast(index, on) => link::set(*index, |link| link.allmulticast(*on)),
        Request::SetMac(index, mac) => link::set(*index, |link| link.address(mac.0.to_vec())),
        Request::SetMtu(index, mtu) => link::set(*index, |link| link.mtu(*mtu)),
        Request::SetQueueLength(index, packets) => link::set(*index, |link| link.txqueuelen(*packets)),
        Request::SetAlias(index, alias) => link::set(*index, |link| link.alias(alias)),
        Request::SetMaster { link, master } => link::set(*link, |link| link.controller(*master)),
        Request::SetPort { link, hairpin, isolated } => link::set_port(*link, *hairpin, *isolated),
        Request::DropVlans(port) => vlan::drop_all(*port),
        Request::AddVlans { link, first, last, native } => vlan::add(*link, *first, *last, *native),
        Request::AddAddress { link, address, nodad } => address::add(*link, *address, *nodad),
        Request::RestoreAddress { link, address } => address::restore(*link, address),
        Request::DeleteAddress { link, address } => address::delete(*link, *address),
        Request::AddRoute { link, route } => route::add(*link, route)?,
        Request::SetTokenBucket(link, token_bucket) => qdisc::set_token_bucket(*link, *token_bucket)?,
        Request::DeleteRootQdisc(link) => qdisc::delete_root(*link)?,
        Request::AddIngress(link) => qdisc::add_ingress(*link)?,
        Request::DeleteIngress(link) => qdisc::delete_ingress(*link)?,
        Request::Redirect { link, to } => qdisc::redirect(*link, *to)?,
    })
}
