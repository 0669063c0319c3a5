# A static program in an empty image. Built on Alpine, whose C library is musl.
FROM rust:1.95-alpine AS build
# Not pinned: Alpine only keeps the newest version of each package, so a pinned build soon fails.
# hadolint ignore=DL3018
RUN apk add --no-cache gcc musl-dev
WORKDIR /build
COPY . .
RUN cargo build --profile dist --locked --package signl4-rocketchat \
    && install -d -o 10001 -g 10001 -m 0750 /image/var/lib/signl4-rocketchat \
    && install -d -m 1777 /image/tmp \
    && install -D -m 0755 target/dist/signl4-rocketchat /image/usr/local/bin/signl4-rocketchat

FROM scratch
# The bot includes the public certificate authorities. Mount a company's own as a file and name it in SSL_CERT_FILE.
COPY --from=build /image /
USER 10001:10001
WORKDIR /var/lib/signl4-rocketchat
VOLUME /var/lib/signl4-rocketchat
ENV PATH=/usr/local/bin
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["signl4-rocketchat", "health"]
ENTRYPOINT ["signl4-rocketchat"]
CMD ["run"]
