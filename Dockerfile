# docker build --tag olaf .
# docker run --rm --tty olaf                                            one paper day on the bundled market
# docker run --rm --volume olaf:/var/lib/olaf olaf config show          any verb; state is kept in the volume
#
# Any base will do that has Python 3.11 or newer as `python3`, with venv: --build-arg BASE=...
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /build
COPY requirements/run.txt requirements/build.txt requirements/
RUN python3 -m venv /opt/olaf \
    && /opt/olaf/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
        -r requirements/run.txt -r requirements/build.txt
COPY pyproject.toml LICENSE ./
COPY olaf_async olaf_async
# What installed the program is taken out again: the image is what runs, and cannot install more.
RUN /opt/olaf/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
    && /opt/olaf/bin/pip uninstall --yes --quiet setuptools pip

FROM ${BASE}
RUN useradd --no-log-init --no-create-home --user-group --uid 10001 --home-dir /var/lib/olaf --shell /usr/sbin/nologin olaf \
    && install --directory --owner olaf --group olaf --mode 0750 /var/lib/olaf
COPY --from=build /opt/olaf /opt/olaf
# PYTHONSAFEPATH: the working folder holds data, and no file in it may pass for a module.
ENV PATH=/opt/olaf/bin:$PATH PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1
USER olaf
WORKDIR /var/lib/olaf
# Settings are read from here, journals and reports are written here.
VOLUME /var/lib/olaf
ENTRYPOINT ["python", "-m", "olaf_async"]
