# Carbon Ledger: API, worker and every command in one image. compose.yaml runs it beside PostgreSQL and Redis;
# alone, `docker run -p 8400:8400 -v ledger:/data carbonledger` runs everything with the embedded database.
FROM python:3.13-slim

WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONPATH=/app/src \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    CARBONLEDGER_HOME=/data \
    CARBONLEDGER_HOST=0.0.0.0

# Dependencies first: this layer changes with the lock alone. Wheels only, so no compiler is needed, and each with its hash.
COPY requirements.lock ./
RUN python -m venv .venv && .venv/bin/pip install --require-hashes --only-binary=:all: -r requirements.lock

COPY LICENSE ./
COPY migrations ./migrations
COPY src ./src
RUN printf '#!/bin/sh\nexec python -P -m carbonledger.entrypoints.cli.main "$@"\n' > .venv/bin/carbonledger \
    && chmod 755 .venv/bin/carbonledger \
    && python -m compileall -q src

# A named volume takes over the owner of the folder that it covers.
RUN mkdir -m 700 /data && chown nobody:nogroup /data
VOLUME /data
USER nobody
EXPOSE 8400
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD python -c "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(\"CARBONLEDGER_PORT\", \"8400\")}/health', timeout=3)"
ENTRYPOINT ["carbonledger"]
CMD ["up"]
