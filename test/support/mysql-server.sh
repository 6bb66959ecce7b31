#!/usr/bin/env bash
# A MySQL 9 for the tests, beside what is installed: Debian has MariaDB, and a mysql-server-core in its suite sid. This takes that
# and all it needs from the mirror that apt is set up with, unpacks it into a folder, and runs it with its own dynamic loader.
#   mysql-server.sh install   once: 50 MB, 10 seconds
#   mysql-server.sh start     a fresh database on port 3307, with root@127.0.0.1 and no password; nothing when it runs already
#   mysql-server.sh stop
set -euo pipefail

folder=${TEST_MYSQL_FOLDER:-/tmp/two-factor-mysql}
port=3307
root=$folder/root
libraries=$root/usr/lib/x86_64-linux-gnu

run() {
  "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$root/usr/sbin/mysqld" --no-defaults \
    --user="$(id -un)" --datadir="$folder/data" --lc-messages-dir="$root/usr/share/mysql" "$@"
}

running() {
  [ -f "$folder/pid" ] && kill -0 "$(cat "$folder/pid")" 2>/dev/null
}

install() {
  [ -x "$root/usr/sbin/mysqld" ] && return
  mkdir -p "$folder"/lists/partial "$folder"/cache/archives/partial "$folder/debs" "$folder/unpacked"
  : >"$folder/status"
  local mirror
  mirror=$(cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null \
    | grep -oE 'https?://[^ ]+' | grep -v security | sort -u | head -1) || true
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$folder/sources.list"
  local apt=(-o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$folder/lists"
    -o "Dir::State::status=$folder/status" -o "Dir::Cache=$folder/cache" -o "APT::Sandbox::User=$(id -un)")
  apt-get "${apt[@]}" -qq update
  local packages
  mapfile -t packages < <(apt-cache "${apt[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances mysql-server-core | grep -E '^[a-z0-9]' | grep -vE '^(perl|libperl|debconf|cdebconf|dpkg|tar)' | sort -u)
  (cd "$folder/debs" && apt-get "${apt[@]}" -qq download "${packages[@]}")
  for deb in "$folder"/debs/*.deb; do dpkg -x "$deb" "$folder/unpacked"; done
  # At the end, so that an interrupted installation is repeated.
  mv "$folder/unpacked" "$root"
  rm -rf "$folder/debs" "$folder/lists" "$folder/cache"
}

start() {
  running && return
  rm -rf "$folder/data"
  mkdir -p "$folder/data"
  run --initialize-insecure >"$folder/log" 2>&1
  # What is tested does not depend on what survives a power cut.
  run --port=$port --bind-address=127.0.0.1 --socket="$folder/socket" --mysqlx=OFF --pid-file="$folder/pid" \
    --secure-file-priv=NULL --max-connections=300 --innodb-flush-log-at-trx-commit=2 --sync-binlog=0 >>"$folder/log" 2>&1 &
  for _ in $(seq 100); do
    grep -q 'ready for connections' "$folder/log" && return
    sleep 0.2
  done
  echo "MySQL did not start: see $folder/log." >&2
  return 1
}

stop() {
  running && kill "$(cat "$folder/pid")"
}

case ${1:-} in
  install | start | stop) "$1" ;;
  *) echo "Usage: $0 install|start|stop" >&2 && exit 2 ;;
esac
