//! Which addresses of a store are taken, each with a stand-in for its owner.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The taken addresses of both families.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    v4: Family<4>,
    v6: Family<16>,
}

/// The taken addresses of one family, ascending, and in the same order the stand-ins of their owners.
///
/// In network byte order, in which arrays compare as the addresses do, and as the file has them: nothing is converted,
/// however many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Family<const BYTES: usize> {
    addresses: Vec<[u8; BYTES]>,
    owners: Vec<[u8; 4]>,
}

impl FromIterator<(IpAddr, u32)> for Index {
    /// In any order.
    fn from_iter<I: IntoIterator<Item = (IpAddr, u32)>>(entries: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (address, owner) in entries {
            match address {
                IpAddr::V4(address) => v4.push((address.octets(), owner.to_be_bytes())),
                IpAddr::V6(address) => v6.push((address.octets(), owner.to_be_bytes())),
            }
        }
        Index { v4: Family::from_unsorted(v4), v6: Family::from_unsorted(v6) }
    }
}

impl Index {
    /// Whether an address is taken.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.v4.addresses.binary_search(&v4.octets()).is_ok(),
            IpAddr::V6(v6) => self.v6.addresses.binary_search(&v6.octets()).is_ok(),
        }
    }

    /// Adds an address, or gives it another owner.
    pub fn insert(&mut self, address: IpAddr, owner: u32) {
        match address {
            IpAddr::V4(v4) => self.v4.insert(v4.octets(), owner.to_be_bytes()),
            IpAddr::V6(v6) => self.v6.insert(v6.octets(), owner.to_be_bytes()),
        }
    }

    /// Takes an address out.
    pub fn remove(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => self.v4.remove(v4.octets()),
            IpAddr::V6(v6) => self.v6.remove(v6.octets()),
        }
    }

    /// The IPv4 addresses as numbers, ascending.
    pub fn v4(&self) -> impl Iterator<Item = u128> {
        self.v4.addresses.iter().map(|bytes| u128::from(u32::from_be_bytes(*bytes)))
    }

    /// The IPv6 addresses as numbers, ascending.
    pub fn v6(&self) -> impl Iterator<Item = u128> {
        self.v6.addresses.iter().map(|bytes| u128::from_be_bytes(*bytes))
    }

    /// The addresses whose owner may be one of these, ascending: their files tell.
    pub fn candidates(&self, owners: [u32; 2]) -> Vec<IpAddr> {
        let owners = owners.map(u32::to_be_bytes);
        let v4 = self.v4.of(owners).map(|octets| Ipv4Addr::from_octets(octets).into());
        v4.chain(self.v6.of(owners).map(|octets| Ipv6Addr::from_octets(octets).into())).collect()
    }

    /// Writes how many addresses of each family there are, as two `u64`, then addresses and owners of IPv4, then of IPv6.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&(self.v4.addresses.len() as u64).to_be_bytes())?;
        to.write_all(&(self.v6.addresses.len() as u64).to_be_bytes())?;
        self.v4.write(to)?;
        self.v6.write(to)
    }

    /// Reads what `write` wrote and was the last, `length` bytes; none when the length does not fit.
    pub fn read(from: &mut impl Read, length: u64) -> io::Result<Option<Self>> {
        let mut counts = [[0; 8]; 2];
        from.read_exact(counts.as_flattened_mut())?;
        let [v4, v6] = counts.map(u64::from_be_bytes);
        let expected = v4.checked_mul(8).and_then(|v4| v4.checked_add(v6.checked_mul(20)?)?.checked_add(16));
        match (usize::try_from(v4), usize::try_from(v6)) {
            (Ok(v4), Ok(v6)) if expected == Some(length) => {
                Ok(Some(Index { v4: Family::read(from, v4)?, v6: Family::read(from, v6)? }))
            }
            _ => Ok(None),
        }
    }
}

impl<const BYTES: usize> Family<BYTES> {
    fn from_unsorted(mut entries: Vec<([u8; BYTES], [u8; 4])>) -> Self {
        entries.sort_unstable();
        let (addresses, owners) = entries.into_iter().unzip();
        Family { addresses, owners }
    }

    fn of(&self, owners: [[u8; 4]; 2]) -> impl Iterator<Item = [u8; BYTES]> {
        let entries = self.addresses.iter().zip(&self.owners);
        entries.filter(move |(_, owner)| owners.contains(owner)).map(|(address, _)| *address)
    }

    fn insert(&mut self, address: [u8; BYTES], owner: [u8; 4]) {
        match self.addresses.binary_search(&address) {
            Ok(place) => {
                if let Some(old) = self.owners.get_mut(place) {
                    *old = owner;
                }
            }
            Err(place) => {
                self.addresses.insert(place, address);
                self.owners.insert(place, owner);
            }
        }
    }

    fn remove(&mut self, address: [u8; BYTES]) {
        if let Ok(place) = self.addresses.binary_search(&address) {
            self.addresses.remove(place);
            self.owners.remove(place);
        }
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(self.addresses.as_flattened())?;
        to.write_all(self.owners.as_flattened())
    }

    fn read(from: &mut impl Read, count: usize) -> io::Result<Self> {
        let mut family = Family { addresses: vec![[0; BYTES]; count], owners: vec![[0; 4]; count] };
        from.read_exact(family.addresses.as_flattened_mut())?;
        from.read_exact(family.owners.as_flattened_mut())?;
        Ok(family)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_index_is_what_was_put_in_and_not_taken_out() {
        let entries = [("10.0.0.9", 1), ("fd00::2", 3), ("10.0.0.2", 2), ("fd00::1", 1), ("9.255.0.1", 1)];
        let mut index: Index = entries.iter().map(|(text, owner)| (address(text), *owner)).collect();
        index.insert(address("10.0.0.5"), 1);
        index.insert(address("10.0.0.2"), 7);
        index.remove(address("10.0.0.9"));
        index.remove(address("10.0.0.1"));
        assert_eq!(index.v4().collect::<Vec<_>>(), [0x09ff_0001, 0x0a00_0002, 0x0a00_0005]);
        assert_eq!(index.v6().map(|bits| bits & 0xff).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(index.candidates([1, 9]), ["9.255.0.1", "10.0.0.5", "fd00::1"].map(address));
        assert_eq!(index.candidates([2, 7]), [address("10.0.0.2")]);
        assert!(index.contains(address("fd00::2")) && !index.contains(address("10.0.0.9")));

        let mut bytes = Vec::new();
        index.write(&mut bytes).unwrap();
        let length = bytes.len() as u64;
        assert_eq!(Index::read(&mut bytes.as_slice(), length).unwrap(), Some(index));
        for wrong in [length - 1, length + 1, 0] {
            assert_eq!(Index::read(&mut bytes.as_slice(), wrong).unwrap(), None);
        }
        for count in [u64::MAX, u64::MAX / 8, 1 << 61] {
            bytes[..8].copy_from_slice(&count.to_be_bytes());
            assert_eq!(Index::read(&mut bytes.as_slice(), length).unwrap(), None, "no memory is asked for");
        }
    }
}
