//! The two processes: one that lists, one that changes.

use super::super::MachineError;
use super::super::process::{self, TOOL};
use ipnetwork::IpNetwork;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Command, Output};

/// Seconds that the legacy variant waits for `/run/xtables.lock`; the nft variant has no lock.
const WAIT_SECONDS: u64 = 5;

/// `RESOURCE_PROBLEM` of `xtables.h`.
const RESOURCE_PROBLEM: i32 = 4;

/// Whose rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `iptables`.
    V4,
    /// `ip6tables`.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Family; 2] = [Family::V4, Family::V6];

    /// The one of an address.
    pub fn of(address: IpNetwork) -> Self {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    /// The groups that are never masqueraded.
    pub fn multicast(self) -> &'static str {
        match self {
            Family::V4 => "224.0.0.0/4",
            Family::V6 => "ff00::/8",
        }
    }

    /// No address.
    pub fn unspecified(self) -> IpAddr {
        match self {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// The program that changes its rules.
    pub fn restorer(self) -> String {
        format!("{}-restore", self.program())
    }

    /// The program that lists them.
    pub fn program(self) -> &'static str {
        match self {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        }
    }
}

/// Why a process did not do it.
#[derive(Debug)]
pub enum IptablesError {
    /// There is no such program.
    Missing(MachineError),
    /// It said no, and nothing was changed: another try on a new listing may succeed.
    Refused(MachineError),
    /// It was killed, by us after its time or by others, perhaps when it had done all.
    Killed(MachineError),
    /// Anything else, and nothing was changed: the lock is held, the process could not be run.
    Failed(MachineError),
}

impl IptablesError {
    /// What to tell.
    pub fn into_kernel_error(self) -> MachineError {
        match self {
            IptablesError::Missing(error)
            | IptablesError::Refused(error)
            | IptablesError::Killed(error)
            | IptablesError::Failed(error) => error,
        }
    }
}

/// Which rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// `nat`.
    Nat,
    /// `filter`.
    Filter,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Table::Nat => "nat",
            Table::Filter => "filter",
        }
    }

    /// A chain that is in every whole listing.
    fn built_in(self) -> &'static str {
        match self {
            Table::Nat => "POSTROUTING",
            Table::Filter => "FORWARD",
        }
    }
}

/// `iptables -t nat -S`.
pub fn list(family: Family) -> Result<String, IptablesError> {
    list_table(Table::Nat, family)
}

/// `iptables -t TABLE -S`. A kernel without the table has no rules.
pub fn list_table(table: Table, family: Family) -> Result<String, IptablesError> {
    let wait = WAIT_SECONDS.to_string();
    match run(family.program(), family, &["-t", table.name(), "-S", "--wait", &wait], "") {
        Err(IptablesError::Refused(MachineError::Tool { message, .. })) if is_absence(&message) => {
            Ok(String::new())
        }
        // It succeeds also when it cannot write what it lists.
        Ok(text) if !text.contains(&format!("-P {} ", table.built_in())) => {
            let what = format!("running [{} -t {} -S]", family.program(), table.name());
            Err(IptablesError::Failed(MachineError::Tool {
                what,
                message: "its listing is cut off".to_owned(),
            }))
        }
        result => result,
    }
}

/// Does all lines or none. The chains that are there are not declared: `:CHAIN` would flush them.
pub fn restore(table: Table, family: Family, lines: &[String]) -> Result<(), IptablesError> {
    let wait = WAIT_SECONDS.to_string();
    let script = format!("*{}\n{}\nCOMMIT\n", table.name(), lines.join("\n"));
    run(&family.restorer(), family, &["--noflush", "--wait", &wait], &script).map(drop)
}

fn run(program: &str, family: Family, arguments: &[&str], input: &str) -> Result<String, IptablesError> {
    let output = process::run(Command::new(program).args(arguments), input, TOOL);
    told(program, family, arguments, output)
}

/// What a process printed, or why it did not do it.
fn told(
    program: &str,
    family: Family,
    arguments: &[&str],
    output: io::Result<Output>,
) -> Result<String, IptablesError> {
    let what = format!("running [{program} {}]", arguments.join(" "));
    let output = match output {
        Ok(output) => output,
        // A directory of $PATH that may not be read counts as one without the program, as in Go.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            let message = format!("exec: {:?}: executable file not found in $PATH", family.program());
            let what = "failed to locate iptables".to_owned();
            return Err(IptablesError::Missing(MachineError::Tool { what, message }));
        }
        Err(error) => {
            let is_ended = matches!(error.kind(), io::ErrorKind::Other | io::ErrorKind::TimedOut);
            let error = MachineError::Tool { what, message: error.to_string() };
            return Err(if is_ended { IptablesError::Killed(error) } else { IptablesError::Failed(error) });
        }
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    // The nft variant has the same code for a change that somebody else's made impossible.
    if output.status.code() == Some(RESOURCE_PROBLEM) && said.contains("xtables lock") {
        let what = "the xtables lock".to_owned();
        return Err(IptablesError::Failed(MachineError::Busy { what, seconds: WAIT_SECONDS }));
    }
    let message = format!("{}: {said}", output.status).replace("exit status: ", "exit status ");
    if output.status.code().is_none() {
        return Err(IptablesError::Killed(MachineError::Tool { what, message }));
    }
    Err(IptablesError::Refused(MachineError::Tool { what, message }))
}

/// What the reference takes to mean "it is not there", as far as a listing can say it.
fn is_absence(message: &str) -> bool {
    [
        "No chain/target/match by that name",
        "No such file or directory",
        "does not exist",
        // `ipv6.disable=1`, as the legacy variant says it.
        "Address family not supported by protocol",
    ]
    .iter()
    .any(|text| message.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_told_as_by_the_reference() {
        let missing = run("no-such-iptables-restore", Family::V4, &[], "").unwrap_err();
        assert!(matches!(missing, IptablesError::Missing(_)));
        assert_eq!(
            missing.into_kernel_error().to_string(),
            "failed to locate iptables: exec: \"iptables\": executable file not found in $PATH"
        );
    }
}
