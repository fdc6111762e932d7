//! Which addresses of a store are taken, each with a stand-in for its owner. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The taken addresses of both families.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    v4: Family<u32>,
    v6: Family<u128>,
}

/// The taken addresses of one family, ascending, and in the same order the stand-ins of their owners.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Family<T> {
    addresses: Vec<T>,
    owners: Vec<u32>,
}

impl FromIterator<(IpAddr, u32)> for Index {
    /// In any order.
    fn from_iter<I: IntoIterator<Item = (IpAddr, u32)>>(entries: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (address, owner) in entries {
            match address {
                IpAddr::V4(address) => v4.push((address.to_bits(), owner)),
                IpAddr::V6(address) => v6.push((address.to_bits(), owner)),
            }
        }
        Index { v4: Family::from_unsorted(v4), v6: Family::from_unsorted(v6) }
    }
}

impl Index {
    /// How many addresses of each family.
    pub fn counts(&self) -> (usize, usize) {
        (self.v4.addresses.len(), self.v6.addresses.len())
    }

    /// Whether an address is taken.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(v4) => self.v4.addresses.binary_search(&v4.to_bits()).is_ok(),
            IpAddr::V6(v6) => self.v6.addresses.binary_search(&v6.to_bits()).is_ok(),
        }
    }

    /// Adds an address, or gives it another owner.
    pub fn insert(&mut self, address: IpAddr, owner: u32) {
        match address {
            IpAddr::V4(v4) => self.v4.insert(v4.to_bits(), owner),
            IpAddr::V6(v6) => self.v6.insert(v6.to_bits(), owner),
        }
    }

    /// Takes an address out.
    pub fn remove(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => self.v4.remove(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.remove(v6.to_bits()),
        }
    }

    /// All addresses, ascending.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let v4 = self.v4.addresses.iter().map(|bits| Ipv4Addr::from_bits(*bits).into());
        v4.chain(self.v6.addresses.iter().map(|bits| Ipv6Addr::from_bits(*bits).into()))
    }

    /// The addresses whose owner may be one of these, ascending: their files tell.
    pub fn candidates(&self, owners: [u32; 2]) -> Vec<IpAddr> {
        let v4 = self.v4.of(owners).map(|bits| Ipv4Addr::from_bits(bits).into());
        v4.chain(self.v6.of(owners).map(|bits| Ipv6Addr::from_bits(bits).into())).collect()
    }

    /// Little endian: addresses and owners of IPv4, then of IPv6.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.extend(self.v4.addresses.iter().flat_map(|bits| bits.to_le_bytes()));
        to.extend(self.v4.owners.iter().flat_map(|owner| owner.to_le_bytes()));
        to.extend(self.v6.addresses.iter().flat_map(|bits| bits.to_le_bytes()));
        to.extend(self.v6.owners.iter().flat_map(|owner| owner.to_le_bytes()));
    }

    /// The inverse, given how many addresses of each family there are; none when the length does not fit.
    pub fn decode(bytes: &[u8], (v4, v6): (usize, usize)) -> Option<Self> {
        let (v4_addresses, rest) = bytes.split_at_checked(v4.checked_mul(4)?)?;
        let (v4_owners, rest) = rest.split_at_checked(v4.checked_mul(4)?)?;
        let (v6_addresses, v6_owners) = rest.split_at_checked(v6.checked_mul(16)?)?;
        if v6_owners.len() != v6.checked_mul(4)? {
            return None;
        }
        let v4 = Family { addresses: words(v4_addresses), owners: words(v4_owners) };
        let (v6_addresses, _) = v6_addresses.as_chunks();
        let v6_addresses = v6_addresses.iter().map(|bytes| u128::from_le_bytes(*bytes)).collect();
        Some(Index { v4, v6: Family { addresses: v6_addresses, owners: words(v6_owners) } })
    }
}

impl<T: Ord + Copy> Family<T> {
    fn from_unsorted(mut entries: Vec<(T, u32)>) -> Self {
        entries.sort_unstable();
        let (addresses, owners) = entries.into_iter().unzip();
        Family { addresses, owners }
    }

    fn of(&self, owners: [u32; 2]) -> impl Iterator<Item = T> {
        let entries = self.addresses.iter().zip(&self.owners);
        entries.filter(move |(_, owner)| owners.contains(owner)).map(|(address, _)| *address)
    }

    fn insert(&mut self, address: T, owner: u32) {
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

    fn remove(&mut self, address: T) {
        if let Ok(place) = self.addresses.binary_search(&address) {
            self.addresses.remove(place);
            self.owners.remove(place);
        }
    }
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let (words, _) = bytes.as_chunks();
    words.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_index_is_what_was_put_in_and_not_taken_out() {
        let entries = [("10.0.0.9", 1), ("fd00::2", 3), ("10.0.0.2", 2), ("fd00::1", 1)];
        let mut index: Index = entries.iter().map(|(text, owner)| (address(text), *owner)).collect();
        index.insert(address("10.0.0.5"), 1);
        index.insert(address("10.0.0.2"), 7);
        index.remove(address("10.0.0.9"));
        index.remove(address("10.0.0.1"));
        let all: Vec<_> = index.addresses().map(|address| address.to_string()).collect();
        assert_eq!(all, ["10.0.0.2", "10.0.0.5", "fd00::1", "fd00::2"]);
        assert_eq!(index.candidates([1, 9]), [address("10.0.0.5"), address("fd00::1")]);
        assert_eq!(index.candidates([2, 7]), [address("10.0.0.2")]);
        assert!(index.contains(address("fd00::2")) && !index.contains(address("10.0.0.9")));

        let mut bytes = Vec::new();
        index.encode(&mut bytes);
        assert_eq!(Index::decode(&bytes, index.counts()), Some(index.clone()));
        for wrong in [(1, 2), (2, 1), (3, 2), (usize::MAX, 1), (0, usize::MAX)] {
            assert_eq!(Index::decode(&bytes, wrong), None, "{wrong:?}");
        }
    }
}
