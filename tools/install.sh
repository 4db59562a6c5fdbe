#!/bin/sh
# Create the environment if it is missing and install the given lock file and this project into it.
# usage: tools/install.sh LOCKFILE      environment: VENV, UV (empty: use pip), PYTHON
set -eu

lock=$1
venv=${VENV:-.venv}
uv=${UV-uv}
python=$venv/bin/python

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python; do
        if new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "fillwright needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python" >&2
    return 1
}

if [ -n "$uv" ] && "$uv" --version >/dev/null 2>&1; then
    echo "Installing $lock into $venv with uv"
    new_enough "$python" || "$uv" venv --quiet --clear --python "${PYTHON:->=3.11}" "$venv"
    # Compiled now, as pip does it: else each start compiles, where nothing may be written later.
    "$uv" pip install --quiet --compile-bytecode --python "$python" --require-hashes -r "$lock"
    "$uv" pip install --quiet --python "$python" --no-deps --no-build-isolation -e .
else
    echo "Installing $lock into $venv with pip"
    if ! new_enough "$python"; then
        base=$(find_python)
        "$base" -m venv --clear "$venv" || {
            echo "$base cannot create environments; on Debian and Ubuntu: apt install python3-venv" >&2
            exit 1
        }
    fi
    # An environment that uv created has no pip.
    "$python" -m pip --version >/dev/null 2>&1 || "$python" -m ensurepip >/dev/null
    export PIP_DISABLE_PIP_VERSION_CHECK=1
    "$python" -m pip install --quiet --require-hashes -r "$lock"
    "$python" -m pip install --quiet --no-deps --no-build-isolation -e .
fi
