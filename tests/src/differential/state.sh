# Prints the state of the host and of every named namespace, for state.rs: `@SECTION NAMESPACE`, then lines.
space() {
  echo "@links $1"; ip -json -details link
  echo "@addresses $1"; ip -json address
  echo "@vlans $1"; bridge -json -compressvlans vlan show 2>/dev/null || true
  echo "@routes4 $1"; ip -json -4 route show table all
  echo "@routes6 $1"; ip -json -6 route show table all
  echo "@neighbours $1"; ip neighbour show nud permanent
  echo "@sysctls $1"; (cd /proc/sys/net && grep -rH . ipv4/conf ipv6/conf 2>/dev/null) || true
  echo "@qdiscs $1"
  # One process per link would be too slow in the VM.
  tc qdisc show | while read -r line; do
    case $line in
      "qdisc ingress "*)
        link=${line#* dev } && link=${link%% *}
        echo "$line"
        tc filter show dev "$link" ingress 2>/dev/null | grep -o "match .*\|mirred .*" | sed "s/^/filter $link /" | sort -u
        ;;
      "qdisc tbf "* | "qdisc htb "*) echo "$line" ;;
    esac
  done
  echo "@nft $1"; nft list ruleset
}
if [ $# -gt 0 ]; then
  space "$1"
  exit
fi
space host
for netns in $(ls /run/netns); do nsenter --net=/run/netns/"$netns" sh -c "$SCRIPT" sh "$netns"; done
echo "@iptables host"; iptables-save; echo "@ip6tables host"; ip6tables-save
echo "@files host"
find /run /var/lib -mindepth 1 \( -path /run/netns -o -path /run/wasm-cni -o -path /run/xtables.lock -o -path /run/mount \) -prune \
  -o -printf '%y %m %p\n' | while read -r type mode path; do
  printf '%s %s %s ' "$type" "$mode" "$path"
  [ "$type" != f ] || tr '\r\n' '\001\002' < "$path"
  echo
done
