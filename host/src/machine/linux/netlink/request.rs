//! The netlink message of each [`Request`].

use super::socket::Message;
use super::{address, link, qdisc, route, vlan};
use crate::machine::linux::no_container;
use crate::machine::port::Request;
use crate::value::Netns;
use std::io;
use std::os::fd::BorrowedFd;

/// The message of a request; `container` is the container's namespace.
///
/// [`io::ErrorKind::InvalidInput`] for a request that no message can carry: a gateway of another family than the destination's, an index beyond what the
/// kernel gives. [`io::ErrorKind::NotFound`] for a link in a container that is gone.
pub fn encode(request: &Request, container: Option<BorrowedFd<'_>>) -> io::Result<Message> {
    Ok(match request {
        Request::CreateBridge(bridge) => link::create_bridge(bridge),
        Request::CreateVeth(veth) => match veth.netns {
            Netns::Host => link::create_veth(veth, None),
            Netns::Container => link::create_veth(veth, Some(container.ok_or_else(no_container)?)),
        },
        Request::CreateIfb { name, mtu } => link::create_ifb(name, *mtu),
        Request::Mark { name, alias, hairpin, isolated } => link::mark(name, alias, *hairpin, *isolated),
        Request::Delete(index) => link::delete(*index),
        Request::SetUp(index, true) => link::set_up(*index),
        Request::SetUp(index, false) => link::set_down(*index),
        Request::SetPromiscuous(index, on) => link::set_promiscuous(*index, *on),
        Request::SetAllMulticast(index, on) => link::set_all_multicast(*index, *on),
        Request::SetMac(index, mac) => link::set_mac(*index, *mac),
        Request::SetMtu(index, mtu) => link::set_mtu(*index, *mtu),
        Request::SetQueueLength(index, packets) => link::set_queue_length(*index, *packets),
        Request::SetAlias(index, alias) => link::set_alias(*index, alias),
        Request::SetMaster { link, master } => link::set_master(*link, *master),
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
