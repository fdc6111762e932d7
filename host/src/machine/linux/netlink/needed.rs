//! Reduces the kernel's message about a link to the attributes that this program reads. A bridge has sixty attributes,
//! of which [`super::link`] reads ten, and parsing all of them takes longer than the request.

use netlink_packet_core::{NlaBuffer, NlasIterator};
use nix::libc;
use std::borrow::Cow;

/// The size of `nlmsghdr` and `ifinfomsg`, in bytes.
const HEADERS: usize = 16 + 16;

/// The attributes that [`super::link`] reads.
const ATTRIBUTES: [u16; 9] = [
    libc::IFLA_ADDRESS,
    libc::IFLA_IFNAME,
    libc::IFLA_MTU,
    libc::IFLA_LINK,
    libc::IFLA_MASTER,
    libc::IFLA_TXQLEN,
    libc::IFLA_OPERSTATE,
    libc::IFLA_IFALIAS,
    libc::IFLA_LINK_NETNSID,
];

/// The bridge port attributes that it reads: `IFLA_BRPORT_MODE` and `IFLA_BRPORT_ISOLATED` of `linux/if_link.h`.
const PORT: [u16; 2] = [4, 33];

/// A message about a link (`AF_UNSPEC`) without unused attributes. Any other message, and a malformed one, is returned
/// unchanged.
pub fn needed(message: &[u8]) -> Cow<'_, [u8]> {
    shortened(message).map_or(Cow::Borrowed(message), Cow::Owned)
}

fn shortened(message: &[u8]) -> Option<Vec<u8>> {
    let (headers, attributes) = message.split_at_checked(HEADERS)?;
    let kind = u16::from_ne_bytes(*headers.get(4..)?.first_chunk()?);
    if kind != libc::RTM_NEWLINK || headers.get(16).copied().map(i32::from) != Some(libc::AF_UNSPEC) {
        return None;
    }
    let mut short = Vec::with_capacity(message.len());
    short.extend_from_slice(headers);
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute.ok()?;
        match attribute.kind() {
            libc::IFLA_LINKINFO => nest(&mut short, &attribute, info)?,
            kind if ATTRIBUTES.contains(&kind) => put(&mut short, &attribute)?,
            _ => {}
        }
    }
    let length = u32::try_from(short.len()).ok()?;
    short.get_mut(..4)?.copy_from_slice(&length.to_ne_bytes());
    Some(short)
}

/// `IFLA_LINKINFO`: the kind of the link, its VLAN ID, and its settings as a bridge port.
fn info(short: &mut Vec<u8>, attributes: &[u8]) -> Option<()> {
    let mut is_vlan = false;
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute.ok()?;
        match attribute.kind() {
            libc::IFLA_INFO_KIND => {
                is_vlan = attribute.value().starts_with(b"vlan");
                put(short, &attribute)?;
            }
            libc::IFLA_INFO_SLAVE_KIND => put(short, &attribute)?,
            // The kernel sends the kind before this attribute.
            libc::IFLA_INFO_DATA if is_vlan => put(short, &attribute)?,
            libc::IFLA_INFO_SLAVE_DATA => nest(short, &attribute, port)?,
            _ => {}
        }
    }
    Some(())
}

fn port(short: &mut Vec<u8>, attributes: &[u8]) -> Option<()> {
    for attribute in NlasIterator::new(attributes) {
        let attribute = attribute.ok()?;
        if PORT.contains(&attribute.kind()) {
            put(short, &attribute)?;
        }
    }
    Some(())
}

/// Copies an attribute unchanged.
fn put(short: &mut Vec<u8>, attribute: &NlaBuffer<&[u8]>) -> Option<()> {
    short.extend_from_slice(attribute.into_inner().get(..usize::from(attribute.length()))?);
    short.resize(short.len().next_multiple_of(4), 0);
    Some(())
}

/// Copies an attribute with those nested attributes that `of` copies.
fn nest(
    short: &mut Vec<u8>,
    attribute: &NlaBuffer<&[u8]>,
    of: impl FnOnce(&mut Vec<u8>, &[u8]) -> Option<()>,
) -> Option<()> {
    let begin = short.len();
    short.extend_from_slice(attribute.into_inner().get(..4)?);
    of(short, attribute.value())?;
    let length = u16::try_from(short.len() - begin).ok()?;
    short.get_mut(begin..begin + 2)?.copy_from_slice(&length.to_ne_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_messages_and_truncated_ones_stay_unchanged() {
        let mut message = vec![0; HEADERS + 8];
        message[4..6].copy_from_slice(&libc::RTM_NEWLINK.to_ne_bytes());
        // An attribute that is longer than the rest of the message.
        message[HEADERS] = 200;
        assert!(matches!(needed(&message), Cow::Borrowed(_)));
        assert!(matches!(needed(&message[..20]), Cow::Borrowed(_)));
        message[HEADERS] = 8;
        assert_eq!(needed(&message).len(), HEADERS);
        message[16] = u8::try_from(libc::AF_BRIDGE).unwrap();
        assert!(matches!(needed(&message), Cow::Borrowed(_)));
    }
}
