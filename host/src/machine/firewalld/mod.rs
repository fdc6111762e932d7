//! firewalld, over the system bus: an address belongs to a zone (cni-behaviours, section 3.14).

mod bus;
mod message;

use super::{Difference, Effect, MachineError, Undone};
use crate::action::Action;
use crate::action::FilterRule;
use bus::{Bus, BusError};
use message::Value;
use std::net::IpAddr;

const NAME: &str = "org.fedoraproject.FirewallD1";
const PATH: &str = "/org/fedoraproject/FirewallD1";
const ZONE: &str = "org.fedoraproject.FirewallD1.zone";

/// Whether firewalld runs: somebody on the system bus has its name.
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

/// Adds an address to a zone. One that is in a zone already stays there, as in the reference.
pub fn add(address: IpAddr, zone: &str) -> Result<Effect, MachineError> {
    let source = super::iptables::filter::part::single(address);
    match query(zone, &source) {
        Ok(true) => return Ok(Effect::AlreadyThere),
        Ok(false) => {}
        Err(error) => return Err(failed(&source, zone, &error)),
    }
    match call("addSource", zone, &source) {
        Ok(_) => Ok(Effect::Created),
        Err(BusError::Refused(text)) if text.contains("ZONE_ALREADY_SET") => Ok(Effect::AlreadyThere),
        Err(error) => Err(failed(&source, zone, &error)),
    }
}

/// Removes an address from a zone. When firewalld does not run, neither does what it was told.
pub fn delete(address: IpAddr, zone: &str) -> Result<Undone, MachineError> {
    let source = super::iptables::filter::part::single(address);
    match call("removeSource", zone, &source) {
        Ok(_) => Ok(Undone::Done),
        Err(BusError::NoBus(_)) => Ok(Undone::Gone),
        Err(BusError::Refused(text))
            if ["UNKNOWN_SOURCE", "ServiceUnknown", "NameHasNoOwner", "INVALID_ZONE"]
                .iter()
                .any(|known| text.contains(known)) =>
        {
            Ok(Undone::Gone)
        }
        Err(error) => {
            let what = format!("failed to remove the address {source} from {zone} zone");
            Err(MachineError::Tool { what, message: error.to_string() })
        }
    }
}

/// Whether an address is in its zone.
pub fn verify(address: IpAddr, zone: &str) -> Vec<Difference> {
    let source = super::iptables::filter::part::single(address);
    let rule = FilterRule::TrustSource { address, zone: zone.to_owned() };
    match query(zone, &source) {
        Ok(true) => Vec::new(),
        Ok(false) => Difference::all(
            vec![format!("{source} is not in zone {zone} of firewalld")],
            &Action::Filter(rule),
        ),
        Err(error) => {
            vec![Difference::beyond(format!("failed to find the address {source} in {zone} zone: {error}"))]
        }
    }
}

fn query(zone: &str, source: &str) -> Result<bool, BusError> {
    Ok(matches!(call("querySource", zone, source)?, Some(Value::Bool(true))))
}

fn call(method: &str, zone: &str, source: &str) -> Result<Option<Value>, BusError> {
    Bus::system()?.call(NAME, PATH, ZONE, method, &[zone, source])
}

/// In the words of the reference.
fn failed(source: &str, zone: &str, error: &BusError) -> MachineError {
    MachineError::Tool {
        what: format!("failed to add the address {source} to {zone} zone"),
        message: error.to_string(),
    }
}
