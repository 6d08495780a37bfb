# hognose as an image: `docker build -t hognose .`; compose.yaml starts it.
#
# Three stages, so that neither Rust nor anything that only fetches packages is in the image: it has Debian's
# python3, one binary, and the Python environment, which belongs to root and is never written again.
# `deploy/check-dockerfile` takes these steps where there is no container engine.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p cli

FROM debian:bookworm-slim AS python
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 tzdata \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/hognose /usr/local/bin/hognose

FROM python AS environment
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates
RUN mkdir /opt/hognose && hognose prepare --data-dir /opt/hognose

FROM python
RUN useradd --system --user-group --home-dir /var/lib/hognose --create-home hognose
COPY --from=environment /opt/hognose/environment /opt/hognose/environment
ENV HOGNOSE_ENVIRONMENT=/opt/hognose/environment HOGNOSE_DATA_DIR=/var/lib/hognose
USER hognose
WORKDIR /var/lib/hognose
VOLUME /var/lib/hognose
EXPOSE 5000
# PORT is where platforms that start images expect to find them.
CMD ["sh", "-c", "exec hognose serve --listen \"0.0.0.0:${PORT:-5000}\""]
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD python3 -c "import urllib.request as r; r.urlopen('http://127.0.0.1:${PORT:-5000}/health', timeout=4)"
