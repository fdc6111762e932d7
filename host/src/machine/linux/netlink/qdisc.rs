//! Queueing disciplines of links, and the filter that redirects packets, as in `tc qdisc` and `tc filter`.

use super::socket::{Message, Netlink};
use crate::machine::port::{Qdiscs, TokenBucket};
use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Nla, NlasIterator};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAction, TcActionAttribute, TcActionGeneric, TcActionMirror, TcActionMirrorOption, TcActionOption,
    TcActionType, TcAttribute, TcFilterU32, TcFilterU32Option, TcHandle, TcMessage, TcMirror,
    TcMirrorActionType, TcOption, TcU32Key, TcU32Selector, TcU32SelectorFlags,
};
use std::io;

/// `TCA_TBF_PARMS`, `TCA_TBF_RATE64` (`linux/pkt_sched.h`).
const TBF_PARMS: u16 = 1;
const TBF_RATE64: u16 = 4;

/// The size of `struct tc_tbf_qopt` in bytes. It contains two `struct tc_ratespec` of 12 bytes, whose last 4 bytes are
/// the rate.
const TBF_BYTES: usize = 36;

/// `ETH_P_ALL` in network byte order, and priority 1.
const ALL_FIRST: TcHandle = TcHandle { major: 1, minor: 0x0003_u16.to_be() };

/// `1:`, the reference's handle of its token bucket filter, and `1:1`, the class that its filter selects.
const TOKEN_BUCKET: TcHandle = TcHandle { major: 1, minor: 0 };
const CLASS: u32 = 0x0001_0001;

/// The handle `ffff:`.
const INGRESS: TcHandle = TcHandle { major: 0xffff, minor: 0 };

/// The queueing disciplines of a link.
pub fn list(netlink: &mut Netlink, index: u32) -> io::Result<Qdiscs> {
    let mut qdiscs = Qdiscs::default();
    for found in netlink.dump(RouteNetlinkMessage::GetQueueDiscipline(message(index)?))? {
        let RouteNetlinkMessage::NewQueueDiscipline(found) = found else { continue };
        if found.header.index != message(index)?.header.index {
            continue;
        }
        match kind(&found) {
            Some("tbf") if found.header.parent == TcHandle::ROOT => qdiscs.root = token_bucket(&found),
            Some("ingress") => qdiscs.has_ingress = true,
            _ => {}
        }
    }
    Ok(qdiscs)
}

/// The indexes of the links to which incoming packets of a link are redirected. 0 for a target that no longer exists.
///
/// # Errors
///
/// `EINVAL` if the link has no ingress qdisc.
pub fn redirects(netlink: &mut Netlink, index: u32) -> io::Result<Vec<u32>> {
    let mut asked = message(index)?;
    asked.header.parent = INGRESS;
    let mut targets = Vec::new();
    for found in netlink.dump(RouteNetlinkMessage::GetTrafficFilter(asked))? {
        let RouteNetlinkMessage::NewTrafficFilter(found) = found else { continue };
        for attribute in found.attributes {
            let TcAttribute::Options(options) = attribute else { continue };
            targets.extend(
                options
                    .iter()
                    .filter_map(|option| match option {
                        TcOption::U32(TcFilterU32Option::Action(actions)) => {
                            Some(actions.iter().filter_map(target))
                        }
                        _ => None,
                    })
                    .flatten(),
            );
        }
    }
    targets.sort_unstable();
    targets.dedup();
    Ok(targets)
}

/// Sets a token bucket filter as the root qdisc of a link, and replaces any other: `tc qdisc replace`.
pub fn set_token_bucket(index: u32, token_bucket: TokenBucket) -> io::Result<Message> {
    let mut message = message(index)?;
    (message.header.parent, message.header.handle) = (TcHandle::ROOT, TOKEN_BUCKET);
    let rate = u32::try_from(token_bucket.rate).unwrap_or(u32::MAX);
    let mut parms = vec![0; TBF_BYTES];
    for (place, value) in [(8, rate), (24, token_bucket.limit), (28, token_bucket.buffer)] {
        if let Some(bytes) = parms.get_mut(place..place + 4) {
            bytes.copy_from_slice(&value.to_ne_bytes());
        }
    }
    let mut options = vec![TcOption::Other(DefaultNla::new(TBF_PARMS, parms))];
    if u64::from(rate) < token_bucket.rate {
        let rate = token_bucket.rate.to_ne_bytes().to_vec();
        options.push(TcOption::Other(DefaultNla::new(TBF_RATE64, rate)));
    }
    message.attributes = vec![TcAttribute::Kind("tbf".to_owned()), TcAttribute::Options(options)];
    Ok(Message {
        message: RouteNetlinkMessage::NewQueueDiscipline(message),
        flags: NLM_F_CREATE | NLM_F_REPLACE,
    })
}

/// Adds the ingress qdisc of a link, which the filters of incoming packets belong to.
pub fn add_ingress(index: u32) -> io::Result<Message> {
    let message = RouteNetlinkMessage::NewQueueDiscipline(ingress(index)?);
    Ok(Message { message, flags: NLM_F_CREATE | NLM_F_EXCL })
}

/// Deletes the ingress qdisc of a link, with its filters.
pub fn delete_ingress(index: u32) -> io::Result<Message> {
    Ok(Message { message: RouteNetlinkMessage::DelQueueDiscipline(ingress(index)?), flags: 0 })
}

/// Deletes the root qdisc of a link.
pub fn delete_root(index: u32) -> io::Result<Message> {
    let mut message = message(index)?;
    message.header.parent = TcHandle::ROOT;
    Ok(Message { message: RouteNetlinkMessage::DelQueueDiscipline(message), flags: 0 })
}

/// Redirects all incoming packets of a link. The link must have an ingress qdisc.
pub fn redirect(index: u32, to: u32) -> io::Result<Message> {
    let mut message = message(index)?;
    message.header.parent = INGRESS;
    message.header.info = ALL_FIRST.into();
    let mut selector = TcU32Selector::default();
    selector.flags = TcU32SelectorFlags::Terminal;
    selector.nkeys = 1;
    selector.keys = vec![TcU32Key::default()];
    let mut mirror = TcMirror::default();
    mirror.generic = TcActionGeneric::default();
    mirror.generic.action = TcActionType::Stolen;
    mirror.eaction = TcMirrorActionType::EgressRedir;
    mirror.ifindex = to;
    let mut action = TcAction::default();
    action.attributes = vec![
        TcActionAttribute::Kind(TcActionMirror::KIND.to_owned()),
        TcActionAttribute::Options(vec![TcActionOption::Mirror(TcActionMirrorOption::Parms(mirror))]),
    ];
    let options = [
        TcFilterU32Option::ClassId(CLASS.into()),
        TcFilterU32Option::Selector(selector),
        TcFilterU32Option::Action(vec![action]),
    ];
    message.attributes = vec![
        TcAttribute::Kind(TcFilterU32::KIND.to_owned()),
        TcAttribute::Options(options.into_iter().map(TcOption::U32).collect()),
    ];
    Ok(Message { message: RouteNetlinkMessage::NewTrafficFilter(message), flags: NLM_F_CREATE | NLM_F_EXCL })
}

fn message(index: u32) -> io::Result<TcMessage> {
    let index = i32::try_from(index).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    Ok(TcMessage::with_index(index))
}

fn ingress(index: u32) -> io::Result<TcMessage> {
    let mut message = message(index)?;
    (message.header.parent, message.header.handle) = (TcHandle::INGRESS, INGRESS);
    message.attributes = vec![TcAttribute::Kind("ingress".to_owned())];
    Ok(message)
}

fn kind(message: &TcMessage) -> Option<&str> {
    message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Kind(kind) => Some(kind.as_str()),
        _ => None,
    })
}

fn token_bucket(message: &TcMessage) -> Option<TokenBucket> {
    let options = message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Options(options) => Some(options),
        _ => None,
    })?;
    // The netlink library does not know this kind, and returns all its options as one value.
    let mut nested = Vec::new();
    for option in options {
        let TcOption::Other(nla) = option else { continue };
        nested.resize(nla.value_len(), 0);
        nla.emit_value(&mut nested);
    }
    let value = |number: u16| {
        let found = NlasIterator::new(&nested).flatten().find(|nla| nla.kind() == number);
        found.map(|nla| nla.value().to_vec())
    };
    let parms = value(TBF_PARMS)?;
    let at = |place: usize| Some(u32::from_ne_bytes(parms.get(place..place + 4)?.try_into().ok()?));
    let rate64 =
        value(TBF_RATE64).and_then(|bytes| Some(u64::from_ne_bytes(bytes.get(..8)?.try_into().ok()?)));
    Some(TokenBucket { rate: rate64.unwrap_or(at(8)?.into()), limit: at(24)?, buffer: at(28)? })
}

fn target(action: &TcAction) -> Option<u32> {
    action.attributes.iter().find_map(|attribute| match attribute {
        TcActionAttribute::Options(options) => options.iter().find_map(|option| match option {
            TcActionOption::Mirror(TcActionMirrorOption::Parms(mirror)) => Some(mirror.ifindex),
            _ => None,
        }),
        _ => None,
    })
}
