FROM rust:1.95-slim-trixie AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked --package signl4-rocketchat

FROM debian:trixie-slim
RUN groupadd --gid 10001 bot \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/signl4-rocketchat --shell /usr/sbin/nologin bot \
    && install --directory --owner=bot --group=bot --mode=0750 /var/lib/signl4-rocketchat
# The bot trusts the usual authorities by itself; this is where a company's own can be added.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/target/release/signl4-rocketchat /usr/local/bin/signl4-rocketchat
USER 10001:10001
WORKDIR /var/lib/signl4-rocketchat
VOLUME /var/lib/signl4-rocketchat
ENV SIGNL4_BOT_STORE__URL=sqlite:///var/lib/signl4-rocketchat/bot.db
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["signl4-rocketchat", "health"]
ENTRYPOINT ["signl4-rocketchat"]
CMD ["run"]
