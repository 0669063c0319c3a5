#!/bin/sh
# Checks the alert rules, their tests, and the live /metrics of a bot.
#
#   contrib/check.sh                 starts the demo and checks it (DEMO_COMMAND, after `cargo build`)
#   contrib/check.sh URL             checks a running bot, for example http://127.0.0.1:9090/metrics
#
# Needs promtool (Debian: prometheus) and curl.
set -eu
cd "$(dirname "$0")"

demo=${DEMO_COMMAND:-../target/debug/signl4-rocketchat demo --port 0}
work=$(mktemp -d)
pid=
end() {
    if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap end EXIT
trap 'exit 1' INT TERM

promtool check rules prometheus-rules.yml
promtool test rules prometheus-rules.test.yml

if [ $# -gt 0 ]; then
    url=$1
else
    # Created first: the loop may read it before the demo's redirection creates it.
    : > "$work/output"
    $demo > "$work/output" &
    pid=$!
    tries=0
    until url=$(sed -n 's|.*status page is \(http://[^ ]*/\)\.$|\1metrics|p' "$work/output") && [ -n "$url" ]; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ] || ! kill -0 "$pid" 2>/dev/null; then
            echo "the demo did not print the address of the status page" >&2
            exit 1
        fi
        sleep 0.1
    done
fi
curl --fail --silent --show-error --max-time 20 "$url" > "$work/metrics"
promtool check metrics < "$work/metrics"
echo "The live metrics are valid: $(grep -c '^# TYPE' "$work/metrics")."
