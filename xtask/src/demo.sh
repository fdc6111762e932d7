# A session with wasm-cni, from the first plan to the last DEL. It runs as root of its own network, mount and (for an
# ordinary user) user namespace. `cargo xtask demo` sets DIST to target/dist-demo, `cargo xtask test` to target/dist.

say() { printf '\n# %s\n' "$*"; }
show() { printf '$ %s\n' "$1"; eval "$1" || { say "The demo FAILED: this should have succeeded."; exit 1; }; }

# What an attachment can leave behind, one object per line.
snapshot() {
  ip -brief link | sed 's/^\([^ @]*\).*/link \1/'
  ip -4 -brief address | awk '{ for (i = 3; i <= NF; i++) print "address " $1 " " $i }'
  # The bridge notices a missing port at different times, so `linkdown` differs from run to run.
  ip -4 route | sed 's/ linkdown//; s/ *$//; s/^/route /'
  ip -n demo -brief link | sed 's/^\([^ @]*\).*/link in the container \1/'
  iptables -t nat -S | sed 's/^/rule /'
  printf 'ip_forward %s\n' "$(cat /proc/sys/net/ipv4/ip_forward)"
  find /var/lib/cni /run/wasm-cni/attachments -type f 2>/dev/null | sort | sed 's/^/file /' || true
}

mkdir -p /run/demo /run/netns
cd /run/demo
cat > mybridge.conf <<'EOC'
{ "cniVersion": "1.1.0", "name": "mybridge", "type": "bridge", "bridge": "cni_bridge0",
  "isGateway": true, "ipMasq": true,
  "ipam": { "type": "host-local", "subnet": "10.15.20.0/24",
            "routes": [ { "dst": "0.0.0.0/0" }, { "dst": "1.1.1.1/32", "gw": "10.15.20.1" } ] }
}
EOC

say 'A network configuration, as for any CNI bridge plugin, and a network namespace that stands for a container.'
show 'cat mybridge.conf'
show 'ip netns add demo'
snapshot > before

say 'What would an ADD do here? This is the plan; nothing is changed.'
show '$DIST/wasm-cni plan mybridge.conf --netns /run/netns/demo --container-id demo --ifname eth0 --cni-path $DIST'
snapshot > planned
show 'diff before planned && echo "nothing changed"'

say 'ADD, as a container runtime calls it.'
show 'export CNI_CONTAINERID=demo CNI_NETNS=/run/netns/demo CNI_IFNAME=eth0 CNI_PATH=$DIST'
show 'CNI_COMMAND=ADD $DIST/bridge < mybridge.conf > result.json'
show 'cat result.json'
echo

say 'The container has an address, routes, and a gateway that answers.'
show 'ip -n demo address show eth0'
show 'ip -n demo route'
show 'ip netns exec demo ping -c 1 -W 2 10.15.20.1'

say 'The host has a bridge, and rules for this container only.'
show 'ip address show cni_bridge0'
show 'iptables -t nat -S'

say 'CHECK: is the attachment still as ADD made it? The runtime passes the result of the ADD.'
show "{ sed '\$d' mybridge.conf; echo ', \"prevResult\":'; cat result.json; echo '}'; } > check.conf"
show 'CNI_COMMAND=CHECK $DIST/bridge < check.conf && echo "as it was made"'

say 'DEL, twice: it also succeeds when a runtime repeats it.'
show 'CNI_COMMAND=DEL $DIST/bridge < mybridge.conf'
show 'CNI_COMMAND=DEL $DIST/bridge < mybridge.conf'

say 'Before and after. The network shares the bridge, forwarding and the two files, so every bridge plugin keeps them.'
snapshot > after
# diff exits 1 when there is a difference, and 2 when it failed.
printf '$ diff before after\n'
diff before after > left || [ $? = 1 ]
grep '^[<>]' left

cat > expected <<'EOC'
> link cni_bridge0
> address cni_bridge0 10.15.20.1/24
> route 10.15.20.0/24 dev cni_bridge0 proto kernel scope link src 10.15.20.1
< ip_forward 0
> ip_forward 1
> file /var/lib/cni/networks/mybridge/last_reserved_ip.0
> file /var/lib/cni/networks/mybridge/lock
EOC
sort left | grep '^[<>]' > left.sorted
sort expected | diff - left.sorted || { say 'The demo FAILED: this is not what should be left.'; exit 1; }
say 'Nothing of the container is left.'
