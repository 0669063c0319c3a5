#!/usr/bin/env bash
# Builds the files of a release into target/packages: for each architecture a static program, a Debian package and a container
# image, and SHA256SUMS over all of them.
#
#   contrib/release.sh [ARCHITECTURE…]      x86_64 and aarch64 unless named
#
# Builds exactly what is committed, so it refuses a tree with changes. Installs missing tools only with CI=true; otherwise it
# names them. Takes about ten minutes for each architecture on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."

# Zig compiles the C code (SQLite, ring) for every architecture, and brings the C library: the same musl on every machine.
readonly ZIG=0.17.1 ZIGBUILD=0.24.1 CARGO_DEB=3.8.0
readonly OUT=target/packages TOOLS=$PWD/target/release-tools
export PATH="$TOOLS/bin:$PATH" CARGO_INCREMENTAL=0
architectures=("$@")
[ $# -gt 0 ] || architectures=(x86_64 aarch64)

fail() {
  echo "$*" >&2
  exit 1
}

foreign() { [ "$1" != "$(uname -m)" ]; }

# run ARCHITECTURE COMMAND…: also runs a program of another architecture.
run() {
  local architecture=$1
  shift
  if foreign "$architecture"; then "qemu-$architecture-static" "$@"; else "$@"; fi
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

missing=0
# needs HOW-TO-CHECK HOW-TO-INSTALL, both as commands.
needs() {
  if eval "$1" >/dev/null 2>&1; then return; fi
  if [ "${CI:-}" = true ]; then
    eval "$2" >&2
    hash -r
    eval "$1" >/dev/null 2>&1 || fail "could not be installed: $2"
  else
    echo "missing: $2" >&2
    missing=1
  fi
}

tools() {
  local architecture apt="as_root apt-get -q install --yes --no-install-recommends"
  [ "${CI:-}" != true ] || as_root apt-get -q update >&2
  needs "python3 -c 'import ensurepip'" "$apt python3-venv"
  needs "command -v buildah" "$apt buildah"
  [ "$(id -u)" = 0 ] || needs "command -v newuidmap" "$apt uidmap"
  needs "python3 -m ziglang version | grep -qx $ZIG && command -v cargo-zigbuild" \
    "python3 -m venv $TOOLS && $TOOLS/bin/pip -q install ziglang==$ZIG cargo-zigbuild==$ZIGBUILD"
  needs "command -v cargo-deb" "cargo install --locked --root $TOOLS --target-dir $TOOLS/build cargo-deb@$CARGO_DEB"
  for architecture in "${architectures[@]}"; do
    needs "rustup target list --installed | grep -qx $architecture-unknown-linux-musl" \
      "rustup target add $architecture-unknown-linux-musl"
    ! foreign "$architecture" || needs "command -v qemu-$architecture-static" "$apt qemu-user-static"
  done
  [ $missing = 0 ] || fail "Install these, or let this script do so with CI=true."
}

# Keeps the paths of this machine, and the name of its registry, out of the programs.
without_paths() {
  local crates flags="--remap-path-prefix=$PWD=/build --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
  cargo fetch --locked --quiet
  for crates in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
    flags+=" --remap-path-prefix=$crates=/crates"
  done
  export RUSTFLAGS="$flags" CFLAGS="-ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo -g0"
}

# The manual pages and completions come from the program itself.
generate() {
  local architecture=$1 program=$2 made=target/package command commands
  rm -rf "$made"
  mkdir -p "$made"
  run "$architecture" "$program" man >"$made/signl4-rocketchat.1"
  commands=$(run "$architecture" "$program" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]\{1,\}\) .*/\1/p')
  for command in $commands; do
    [ "$command" != help ] || continue
    run "$architecture" "$program" man "$command" >"$made/signl4-rocketchat-$command.1"
  done
  run "$architecture" "$program" completions bash >"$made/signl4-rocketchat"
  run "$architecture" "$program" completions zsh >"$made/_signl4-rocketchat"
  run "$architecture" "$program" completions fish >"$made/signl4-rocketchat.fish"
}

# The last stage of the Dockerfile, with this program instead of the one that its first stage builds. Runs as root or in a user
# namespace, because a directory of the image belongs to another user.
image() {
  local platform=$1 program=$2 file=$3 name=$4 work storage
  work=$(mktemp -d)
  storage=(--root "$work/root" --runroot "$work/run" --storage-driver vfs)
  install -d -o 10001 -g 10001 -m 0750 "$work/build/image/var/lib/signl4-rocketchat"
  install -d -m 1777 "$work/build/image/tmp"
  install -D -m 0755 "$program" "$work/build/image/usr/local/bin/signl4-rocketchat"
  # Only Docker's image format has a health check.
  buildah "${storage[@]}" build --quiet --isolation chroot --format docker --platform "$platform" --identity-label=false \
    --timestamp "$SOURCE_DATE_EPOCH" --build-context "build=$work/build" --iidfile "$work/id" --file Dockerfile "$work/build" >/dev/null
  buildah "${storage[@]}" push --quiet "$(cat "$work/id")" "docker-archive:$work/image.tar:$name"
  gzip --no-name --best --stdout "$work/image.tar" >"$file"
  rm -rf "$work"
}
export -f image

# release ARCHITECTURE: builds the program and its three files.
release() {
  local architecture=$1 target=$1-unknown-linux-musl name=signl4-rocketchat-$version-$1-linux program platform
  program=target/$target/dist/signl4-rocketchat
  cargo zigbuild --profile dist --locked --package signl4-rocketchat --target "$target"
  [ "$(run "$architecture" "$program" --version)" = "signl4-rocketchat $version" ] || fail "$program does not run"
  generate "$architecture" "$program"

  install -D -t "target/$name" "$program"
  install -m 0644 -t "target/$name" LICENSE README.md CHANGELOG.md bot.toml.example contrib/signl4-rocketchat.service
  tar --create --directory target --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner "$name" |
    gzip --no-name --best >"$OUT/$name.tar.gz"
  rm -rf "target/${name:?}"

  cargo deb --no-build --no-strip --quiet --profile dist --package signl4-rocketchat --target "$target" --output "$OUT/"

  case $architecture in x86_64) platform=linux/amd64 ;; aarch64) platform=linux/arm64 ;; *) platform=linux/$architecture ;; esac
  local in_namespace=()
  [ "$(id -u)" = 0 ] || in_namespace=(buildah unshare)
  # shellcheck disable=SC2016 # The inner shell expands it.
  "${in_namespace[@]}" bash -euc 'image "$@"' -- "$platform" "$program" "$OUT/$name-image.tar.gz" "signl4-rocketchat:$version"
}

[ -z "$(git status --porcelain)" ] || fail "There are changes that are not committed: see git status."
version=$(cargo pkgid --locked --package signl4-rocketchat)
version=${version##*[#@]}
tag=$(git tag --points-at HEAD 'v*')
[ -z "$tag" ] || [ "$tag" = "v$version" ] || fail "The tag is $tag, but Cargo.toml says $version."
tools
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
without_paths
rm -rf "$OUT"
mkdir -p "$OUT"
for architecture in "${architectures[@]}"; do release "$architecture"; done
cd "$OUT"
sha256sum -- * >SHA256SUMS
sha256sum --check --quiet SHA256SUMS
cat SHA256SUMS
