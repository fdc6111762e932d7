//! firewalld over the system bus: addresses as sources of zones (reference: plugins/meta/firewall/firewalld.go).

mod bus;
mod message;

use crate::machine::port::ZoneChange;
use bus::{Bus, BusError};
use ipnetwork::IpNetwork;
use message::Value;
use std::io;
use std::net::IpAddr;

const NAME: &str = "org.fedoraproject.FirewallD1";
const PATH: &str = "/org/fedoraproject/FirewallD1";
const ZONE: &str = "org.fedoraproject.FirewallD1.zone";

/// The errors for a source that is not in the zone, or if firewalld no longer runs, and so has no zones.
const GONE: [&str; 4] = ["UNKNOWN_SOURCE", "ServiceUnknown", "NameHasNoOwner", "INVALID_ZONE"];

/// Whether firewalld runs: whether its name has an owner on the system bus.
pub fn is_running() -> bool {
    let owned = Bus::system().and_then(|mut bus| {
        bus.call(
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "NameHasOwner",
            &[NAME],
        )
    });
    matches!(owned, Ok(Some(Value::Bool(true))))
}

/// Whether an address is a source of a zone.
pub fn has_source(zone: &str, address: IpAddr) -> io::Result<bool> {
    Ok(matches!(call("querySource", zone, address)?, Some(Value::Bool(true))))
}

/// Adds an address to the sources of a zone, or removes it. Returns whether that changed anything.
///
/// An address that is in some zone already stays there, as in the reference. If firewalld does not run, there is
/// nothing to remove.
pub fn change(change: ZoneChange<'_>) -> io::Result<bool> {
    match change {
        ZoneChange::Add(zone, address) => {
            if has_source(zone, address)? {
                return Ok(false);
            }
            match call("addSource", zone, address) {
                Ok(_) => Ok(true),
                Err(BusError::Refused(text)) if text.contains("ZONE_ALREADY_SET") => Ok(false),
                Err(error) => Err(error.into()),
            }
        }
        ZoneChange::Remove(zone, address) => match call("removeSource", zone, address) {
            Ok(_) => Ok(true),
            Err(BusError::NoBus(_)) => Ok(false),
            Err(BusError::Refused(text)) if GONE.iter().any(|known| text.contains(known)) => Ok(false),
            Err(error) => Err(error.into()),
        },
    }
}

/// Calls a method of the zone interface, with an address as a network of one address.
fn call(method: &str, zone: &str, address: IpAddr) -> Result<Option<Value>, BusError> {
    let source = IpNetwork::from(address).to_string();
    Bus::system()?.call(NAME, PATH, ZONE, method, &[zone, &source])
}
