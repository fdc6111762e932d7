//! Facts with the actions recorded so far laid over them: the machine as it will be when they were applied.

use super::limits;
use super::recorder::Recorder;
use crate::action::{Action, Answer, Query};
use crate::action::{CreateVeth, DeletePortMap, EnsureBridge, EnsureVlanGateway, MapPorts, ReserveLease};
use crate::cni::{CniError, code};
use crate::value::fact::MAX_GAPS;
use crate::value::{AddressRange, Backend, Fact, Firewall, IfName, LinkFact, LinkRef, Netns, StoreRef};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// The link of that name, as it will be.
pub fn link(recorder: &mut Recorder, link: &LinkRef) -> Result<Option<LinkFact>, CniError> {
    let mut fact = actual_link(recorder, link)?;
    for action in recorder.done() {
        match action {
            Action::DeleteStaleLink(stale) if link.netns == Netns::Host && stale.name == link.name => {
                fact = None
            }
            Action::EnsureBridge(bridge) if link.netns == Netns::Host && bridge.name == link.name => {
                fact.get_or_insert_with(|| of_bridge(bridge));
            }
            Action::CreateVeth(veth) if link.netns == Netns::Container && veth.name == link.name => {
                fact.get_or_insert_with(|| of_veth(veth));
            }
            Action::CreateVeth(veth) if link.netns == Netns::Host && veth.peer.name == link.name => {
                fact.get_or_insert_with(|| of_peer(veth));
            }
            Action::EnsureVlanGateway(gateway) if link.netns == Netns::Host && gateway.name == link.name => {
                fact.get_or_insert_with(|| of_vlan_gateway(gateway));
            }
            Action::SetUp(up) if up.link == *link => {
                if let Some(fact) = &mut fact {
                    fact.up = true;
                }
            }
            Action::DeleteAddress(delete) if delete.link == *link => {
                if let Some(fact) = &mut fact {
                    fact.addresses.retain(|address| *address != delete.address);
                }
            }
            Action::AddAddress(add) if add.link == *link => {
                if let Some(fact) = fact.as_mut().filter(|fact| !fact.addresses.contains(&add.address)) {
                    fact.addresses.push(add.address);
                }
            }
            _ => {}
        }
    }
    Ok(fact)
}

/// The link of that name, as the machine has it now.
pub fn actual_link(recorder: &mut Recorder, link: &LinkRef) -> Result<Option<LinkFact>, CniError> {
    let query = Query::Link(link.clone());
    match recorder.ask(query.clone())? {
        Answer::Link(fact) => Ok(known(recorder, query, fact)),
        other => Err(unanswered(&query, other)),
    }
}

/// What hides addresses on this machine when nobody says.
pub fn backend(recorder: &mut Recorder) -> Result<Backend, CniError> {
    let query = Query::Backend;
    match recorder.ask(query.clone())? {
        Answer::Backend(backend) => Ok(backend),
        other => Err(unanswered(&query, other)),
    }
}

/// The addresses that this attachment has in the store, with the plan's reservations.
pub fn held(recorder: &mut Recorder, store: &StoreRef) -> Result<Vec<IpAddr>, CniError> {
    let query = Query::Held(store.clone(), recorder.attachment().owner());
    let mut held = match recorder.ask(query.clone())? {
        Answer::Held(fact) => known(recorder, query, fact).unwrap_or_default(),
        other => return Err(unanswered(&query, other)),
    };
    held.extend(reservations(recorder, store).into_iter().map(|lease| lease.address));
    Ok(held)
}

/// The address that a range set handed out last, as it will be noted.
pub fn last_reserved(
    recorder: &mut Recorder,
    store: &StoreRef,
    set: u32,
) -> Result<Option<IpAddr>, CniError> {
    let planned = reservations(recorder, store).into_iter().rfind(|lease| lease.set == set);
    if let Some(lease) = planned {
        return Ok(Some(lease.address));
    }
    let query = Query::LastReserved(store.clone(), set);
    match recorder.ask(query.clone())? {
        Answer::LastReserved(fact) => Ok(known(recorder, query, fact)),
        other => Err(unanswered(&query, other)),
    }
}

/// The free parts of a range, without what the plan reserves.
pub fn free(
    recorder: &mut Recorder,
    store: &StoreRef,
    range: AddressRange,
) -> Result<Vec<AddressRange>, CniError> {
    let query = Query::Free(store.clone(), range);
    let mut gaps = match recorder.ask(query.clone())? {
        // A store that does not exist, or may not be read, has no leases.
        Answer::Free(fact) => known(recorder, query, fact).unwrap_or_else(|| vec![range]),
        other => return Err(unanswered(&query, other)),
    };
    for lease in reservations(recorder, store) {
        gaps = gaps.into_iter().flat_map(|gap| without(gap, lease.address)).collect();
    }
    gaps.truncate(MAX_GAPS);
    Ok(gaps)
}

/// The host's end of the veth pair whose end in the container has that name, as it will be.
pub fn host_end(recorder: &mut Recorder, name: &IfName) -> Result<Option<IfName>, CniError> {
    let made = recorder.done().find_map(|action| match action {
        Action::CreateVeth(veth) if veth.name == *name => Some(veth.peer.name.clone()),
        _ => None,
    });
    if made.is_some() {
        return Ok(made);
    }
    let query = Query::HostEnd(name.clone());
    match recorder.ask(query.clone())? {
        Answer::HostEnd(fact) => Ok(known(recorder, query, fact)),
        other => Err(unanswered(&query, other)),
    }
}

/// Who is told what the host passes on, when nobody says.
pub fn firewall(recorder: &mut Recorder) -> Result<Firewall, CniError> {
    let query = Query::Firewall;
    match recorder.ask(query.clone())? {
        Answer::Firewall(firewall) => Ok(firewall),
        other => Err(unanswered(&query, other)),
    }
}

/// The link of the host through which packets to an address will leave: what the plan adds there counts, in networks that lead to the
/// address.
pub fn route_to(recorder: &mut Recorder, address: IpAddr) -> Result<Option<IfName>, CniError> {
    let query = Query::RouteTo(address);
    let actual = match recorder.ask(query.clone())? {
        Answer::RouteTo(fact) => known(recorder, query, fact),
        other => return Err(unanswered(&query, other)),
    };
    let mut planned = recorder.done().filter_map(|action| match action {
        Action::AddAddress(add) if add.link.netns == Netns::Host && add.address.contains(address) => {
            Some(add.link.name.clone())
        }
        Action::AddRoute(add) if add.link.netns == Netns::Host && add.route.dst.contains(address) => {
            Some(add.link.name.clone())
        }
        _ => None,
    });
    Ok(planned.next_back().or(actual))
}

/// Rules by which ports of the host lead to containers that are no more.
pub fn stale_ports(recorder: &mut Recorder, ports: &MapPorts) -> Result<Vec<DeletePortMap>, CniError> {
    let mut numbers: Vec<u16> = ports.mappings.iter().map(|mapping| mapping.host_port).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let query =
        Query::StalePorts { backend: ports.backend, is_ipv4: ports.address.is_ipv4(), ports: numbers };
    match recorder.ask(query.clone())? {
        Answer::PortOwners(owners) => Ok(owners.into_iter().map(|owner| owner.map).collect()),
        other => Err(unanswered(&query, other)),
    }
}

/// The contents of a file, if it is there; of one that may not be read, nothing.
pub fn file(recorder: &mut Recorder, path: &Path) -> Result<Option<Vec<u8>>, CniError> {
    let query = Query::File(path.to_owned());
    match recorder.ask(query.clone())? {
        Answer::File(Fact::Absent) => Ok(None),
        Answer::File(fact) => Ok(Some(known(recorder, query, fact).unwrap_or_default())),
        other => Err(unanswered(&query, other)),
    }
}

/// The fact, if it is known; that it could not be read is noted in the plan.
fn known<T>(recorder: &mut Recorder, query: Query, fact: Fact<T>) -> Option<T> {
    if matches!(fact, Fact::Unreadable) {
        recorder.mark_unreadable(query);
    }
    fact.known()
}

/// The host could not tell, or told something else.
fn unanswered(query: &Query, answer: Answer) -> CniError {
    match answer {
        Answer::Failed(text) => CniError::new(code::INTERNAL, text),
        _ => CniError::new(code::INTERNAL, format!("wrong kind of answer to {query:?}")),
    }
}

fn reservations<'a>(recorder: &'a Recorder, store: &StoreRef) -> Vec<&'a ReserveLease> {
    let in_store = |action: &'a Action| match action {
        Action::ReserveLease(lease) if lease.store == *store => Some(lease),
        _ => None,
    };
    recorder.done().filter_map(in_store).collect()
}

/// A range without one address: none, one or two ranges.
fn without(range: AddressRange, address: IpAddr) -> impl Iterator<Item = AddressRange> {
    let inside =
        range.first.is_ipv4() == address.is_ipv4() && range.first <= address && address <= range.last;
    let (below, above) = if inside {
        let below = step(address, -1).filter(|last| *last >= range.first && address > range.first);
        let above = step(address, 1).filter(|first| *first <= range.last && address < range.last);
        (
            below.map(|last| AddressRange { first: range.first, last }),
            above.map(|first| AddressRange { first, last: range.last }),
        )
    } else {
        (Some(range), None)
    };
    below.into_iter().chain(above)
}

/// The next address up or down, within the family.
fn step(address: IpAddr, by: i8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => {
            v4.to_bits().checked_add_signed(by.into()).map(|bits| Ipv4Addr::from_bits(bits).into())
        }
        IpAddr::V6(v6) => {
            v6.to_bits().checked_add_signed(by.into()).map(|bits| Ipv6Addr::from_bits(bits).into())
        }
    }
}

fn of_bridge(bridge: &EnsureBridge) -> LinkFact {
    planned(Netns::Host, &bridge.name, "bridge", bridge.mac, bridge.mtu)
}

fn of_vlan_gateway(gateway: &EnsureVlanGateway) -> LinkFact {
    let fact = planned(Netns::Host, &gateway.name, "veth", gateway.mac, None);
    LinkFact { up: true, alias: Some(gateway.alias.clone()), ..fact }
}

fn of_veth(veth: &CreateVeth) -> LinkFact {
    planned(Netns::Container, &veth.name, "veth", veth.mac, veth.mtu)
}

fn of_peer(veth: &CreateVeth) -> LinkFact {
    let mut fact = planned(Netns::Host, &veth.peer.name, "veth", veth.peer.mac, veth.mtu);
    fact.alias = Some(veth.peer.alias.clone());
    fact
}

/// A link that does not exist yet: index 0; MAC and MTU 0 where the kernel or the end of the plan chooses.
fn planned(netns: Netns, name: &IfName, kind: &str, mac: crate::value::Mac, mtu: Option<u32>) -> LinkFact {
    LinkFact {
        netns,
        name: name.clone(),
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

/// The largest number of gaps fits into a message many times.
const _: () = assert!(MAX_GAPS * 128 < limits::FRAME_BYTES);

/// So does the largest file, as a list of numbers.
const _: () = assert!(limits::FILE_BYTES * 4 < limits::FRAME_BYTES);
