# Sourced: puts a Debian package on this machine, or says how to. Needs `present`, which looks for what it has.
# install_package PACKAGE NAME HINT
install_package() {
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "No $2 here, and no apt-get to install it with. $3" >&2
        exit 1
    fi
    if [ "$(id -u)" -eq 0 ]; then
        as_root=""
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        echo "No $2 here, and no right to install it. Run: sudo apt-get install -y $1" >&2
        exit 1
    fi
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1"
    present
}
