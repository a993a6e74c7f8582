# syntax=docker/dockerfile:1
# The official images have a CPython that is built with profile-guided optimisation (PGO); a call costs a tenth to a
# quarter less with it (docs/performance.md). Every package is pinned with its hashes, those of the extras included: `make
# lock` renews the two files.
ARG PYTHON=3.13-slim-trixie

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python -m venv --without-pip /opt/gateway \
 && python -m venv --without-pip /opt/build \
 && python -m pip --python /opt/gateway/bin/python install --require-hashes -r requirements.lock \
 && python -m pip --python /opt/build/bin/python install --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY docs/operations.md ./docs/
COPY gateway ./gateway
RUN /opt/build/bin/python -m hatchling build --target wheel --directory /dist \
 && python -m pip --python /opt/gateway/bin/python install --no-deps --no-index /dist/*.whl

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="Local Agent Gateway" \
      org.opencontainers.image.source="https://github.com/local-agent-gateway/local-agent-gateway" \
      org.opencontainers.image.licenses="MIT"
RUN useradd --system --uid 10001 --home-dir /var/lib/gateway --create-home gateway \
 && install -d -m 0700 -o gateway -g gateway /var/lib/gateway-keys
COPY --from=build /opt/gateway /opt/gateway
ENV PATH="/opt/gateway/bin:$PATH" \
    HOME=/var/lib/gateway \
    GATEWAY_KEYS=/var/lib/gateway/keys.json \
    GATEWAY_LEDGER=/var/lib/gateway/ledger.db \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /var/lib/gateway
VOLUME /var/lib/gateway
EXPOSE 8484
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8484/readyz', timeout=2)"]
# Listening beyond loopback needs client keys: `gateway keys add NAME`, with the same volume on /var/lib/gateway.
ENTRYPOINT ["gateway"]
CMD ["serve", "--config", "/etc/gateway/config.toml", "--host", "0.0.0.0"]
