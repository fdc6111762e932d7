//! Facts with the actions recorded so far laid over them: the machine as it will be when they were applied.

use super::limits;
use super::recorder::{Recorder, wrong};
use crate::action::{Answer, Query};
use crate::cni::{CniError, code};
use crate::value::fact::MAX_GAPS;
use crate::value::{AddressRange, Backend, Fact, Firewall, IfName, LinkFact, LinkRef, StoreRef};
use std::net::IpAddr;
use std::path::Path;

/// The link of that name, as it will be.
pub fn link(recorder: &mut Recorder, link: &LinkRef) -> Result<Option<LinkFact>, CniError> {
    let query = Query::Link(link.clone());
    match recorder.look(&query, |fact| fact)? {
        Answer::Link(fact) => Ok(fact.known()),
        other => Err(wrong(&query, &other)),
    }
}

/// What masquerades on this machine unless the configuration says it.
pub fn backend(recorder: &mut Recorder) -> Result<Backend, CniError> {
    match recorder.look(&Query::Backend, |fact| fact)? {
        Answer::Backend(backend) => Ok(backend),
        other => Err(wrong(&Query::Backend, &other)),
    }
}

/// The addresses that this attachment has in the store, with the plan's reservations.
pub fn held(recorder: &mut Recorder, store: &StoreRef) -> Result<Vec<IpAddr>, CniError> {
    let query = Query::Held(store.clone(), recorder.attachment().owner());
    let there = |answer| match answer {
        Answer::Held(Fact::Absent) => Answer::Held(Fact::Known(Vec::new())),
        other => other,
    };
    match recorder.look(&query, there)? {
        Answer::Held(fact) => Ok(fact.known().unwrap_or_default()),
        other => Err(wrong(&query, &other)),
    }
}

/// The address that a range set handed out last, as it will be noted.
pub fn last_reserved(
    recorder: &mut Recorder,
    store: &StoreRef,
    set: u32,
) -> Result<Option<IpAddr>, CniError> {
    let query = Query::LastReserved(store.clone(), set);
    match recorder.look(&query, |fact| fact)? {
        Answer::LastReserved(fact) => Ok(fact.known()),
        other => Err(wrong(&query, &other)),
    }
}

/// The free parts of a range, without what the plan reserves.
pub fn free(
    recorder: &mut Recorder,
    store: &StoreRef,
    range: AddressRange,
) -> Result<Vec<AddressRange>, CniError> {
    let query = Query::Free(store.clone(), range);
    // A store that does not exist, or may not be read, has no leases.
    let there = |answer| match answer {
        Answer::Free(Fact::Absent) => Answer::Free(Fact::Known(vec![range])),
        other => other,
    };
    match recorder.look(&query, there)? {
        Answer::Free(fact) => {
            let mut gaps = fact.known().unwrap_or_default();
            gaps.truncate(MAX_GAPS);
            Ok(gaps)
        }
        other => Err(wrong(&query, &other)),
    }
}

/// The host's end of the veth pair whose end in the container has that name, as it will be.
pub fn host_end(recorder: &mut Recorder, name: &IfName) -> Result<Option<IfName>, CniError> {
    let query = Query::HostEnd(name.clone());
    match recorder.look(&query, |fact| fact)? {
        Answer::HostEnd(fact) => Ok(fact.known()),
        other => Err(wrong(&query, &other)),
    }
}

/// What filters packets on this machine unless the configuration says it.
pub fn firewall(recorder: &mut Recorder) -> Result<Firewall, CniError> {
    match recorder.look(&Query::Firewall, |fact| fact)? {
        Answer::Firewall(firewall) => Ok(firewall),
        other => Err(wrong(&Query::Firewall, &other)),
    }
}

/// The link of the host through which packets to an address will leave: what the plan adds there counts, in networks that lead to the address.
pub fn route_to(recorder: &mut Recorder, address: IpAddr) -> Result<Option<IfName>, CniError> {
    let query = Query::RouteTo(address);
    match recorder.look(&query, |fact| fact)? {
        Answer::RouteTo(fact) => Ok(fact.known()),
        other => Err(wrong(&query, &other)),
    }
}

/// The contents of a file, if it is there; of one that may not be read, nothing.
pub fn file(recorder: &mut Recorder, path: &Path) -> Result<Option<Vec<u8>>, CniError> {
    let query = Query::File(path.to_owned());
    let answer = recorder.ask(query.clone())?;
    if answer.is_unreadable() {
        recorder.mark_unreadable(query);
        return Ok(Some(Vec::new()));
    }
    match answer {
        Answer::File(fact) => Ok(fact.known()),
        Answer::Failed(text) => Err(CniError::new(code::INTERNAL, text)),
        other => Err(wrong(&query, &other)),
    }
}

/// The largest number of gaps fits into a message many times.
const _: () = assert!(MAX_GAPS * 128 < limits::FRAME_BYTES);
/// So does the largest file, as a list of numbers.
const _: () = assert!(limits::FILE_BYTES * 4 < limits::FRAME_BYTES);
