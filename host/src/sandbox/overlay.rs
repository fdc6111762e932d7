//! Facts with the actions recorded so far laid over them: the machine as it will be when they were applied.

use super::limits;
use super::recorder::{Recorder, wrong};
use crate::action::{Answer, Query};
use crate::cni::{CniError, ErrorKind};
use crate::value::fact::MAX_GAPS;
use crate::value::{AddressRange, Backend, Firewall, IfName, LinkFact, LinkRef, StoreRef};
use std::net::IpAddr;
use std::path::Path;

/// The link of that name, as it will be.
pub fn link(recorder: &mut Recorder, link: &LinkRef) -> Result<Option<LinkFact>, CniError> {
    ask(recorder, Query::Link(link.clone()), |answer| match answer {
        Answer::Link(fact) => Some(fact.known()),
        _ => None,
    })
}

/// What masquerades on this machine unless the configuration says it.
pub fn backend(recorder: &mut Recorder) -> Result<Backend, CniError> {
    ask(recorder, Query::Backend, |answer| match answer {
        Answer::Backend(backend) => Some(backend),
        _ => None,
    })
}

/// The addresses that this attachment has in the store, with the plan's reservations.
pub fn held(recorder: &mut Recorder, store: &StoreRef) -> Result<Vec<IpAddr>, CniError> {
    let query = Query::Held(store.clone(), recorder.attachment().owner());
    ask(recorder, query, |answer| match answer {
        Answer::Held(fact) => Some(fact.known().unwrap_or_default()),
        _ => None,
    })
}

/// The address that a range set handed out last, as it will be noted.
pub fn last_reserved(
    recorder: &mut Recorder,
    store: &StoreRef,
    set: u32,
) -> Result<Option<IpAddr>, CniError> {
    ask(recorder, Query::LastReserved(store.clone(), set), |answer| match answer {
        Answer::LastReserved(fact) => Some(fact.known()),
        _ => None,
    })
}

/// The free parts of a range, without what the plan reserves. A store that does not exist, or may not be read, has no leases.
pub fn free(
    recorder: &mut Recorder,
    store: &StoreRef,
    range: AddressRange,
) -> Result<Vec<AddressRange>, CniError> {
    let mut gaps = ask(recorder, Query::Free(store.clone(), range), |answer| match answer {
        Answer::Free(fact) => Some(fact.known().unwrap_or_else(|| vec![range])),
        _ => None,
    })?;
    gaps.truncate(MAX_GAPS);
    Ok(gaps)
}

/// The host's end of the veth pair whose end in the container has that name, as it will be.
pub fn host_end(recorder: &mut Recorder, name: &IfName) -> Result<Option<IfName>, CniError> {
    ask(recorder, Query::HostEnd(name.clone()), |answer| match answer {
        Answer::HostEnd(fact) => Some(fact.known()),
        _ => None,
    })
}

/// What filters packets on this machine unless the configuration says it.
pub fn firewall(recorder: &mut Recorder) -> Result<Firewall, CniError> {
    ask(recorder, Query::Firewall, |answer| match answer {
        Answer::Firewall(firewall) => Some(firewall),
        _ => None,
    })
}

/// The link of the host through which packets to an address will leave: what the plan adds there counts, in networks that lead to the address.
pub fn route_to(recorder: &mut Recorder, address: IpAddr) -> Result<Option<IfName>, CniError> {
    ask(recorder, Query::RouteTo(address), |answer| match answer {
        Answer::RouteTo(fact) => Some(fact.known()),
        _ => None,
    })
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
        Answer::Failed(text) => Err(CniError::new(ErrorKind::Refused, text)),
        _ => Err(wrong(&query)),
    }
}

/// What `taken` makes of an answer, as the recorded actions will make it.
fn ask<T>(
    recorder: &mut Recorder,
    query: Query,
    taken: impl FnOnce(Answer) -> Option<T>,
) -> Result<T, CniError> {
    let answer = recorder.look(&query)?;
    taken(answer).ok_or_else(|| wrong(&query))
}

/// The largest number of gaps fits into a message many times.
const _: () = assert!(MAX_GAPS * 128 < limits::FRAME_BYTES);
/// So does the largest file, as a list of numbers.
const _: () = assert!(limits::FILE_BYTES * 4 < limits::FRAME_BYTES);
