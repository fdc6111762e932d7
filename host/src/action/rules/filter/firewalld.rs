//! Sources of firewalld's zones: an address that belongs to a zone (reference: plugins/meta/firewall/firewalld.go).

use super::rules::single;
use crate::action::context::{ReadContext, WriteContext};
use crate::action::record::{Effect, Undone};
use crate::machine::MachineError;
use crate::machine::port::{ZoneChange, ZoneQuery};
use std::io;
use std::net::IpAddr;

/// Adds an address to a zone. An address that is already in some zone stays there, as in the reference.
pub fn add(address: IpAddr, zone: &str, cx: &mut WriteContext<'_>) -> Result<Effect, MachineError> {
    let failed =
        |error| failed(format!("failed to add the address {} to {zone} zone", single(address)), error);
    if cx.machine.zone(ZoneQuery::HasSource(zone, address)).map_err(failed)? {
        return Ok(Effect::AlreadyThere);
    }
    match cx.machine.change_zone(ZoneChange::Add(zone, address)).map_err(failed)? {
        true => Ok(Effect::Created),
        false => Ok(Effect::AlreadyThere),
    }
}

/// Removes an address from a zone. If firewalld does not run, the address is in no zone.
pub fn remove(address: IpAddr, zone: &str, cx: &mut WriteContext<'_>) -> Result<Undone, MachineError> {
    let failed =
        |error| failed(format!("failed to remove the address {} from {zone} zone", single(address)), error);
    match cx.machine.change_zone(ZoneChange::Remove(zone, address)).map_err(failed)? {
        true => Ok(Undone::Done),
        false => Ok(Undone::Gone),
    }
}

/// The difference between the zone and the rule, if any.
pub fn missing(
    address: IpAddr,
    zone: &str,
    cx: &mut ReadContext<'_>,
) -> Result<Option<String>, MachineError> {
    let source = single(address);
    let failed = |error| failed(format!("failed to find the address {source} in {zone} zone"), error);
    let is_there = cx.look.zone(ZoneQuery::HasSource(zone, address)).map_err(failed)?;
    Ok((!is_there).then(|| format!("{source} is not in zone {zone} of firewalld")))
}

/// The error in the wording of the reference.
fn failed(what: String, error: io::Error) -> MachineError {
    MachineError::Tool { what, message: error.to_string() }
}
