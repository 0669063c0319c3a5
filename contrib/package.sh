#!/usr/bin/env bash
# Builds the Debian package. Needs cargo-deb (cargo install cargo-deb). The program itself generates the manual
# pages and completions, so it is built first.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --profile dist --locked --package signl4-rocketchat
program=target/dist/signl4-rocketchat
made=target/package
mkdir -p "$made"
"$program" man >"$made/signl4-rocketchat.1"
for command in init run check test health demo; do
  "$program" man "$command" >"$made/signl4-rocketchat-$command.1"
done
"$program" completions bash >"$made/signl4-rocketchat"
"$program" completions zsh >"$made/_signl4-rocketchat"
"$program" completions fish >"$made/signl4-rocketchat.fish"
cargo deb --no-build --profile dist --package signl4-rocketchat
