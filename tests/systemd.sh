#!/usr/bin/env bash
# Tests contrib's unit under a live systemd: of this release of Debian (or of SUITE, a later one), in a virtual machine with both
# simulators and without a network. Not part of .ci/run, because it takes about five minutes. Needs root, debootstrap,
# qemu-system-x86_64, and before it `cargo build && cargo build --package signl4-rocketchat-sandbox --example world`.
set -euo pipefail

# Runs in the machine at each of its starts: prints the results on the console, and powers the machine off at the end.
inside() {
  set +e
  exec >/dev/console 2>&1
  local unit=signl4-rocketchat settings=/etc/signl4-rocketchat failed=0 page from
  holds() { if "${@:2}"; then echo "holds: $1"; else echo "DOES NOT HOLD: $1" && failed=1; fi; }
  # Tries for two minutes: the machine is slow.
  soon() { for _ in {1..60}; do "$@" && return; sleep 2; done; return 1; }
  is() { [ "$(systemctl show $unit --property "$1" --value)" = "$2" ]; }
  status_has() { [[ "$(systemctl show $unit --property StatusText --value)" == *"$1"* ]]; }
  logged() { journalctl --unit $unit | grep "$1" >/dev/null; }
  within() { [ $((SECONDS - $2)) -le "$1" ]; }

  # The simulators, through their page.
  world() { curl --silent --no-buffer --max-time 2 "${page}api/events" | sed -n 's/^data: *//p' | head -n 1; }
  of_world() { world | jq --raw-output --arg text "$1" "$2"; }
  post() { curl --silent --json "$2" "$page$1" >/dev/null; }
  say() { post api/messages "$(of_world "$1" '{$text, user: .people[0].id, room: .rooms[] | select(.name == "operations").id}')"; }
  acknowledge() { post "api/alerts/$(of_world "$1" '.alerts[] | select(.text == $text).id')" '{"step": "acknowledge"}'; }
  paged_once() { [ "$(of_world "$1" '[.alerts[] | select(.text == $text)] | length')" = 1 ]; }
  answered() { [ "$(of_world "$1" '.rooms[].messages[] | select(.text == $text).replies | length')" = 1 ]; }

  if [ -e $settings/bot.toml ]; then
    holds "the bot starts with the machine" soon is ActiveState active
    [ ! -e /root/failed ] || failed=1
    echo "result: $failed"
    systemctl poweroff
    return
  fi

  mkfifo /run/urls
  world.example </run/urls >/run/world &
  exec 3>/run/urls
  soon test -s /run/world
  page=$(jq --raw-output .page /run/world)
  jq --raw-output .auth_token /run/world >/root/token
  jq --raw-output .webhook_url /run/world >/root/webhook
  install -d $settings
  signl4-rocketchat init --output $settings/bot.toml --secrets-dir $settings --url "$(jq --raw-output .url /run/world)" \
    --user-id "$(jq --raw-output .user_id /run/world)" --token-file /root/token --webhook-url-file /root/webhook
  echo "http://127.0.0.1:8080/signl4/$(cat $settings/listener-secret)" >&3
  # In this test, a system call that the unit denies ends the bot, and the watchdog's time limit is short.
  mkdir /etc/systemd/system/$unit.service.d
  printf '[Service]\nSystemCallErrorNumber=kill\nWatchdogSec=20\n' >/etc/systemd/system/$unit.service.d/test.conf
  systemctl daemon-reload
  holds "it starts" systemctl enable --now $unit
  holds "it is active then" is ActiveState active
  holds "the status shows the connection" soon status_has "connected to Rocket.Chat since"
  holds "the store is the bot's alone" \
    [ "$(stat --format %a /var/lib/private/$unit /var/lib/private/$unit/*.db | xargs)" = "700 600" ]

  say "SIGNL4 one"
  holds "a message pages" soon paged_once "SIGNL4 one"
  acknowledge "SIGNL4 one"
  holds "the answer is in the thread" soon answered "SIGNL4 one"

  holds "it reloads" systemctl reload $unit
  holds "a reload waits for its end" logged "configuration reloaded"
  cp $settings/bot.toml /root
  echo "[wrong" >>$settings/bot.toml
  systemctl reload $unit
  holds "the status says why a reload changed nothing" status_has "changed nothing"
  holds "the bot goes on then" is ActiveState active

  systemctl kill --signal KILL $unit
  holds "a wrong configuration fails" soon is ActiveState failed
  say "SIGNL4 two"
  sleep 10
  holds "a wrong configuration is tried once" is NRestarts 1
  cp /root/bot.toml $settings/
  systemctl start $unit
  holds "what was written meanwhile pages" soon paged_once "SIGNL4 two"

  systemctl kill --signal STOP $unit
  say "SIGNL4 three"
  holds "a bot that hangs is restarted" soon is NRestarts 1
  holds "what was written meanwhile pages" soon paged_once "SIGNL4 three"
  systemctl kill --signal KILL $unit
  holds "a bot that is killed is restarted" soon is NRestarts 2
  from=$SECONDS
  systemctl stop $unit
  holds "it stops within 10 seconds" within 10 "$from"
  holds "it stops well" is Result success
  for text in "SIGNL4 one" "SIGNL4 two" "SIGNL4 three"; do holds "$text paged once" paged_once "$text"; done
  holds "no system call was denied" [ -z "$(dmesg | grep 'type=1326')" ]
  [ $failed = 0 ] || touch /root/failed
  systemctl reboot
}
if [ "${1:-}" = inside ]; then
  inside
  exit
fi

cd "$(dirname "$0")/.."
built=${CARGO_TARGET_DIR:-target}/debug
work=$(mktemp -d)
machine=
finish() {
  [ -z "$machine" ] || kill "$machine" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap finish EXIT
# Only debootstrap sees what it mounts, and the mounts end with it. The program needs the C library that it was built with, or a
# later one.
suite=${SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
unshare --mount debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,linux-image-amd64,curl,jq \
  "$suite" "$work/root" >"$work/log" || { tail "$work/log" >&2 && exit 1; }
install "$built/signl4-rocketchat" tests/systemd.sh "$work/root/usr/bin/"
install "$built/examples/world" "$work/root/usr/bin/world.example"
install --mode 644 contrib/signl4-rocketchat.service "$work/root/etc/systemd/system/"
printf '[Service]\nExecStart=/usr/bin/systemd.sh inside\n' >"$work/root/etc/systemd/system/the-test.service"
ln -s ../the-test.service "$work/root/etc/systemd/system/multi-user.target.wants/"
mke2fs -q -t ext4 -d "$work/root" "$work/disk" 4G >"$work/log"

: >"$work/console"
# QEMU_ACCEL=kvm is faster where /dev/kvm runs any kernel.
timeout 1800 qemu-system-x86_64 -accel "${QEMU_ACCEL:-tcg}" -cpu max -smp 2 -m 2G -nic none -display none \
  -serial "file:$work/console" -drive "file=$work/disk,format=raw,if=virtio" -kernel "$work"/root/boot/vmlinuz-* \
  -initrd "$work"/root/boot/initrd.img-* -append "root=/dev/vda rw console=ttyS0 quiet" &
machine=$!
tail --pid "$machine" --lines +1 --follow "$work/console" | grep --line-buffered --text -oE '(holds|DOES NOT HOLD|result): .*' || true
grep --quiet --text 'result: 0' "$work/console"
