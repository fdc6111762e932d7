# FOLDER SECONDS VIRTIOFSD QEMU [ARGUMENT...]: starts a VM that gets this machine's files through FOLDER/files, and stops
# it after that number of seconds.
set -eu
folder=$1 seconds=$2 virtiofsd=$3
shift 3
"$virtiofsd" --socket-path="$folder/files" -o source=/ -o cache=always -o sandbox=chroot >"$folder/files.log" 2>&1 &
files=$!
trap 'kill "$files" 2>/dev/null || true' EXIT
tries=0
until [ -S "$folder/files" ]; do
  if [ "$tries" = 400 ] || ! kill -0 "$files" 2>/dev/null; then
    echo "virtiofsd does not listen:" >&2
    cat "$folder/files.log" >&2
    exit 1
  fi
  tries=$((tries + 1))
  sleep 0.05
done
timeout --foreground --kill-after=5 "$seconds" "$@"
