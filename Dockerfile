# syntax=docker/dockerfile:1
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY gateway ./gateway
# What else is installed, such as "postgres": see the extras in pyproject.toml.
ARG EXTRAS=""
RUN python -m venv /opt/gateway \
 && /opt/gateway/bin/pip install --no-cache-dir --disable-pip-version-check ".[$EXTRAS]"

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="Local Agent Gateway" \
      org.opencontainers.image.licenses="MIT"
RUN useradd --system --uid 10001 --home-dir /var/lib/gateway --create-home gateway \
 && install -d -m 0700 -o gateway -g gateway /var/lib/gateway-keys
COPY --from=build /opt/gateway /opt/gateway
ENV PATH="/opt/gateway/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001
WORKDIR /var/lib/gateway
EXPOSE 8484
HEALTHCHECK --interval=30s --timeout=3s --start-period=5s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8484/readyz', timeout=2)"]
# Listening beyond loopback needs client keys: `gateway keys add NAME`, with the same volume on /var/lib/gateway.
ENTRYPOINT ["gateway"]
CMD ["serve", "--config", "/etc/gateway/config.toml", "--host", "0.0.0.0"]
