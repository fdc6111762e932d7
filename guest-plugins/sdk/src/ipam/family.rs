//! How many addresses of a family a result can tell.

/// Before 0.3.0 a result has one address of each family at most; since then it has a list.
///
/// `cni_version` is that of the configuration, empty if it has none; the text of the error is the reference's.
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
