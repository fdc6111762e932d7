//! Facts about the machine with the recorded actions applied to them: the state after the plan so far.

use super::limits;
use super::recorder::{Recorder, wrong};
use crate::action::{Answer, Query};
use crate::cni::{CniError, ErrorKind};
use crate::value::fact::MAX_GAPS;
use crate::value::{AddressRange, Backend, Firewall, IfName, LinkFact, LinkRef, StoreRef};
use std::net::IpAddr;
use std::path::Path;

/// The link of that name.
pub fn link(recorder: &mut Recorder, link: &LinkRef) -> Result<Option<LinkFact>, CniError> {
    ask(recorder, Query::Link(link.clone()), |answer| match answer {
        Answer::Link(fact) => Some(fact.known()),
        _ => None,
    })
}

/// The backend for masquerading, if the configuration does not name one.
pub fn backend(recorder: &mut Recorder) -> Result<Backend, CniError> {
    ask(recorder, Query::Backend, |answer| match answer {
        Answer::Backend(backend) => Some(backend),
        _ => None,
    })
}

/// The addresses of this attachment in the store, with the plan's reservations.
pub fn held(recorder: &mut Recorder, store: &StoreRef) -> Result<Vec<IpAddr>, CniError> {
    let query = Query::Held(store.clone(), recorder.attachment().owner());
    ask(recorder, query, |answer| match answer {
        Answer::Held(fact) => Some(fact.known().unwrap_or_default()),
        _ => None,
    })
}

/// The addresses of this attachment in the store that it may keep.
pub fn reusable(recorder: &mut Recorder, store: &StoreRef) -> Result<Vec<IpAddr>, CniError> {
    let query = Query::Reusable(store.clone(), recorder.attachment().owner());
    ask(recorder, query, |answer| match answer {
        Answer::Reusable(fact) => {
            Some(fact.known().unwrap_or_default().iter().map(|lease| lease.address).collect())
        }
        _ => None,
    })
}

/// The address that was reserved last from a range set.
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

/// The free parts of a range, without the plan's reservations. A store that does not exist or cannot be read counts
/// as empty.
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

/// The host's end of the veth pair that ends at that name in the container.
pub fn host_end(recorder: &mut Recorder, name: &IfName) -> Result<Option<IfName>, CniError> {
    ask(recorder, Query::HostEnd(name.clone()), |answer| match answer {
        Answer::HostEnd(fact) => Some(fact.known()),
        _ => None,
    })
}

/// The firewall, if the configuration does not name one.
pub fn firewall(recorder: &mut Recorder) -> Result<Firewall, CniError> {
    ask(recorder, Query::Firewall, |answer| match answer {
        Answer::Firewall(firewall) => Some(firewall),
        _ => None,
    })
}

/// The host's link through which packets to an address leave. A recorded address or route of a network that contains
/// the address counts.
pub fn route_to(recorder: &mut Recorder, address: IpAddr) -> Result<Option<IfName>, CniError> {
    ask(recorder, Query::RouteTo(address), |answer| match answer {
        Answer::RouteTo(fact) => Some(fact.known()),
        _ => None,
    })
}

/// The contents of a file, or `None` if it does not exist. A file that the user may not read counts as empty.
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

/// Asks a query, applies the recorded actions to the answer, and converts it with `taken`.
fn ask<T>(
    recorder: &mut Recorder,
    query: Query,
    taken: impl FnOnce(Answer) -> Option<T>,
) -> Result<T, CniError> {
    let answer = recorder.look(&query)?;
    taken(answer).ok_or_else(|| wrong(&query))
}

/// The largest list of gaps is far smaller than a message.
const _: () = assert!(MAX_GAPS * 128 < limits::FRAME_BYTES);
/// The largest file fits too, encoded as a list of numbers.
const _: () = assert!(limits::FILE_BYTES * 4 < limits::FRAME_BYTES);
