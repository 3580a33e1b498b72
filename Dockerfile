# Builds with what every current engine has (BuildKit): the registry and the compiled dependencies stay in caches, so that
# a change of the sources compiles the sources alone. Both stages stand on the same Debian, hence on the same C library.

FROM rust:1-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked --bin rolekeeper \
    && install -D -m 0755 target/release/rolekeeper /out/usr/local/bin/rolekeeper \
    && install -d -m 0700 /out/data

FROM debian:bookworm-slim
COPY --from=build /out/usr/local/bin/rolekeeper /usr/local/bin/rolekeeper
# A new volume takes over the owner and the mode of the folder that it covers.
COPY --from=build --chown=10001:10001 /out/data /data
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
ENV ROLEKEEPER_BIND=0.0.0.0 \
    ROLEKEEPER_DATA_DIR=/data
VOLUME ["/data"]
EXPOSE 3000
# Reads the same environment as the server. Whoever changes the port does it by PORT, not by a flag of the server alone.
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/rolekeeper", "health"]
ENTRYPOINT ["/usr/local/bin/rolekeeper"]
