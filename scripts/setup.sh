# Sourced by the scripts beside it: system libraries, uv, the locked environment.
# Debian 12/13, Ubuntu 24.04.  Installs with apt where it may, else prints the one command.
# usage: nearproof_setup PACKAGE...   (packages beyond what running nearproof needs)

UV_VERSION=0.13.9
BASE_PACKAGES="python3 python3-venv ca-certificates libzbar0 libseccomp2 libgl1 libglib2.0-0"
# What the virtual laptops are made of (tests/rig/prerequisites.py).
RIG_PACKAGES="linux-source gcc libc6-dev make flex bison bc xz-utils bzip2 bluez busybox-static v4l-utils tmux"

say() { if [ -t 2 ]; then printf '\033[1m%s\033[0m\n' "$*"; else printf '%s\n' "$*"; fi >&2; }

apt_install() {
    local missing=() package root=()
    for package in "$@"; do
        # Ubuntu 24.04 and Debian 13 carry some of these under names that "provide" them.
        { dpkg-query -W -f='${Status}\n' "$package" "${package}t64" 2>/dev/null || true; } \
            | grep -q '^install ok' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        say "Install these with your package manager, then run this again: ${missing[*]}"
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
            root=(sudo)
        else
            say "System libraries are missing.  Run this, then run me again:"
            printf '    sudo apt-get update && sudo apt-get install -y %s\n' "${missing[*]}" >&2
            exit 1
        fi
    fi
    say "Installing ${missing[*]}"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

find_uv() {
    if command -v uv >/dev/null; then
        UV=uv
    else
        UV=$PWD/.tools/bin/uv
        if ! "$UV" --version 2>/dev/null | grep -q " $UV_VERSION"; then
            say "Installing uv $UV_VERSION into .tools"
            /usr/bin/python3 -m venv .tools
            .tools/bin/pip install -q --disable-pip-version-check "uv==$UV_VERSION"
        fi
    fi
    export UV_PYTHON_DOWNLOADS=never
}

nearproof_setup() {
    # shellcheck disable=SC2086
    apt_install $BASE_PACKAGES "$@"
    find_uv
}

# The locked environment with bytecode, for what starts hundreds of processes: some in laptops that
# cannot write theirs, and where PYTHONDONTWRITEBYTECODE is set none would.
# usage: compiled_environment [uv sync option...]
compiled_environment() {
    "$UV" sync --locked --quiet --compile-bytecode "$@"
    .venv/bin/python -m compileall -q ble config crypto daemon qr scripts tests
}
