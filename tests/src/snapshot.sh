# Prints what a plugin may change, in the host and in every named namespace, for snapshot.rs: `@SECTION NAMESPACE`, then
# lines. It uses as few processes as possible, because it runs after every fault.
space() {
  echo "@ip4 $1"
  printf 'link show\naddress show\nroute show table all\nneighbour show nud permanent\n' | ip -json -details -batch -
  echo "@ip6 $1"; printf 'route show table all\nneighbour show nud permanent\n' | ip -6 -json -details -batch -
  echo "@qdiscs $1"; tc -json qdisc
  echo "@vlans $1"; bridge -json vlan
  echo "@sysctls $1"; (cd /proc/sys/net && grep -rHs . ipv4/conf ipv6/conf ipv4/ip_forward) || true
  echo "@nft $1"; nft --stateless list ruleset
  echo "@iptables $1"; iptables-save; echo "@ip6tables $1"; ip6tables-save
}
if [ $# -gt 0 ]; then
  space "$1"
  exit
fi
space host
for netns in $(ls /run/netns); do nsenter --net=/run/netns/"$netns" sh -c "$SCRIPT" sh "$netns"; done
echo "@files host"
find /run /var/lib \( -path /run/netns -o -path /run/wasm-cni/leases -o -path /run/mount \) -prune -o ! -type d -printf '%y %m %p\n'
find /run/wasm-cni -mindepth 2 -type d ! -path /run/wasm-cni/leases -printf '%y %m %p\n' 2>/dev/null
echo "@contents host"
find /run /var/lib \( -path /run/netns -o -path /run/wasm-cni/leases -o -path /run/mount \) -prune -o -type f -exec grep -aHsZ '' {} +
:
