# The workers and the command line. Kafka and ClickHouse are services of their own, so the
# embedded extra is left out.
FROM python:3.11-slim AS build
# The compiler of the fast path (schemas/compiled); it stays behind in this stage.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY requirements requirements
COPY mailsla mailsla
COPY schemas schemas
COPY streams streams
COPY sinks sinks
# What is installed is what was locked, hash by hash; the project is built with that alone.
RUN python -m venv /opt/mailsla \
 && /opt/mailsla/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.lock \
 && /opt/mailsla/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/mailsla/bin/pip uninstall --yes Cython setuptools pip

FROM python:3.11-slim
# What lays out PDF statements, with a Chinese font.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 fonts-noto-cjk \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/mailsla mailsla
COPY --from=build /opt/mailsla /opt/mailsla
ENV PATH=/opt/mailsla/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /var/lib/mailsla
ENTRYPOINT ["mailsla"]
CMD ["--help"]
