//! The number of addresses per family that a result can contain.

/// Checks the number of addresses. A result before version 0.3.0 has at most one address of each family; later
/// versions have a list.
///
/// `cni_version` is that of the configuration, or empty if it has none. The error has the reference's text.
pub fn check(cni_version: &str, ipv4: usize, ipv6: usize) -> Result<(), String> {
    if (ipv4 > 1 || ipv6 > 1) && !has_lists(cni_version) {
        return Err(format!("CNI version {cni_version} does not support more than 1 address per family"));
    }
    Ok(())
}

fn has_lists(cni_version: &str) -> bool {
    let mut numbers = cni_version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(0)), Some(Ok(minor))) => minor >= 3,
        (Some(Ok(major)), _) => major > 0,
        _ => false,
    }
}
